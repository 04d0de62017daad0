# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of overlays, and copies of them.

XAPI's copies inherit the labels of what they are copied from. So that a copy whose maker was killed is known for ours,
the source bears the label ``copying`` meanwhile; the copy gets labels of its own, its own uuid among them, at once.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import Iterator, Mapping

from ..model.instances import disks_by_instance
from ..model.labels import COPYING, PREFIX, Kind, Labels, Standing, other_config
from ..model.records import Disk
from ..xapi.errors import ApiFailure, XapiError
from .worksite import Worksite

#: Labels that a snapshot has of its overlay. Not the VM's: it belongs to the instance, whatever VM that has.
_COMMON = ("pool", "name", "number", "instance", "master", "version", "master_id")


def take_snapshot(site: Worksite, overlay: Disk, name: str) -> str:
    """Take a snapshot of an overlay, call it so, and return its reference. Raises XapiError."""
    common = {key: overlay.labels[key] for key in _COMMON}
    order = 1 + max(
        (disk.labels.number("order") for disk in disks_by_instance(site.pool)[common["instance"]]), default=0
    )
    labels = other_config(Kind.SNAPSHOT, **common, snapshot=name, overlay=overlay.uuid, order=str(order))
    with copying(site, overlay, f"snapshot {name}"):
        vdi = _copy(site, overlay, "VDI.snapshot")
        label_copy(site, vdi, f"{overlay.labels['name']} snapshot {name}", labels, finished=True)
    site.done(f"snapshot {name} taken")
    return vdi


def copy_snapshot(site: Worksite, snapshot: Disk, name: str, labels: Mapping[str, str]) -> str:
    """Make a disk that holds what a snapshot holds, with this name and these keys of other_config; its reference.

    It is unfinished: without its uuid label. Raises XapiError.
    """
    with copying(site, snapshot, "revert"):
        vdi = _copy(site, snapshot, "VDI.clone")
        label_copy(site, vdi, name, labels, finished=False)
    return vdi


@contextmanager
def copying(site: Worksite, source: Disk, why: str) -> Iterator[None]:
    """What XAPI copies of a disk within is ours."""
    site.add_key("VDI", source.ref, PREFIX + COPYING, why)
    try:
        yield
    except ApiFailure:
        with suppress(XapiError):
            forget_copying(site, source)
        raise
    forget_copying(site, source)


def forget_copying(site: Worksite, source: Disk) -> None:
    """From now on, a copy of the disk is somebody else's again. Raises XapiError."""
    site.repeat("VDI.remove_from_other_config", source.ref, PREFIX + COPYING)


def _copy(site: Worksite, source: Disk, method: str) -> str:
    def look() -> str | None:
        return next((vdi for vdi in site.read("VDI.get_by_name_label", source.name) if _is_copy(site, vdi)), None)

    with site.windows.disk_operation(source.sr):
        vdi = site.settle(lambda: site.run(method, source.ref, {}), look)
    site.record.disks[vdi] = source.sr
    return vdi


def _is_copy(site: Worksite, vdi: str) -> bool:
    if vdi in site.pool.disks:
        return False
    record = site.read("VDI.get_record", vdi)
    labels = Labels.of(record["other_config"])
    return COPYING in labels and labels.standing(record["uuid"]) is Standing.UNFINISHED


def label_copy(site: Worksite, vdi: str, name: str, labels: Mapping[str, str], finished: bool) -> None:
    """Give a copy a name and labels of its own, in the place of those that it inherited. Raises XapiError."""
    record = site.read("VDI.get_record", vdi)
    foreign = {key: value for key, value in record["other_config"].items() if not key.startswith(PREFIX)}
    own = {PREFIX + "uuid": record["uuid"]} if finished else {}
    site.repeat("VDI.set_name_label", vdi, name)
    site.repeat("VDI.set_other_config", vdi, {**foreign, **labels, **own})
