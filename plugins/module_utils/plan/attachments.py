# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an instance's disks are attached, and what of it an instance has lost. Pure."""

from __future__ import annotations

from typing import Iterator

from ..model.instances import Instance
from ..model.labels import Standing
from ..model.masters import MasterVersion
from ..model.records import Disk, HostPool
from .actions import LostNic, Reattach

#: Fixed positions: with ``autodetect`` the CD at 3 would push disks about (xapi's rules of device numbers).
ROOT, OVERLAY, SWAP, BOOT = "0", "1", "2", "3"
#: Data disks follow from here on.
FIRST_DATA_DISK = 4


def nic_label(nics: list[tuple[int, str, str]]) -> str:
    """The label that remembers an instance's NICs: ``device=MAC/network uuid``, blank-separated."""
    return " ".join(f"{device}={mac}/{network}" for device, mac, network in nics)


def parse_nic_label(text: str) -> Iterator[tuple[int, str, str]]:
    """The opposite of :func:`nic_label`: (device, MAC, network uuid)."""
    for word in text.split():
        device, _equals, rest = word.partition("=")
        mac, _slash, network = rest.partition("/")
        if device.isdecimal():  # else somebody has changed the label
            yield int(device), mac, network


def lost_attachments(pool: HostPool, instance: Instance, version: MasterVersion | None, start: bool) -> Reattach | None:
    """What a halted instance of this master version was made with and no longer has, or None."""
    version = version.used_by(instance.vm, instance.overlay) if version else None
    lost = Reattach(
        instance=instance,
        root=version.root if version and not _has_one_like(pool, instance, version.root) else None,
        boot=version.boot if version and not _has_one_like(pool, instance, version.boot) else None,
        overlay=instance.overlay if _is_detached(instance, instance.overlay) else None,
        swap=instance.swap if _is_detached(instance, instance.swap) else None,
        nics=tuple(_lost_nics(pool, instance)),
        start=start,
        disks=tuple(disk for disk in instance.data_disks if _is_detached(instance, disk)),
    )
    return lost if any((lost.root, lost.boot, lost.overlay, lost.swap, lost.nics, lost.disks)) else None


def _is_detached(instance: Instance, disk: Disk | None) -> bool:
    return disk is not None and all(a.vdi != disk.ref for a in instance.vm.attachments)


def _has_one_like(pool: HostPool, instance: Instance, disk: Disk | None) -> bool:
    """Whether an instance has a master's disk attached, or that of another copy, whose blueprint may be gone."""
    attached = [pool.disks[a.vdi] for a in instance.vm.attachments if a.vdi in pool.disks]
    return disk is None or any(_which(one) == _which(disk) for one in attached if one.standing is Standing.OWNED)


def _which(disk: Disk) -> tuple[str, str]:
    return disk.labels.kind, disk.labels["master_id"]


def _lost_nics(pool: HostPool, instance: Instance) -> Iterator[LostNic]:
    networks = {network.uuid: network for network in pool.networks.values()}
    present = {interface.device for interface in instance.vm.interfaces}
    for device, mac, network in parse_nic_label(instance.vm.labels["nics"]):
        if device not in present and network in networks:
            yield LostNic(device, mac, networks[network])
