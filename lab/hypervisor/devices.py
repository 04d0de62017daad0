# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A domain's disks and network interfaces in QEMU's words: the same for its command line and for hot-plugging."""

from __future__ import annotations

import hashlib
import ipaddress
from pathlib import Path
from typing import Any

from lab.hypervisor import Domain, DomainDisk, DomainNic, HypervisorError

#: PCI slots: NICs first, so that their names in the guest do not depend on the disks.
BLANK_SLOT, FIRST_NIC_SLOT, SERIAL_SLOT, FIRST_DISK_SLOT, LAST_SLOT = 2, 3, 10, 11, 31
IDE_DRIVES = 4
#: Where frames between guests are sent to: a part of the multicast addresses that never leave an organisation
#: (they do not even leave the loopback interface), and ports that no client is given as its own.
GROUPS, FIRST_PORT, PORTS = ipaddress.IPv4Network("239.192.0.0/14"), 20000, 12000

#: What QEMU takes as JSON on its command line and in its machine protocol.
Words = dict[str, Any]


def assign_slots(domain: Domain) -> dict[int, int]:
    """Position -> PCI slot of the domain's disks, in the order of their positions. Raises HypervisorError."""
    positions = sorted(disk.position for disk in domain.disks if disk.type == "Disk")
    if len(positions) > LAST_SLOT - FIRST_DISK_SLOT + 1:
        raise HypervisorError(f"VM {domain.name} ({domain.vm_uuid}) has more disks than there is room for")
    return {position: slot for slot, position in enumerate(positions, start=FIRST_DISK_SLOT)}


def free_slot(slots: dict[int, int]) -> int:
    """A PCI slot for one more disk. Raises HypervisorError."""
    taken = set(slots.values())
    for slot in range(FIRST_DISK_SLOT, LAST_SLOT + 1):
        if slot not in taken:
            return slot
    raise HypervisorError("there is no room for one more disk")


def boot_order(domain: Domain) -> list[DomainDisk]:
    """The disks that firmware looks at, in order. A read-only Disk is none of them, as on XenServer."""
    if not domain.boots:
        return []
    by_position = sorted(domain.disks, key=lambda disk: disk.position)
    kinds = {
        "c": [disk for disk in by_position if disk.type == "Disk" and disk.mode == "RW"],
        "d": [disk for disk in by_position if disk.type == "CD"],
    }
    return [disk for letter in domain.boot_order for disk in kinds.get(letter, [])]


def block_device(disk: DomainDisk, path: Path, node: str = "") -> Words:
    """QEMU's description of an image. A guest's flushes end in the host's cache: a lab's data may go with the host."""
    cache = {"direct": False, "no-flush": True}
    return {
        "driver": "qcow2",
        "node-name": node or node_name(disk.position),
        "read-only": disk.mode == "RO" or disk.type == "CD",
        "cache": cache,
        "file": {"driver": "file", "filename": str(path), "cache": cache},
    }


def disk_device(disk: DomainDisk, slot: int) -> Words:
    """The drive of a disk."""
    return {
        "driver": "virtio-blk-pci",
        "id": device_name(disk.position),
        "drive": node_name(disk.position),
        "addr": hex(slot),
    }


def cd_device(disk: DomainDisk, number: int) -> Words:
    """One of the machine's IDE_DRIVES CD drives, counted from 0; it may be empty."""
    words: Words = {
        "driver": "ide-cd",
        "id": device_name(disk.position),
        "bus": f"ide.{number // 2}",
        "unit": number % 2,
    }
    return words | ({"drive": node_name(disk.position)} if disk.disk else {})


def nic_device(nic: DomainNic) -> Words:
    """The network interface itself. Raises HypervisorError when there is no room for it."""
    slot = FIRST_NIC_SLOT + nic.device
    if slot >= SERIAL_SLOT:
        raise HypervisorError(f"there is no room for network interface {nic.device} ({nic.mac})")
    return {
        "driver": "virtio-net-pci",
        "id": nic_device_name(nic.device),
        "netdev": nic_name(nic.device),
        "mac": nic.mac,
        "addr": hex(slot),
        "romfile": "",
    }


def nic_backend(nic: DomainNic, lab: str) -> Words:
    """What the interface is joined to: the host, or the other guests of its network in the lab of that name."""
    if nic.to_host:
        return {"type": "user", "id": nic_name(nic.device), **_addresses(nic)}
    group, port = meeting_point(lab, nic.network)
    return {
        "type": "dgram",
        "id": nic_name(nic.device),
        "local": {"type": "inet", "host": "127.0.0.1", "port": "0"},
        "remote": {"type": "inet", "host": group, "port": str(port)},
    }


def meeting_point(lab: str, network: str) -> tuple[str, int]:
    """Multicast group and port of a network: no two networks share it, of this lab or of another one."""
    digest = hashlib.sha256(f"{lab}\n{network}".encode()).digest()
    group = GROUPS[int.from_bytes(digest[:4], "big") % GROUPS.num_addresses]
    return str(group), FIRST_PORT + int.from_bytes(digest[4:8], "big") % PORTS


def _addresses(nic: DomainNic) -> Words:
    """The network's addresses as its settings have them; else QEMU's own 10.0.2.0/24."""
    begin, mask, gateway = (nic.settings.get(key, "") for key in ("ip_begin", "netmask", "gateway"))
    if not (begin and mask):
        return {}
    try:
        network = ipaddress.IPv4Network(f"{begin}/{mask}", strict=False)
        host = ipaddress.IPv4Address(gateway) if gateway else network[1]
    except ValueError as error:
        raise HypervisorError(f"network {nic.network}: {error}") from error
    return {"net": str(network), "host": str(host), "dns": str(network[-2]), "dhcpstart": begin}


def nic_name(device: int) -> str:
    """QEMU's name for the back end of a network interface."""
    return f"nic{device}"


def nic_device_name(device: int) -> str:
    """QEMU's name for a network interface."""
    return f"nic{device}-device"


def node_name(position: int) -> str:
    """QEMU's name for the image at a position."""
    return f"image{position}"


def is_node_of(node: str, position: int) -> bool:
    """Whether that is the name of an image that is or was at a position."""
    return node.partition("-")[0] == node_name(position)


def device_name(position: int) -> str:
    """QEMU's name for the drive at a position."""
    return f"drive{position}"
