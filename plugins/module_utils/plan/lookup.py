# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find objects of a host pool by what a user wrote: a name, or a uuid where names are not unique. Pure."""

from __future__ import annotations

from typing import Callable, Iterable, Sequence, TypeVar

from ..model.masters import MasterVersion, master_versions, promoted
from ..model.records import Disk, HostPool, Network, StorageRepository
from .refusal import Refused
from .spec import MasterName

T = TypeVar("T", Network, StorageRepository)


def find_sr(pool: HostPool, wanted: str) -> StorageRepository:
    """The SR of that name or uuid, fit for disks. Raises Refused."""
    sr = _find_one(pool.srs.values(), wanted, "SR", lambda one: one.content_type != "iso")
    if sr.content_type == "iso" or sr.type in ("iso", "udev"):
        raise Refused(f"SR {sr.name!r} ({sr.uuid}) is of type {sr.type}: it holds no disks. Choose another SR.")
    return sr


def find_srs(pool: HostPool, wanted: Sequence[str]) -> list[StorageRepository]:
    """The SRs of these names or uuids, each once.

    A name stands for several SRs where each is local to another host: XenServer calls every host's own SR "Local
    storage". Raises Refused.
    """
    found = [sr for name in wanted for sr in _local_namesakes(pool, name) or [find_sr(pool, name)]]
    return list({sr.ref: sr for sr in found}.values())


def _local_namesakes(pool: HostPool, name: str) -> list[StorageRepository]:
    """The SRs of that name, by uuid, when there are several and each is local to another host; else none."""
    named = [sr for sr in pool.srs.values() if sr.name == name and sr.content_type != "iso"]
    hosts = [host for sr in named for host in sr.attached_hosts]
    is_one_each = len(set(hosts)) == len(hosts) == len(named) and not any(sr.shared for sr in named)
    return sorted(named, key=lambda sr: sr.uuid) if len(named) > 1 and is_one_each else []


def find_network(pool: HostPool, wanted: str) -> Network:
    """The network of that name or uuid. Raises Refused."""
    return _find_one(pool.networks.values(), wanted, "network", lambda one: True)


def _find_one(objects: Iterable[T], wanted: str, what: str, fits: Callable[[T], bool]) -> T:
    everything = list(objects)
    matches = [one for one in everything if wanted in (one.uuid, one.name)]
    fitting = [one for one in matches if fits(one)] or matches
    if not fitting:
        names = ", ".join(sorted(repr(one.name) for one in everything if fits(one)))
        raise Refused(f"There is no {what} {wanted!r} in the host pool. There are: {names or 'none'}.")
    if len(fitting) > 1:
        uuids = ", ".join(sorted(one.uuid for one in fitting))
        raise Refused(f"{len(fitting)} objects of kind {what} are called {wanted!r}; give the uuid of one: {uuids}.")
    return fitting[0]


def find_master(pool: HostPool, wanted: MasterName) -> MasterVersion:
    """The version of that name and number, or the promoted one; complete. Raises Refused."""
    versions = master_versions(pool)
    of_name = [version for version in versions if version.name == wanted.name]
    if not of_name:
        names = ", ".join(sorted({version.name for version in versions}))
        raise Refused(
            f"Master image {wanted.name!r} is not published in host pool {pool.name!r} ({pool.uuid}). "
            + (f"There are: {names}." if names else "No master image is; publish one first.")
        )
    numbers = ", ".join(version.title for version in of_name)
    if wanted.number is None:
        version = promoted(versions, wanted.name)
        if version is None:
            raise Refused(f"No version of master image {wanted.name!r} is promoted. Promote one of: {numbers}.")
    else:
        found = [version for version in of_name if version.number == wanted.number]
        if not found:
            raise Refused(f"Master image {wanted} does not exist. There are: {numbers}.")
        version = found[0]
    if version.missing:
        raise Refused(
            f"Master image {version.title} (blueprint {version.blueprint.uuid}) has lost its "
            f"{' and '.join(version.missing)}: no instance can boot from it. Publish a new version."
        )
    return version


def version_of(pool: HostPool, overlay: Disk) -> MasterVersion | None:
    """The complete master version on which an overlay was used last."""
    return next(
        (v for v in master_versions(pool) if v.master_id == overlay.labels["master_id"] and not v.missing), None
    )
