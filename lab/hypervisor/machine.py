# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A domain as QEMU's command line. Paths of sockets and logs are relative to the guest's own directory."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Callable
from pathlib import Path

from lab.hypervisor import Domain, DomainDisk, DomainNic, HypervisorError

#: What QEMU leaves in a guest's directory.
PID, QMP, AGENT, CONSOLE, CONSOLE_LOG, XENSTORE = (
    "pid",
    "qmp.sock",
    "agent.sock",
    "console.sock",
    "console.log",
    "xenstore",
)
UEFI_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
UEFI_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
#: A guest's own copy of the UEFI variables.
VARIABLES = "uefi-variables.fd"
#: PCI slots: NICs first, so that their names in the guest do not depend on the disks.
FIRST_NIC_SLOT, SERIAL_SLOT, FIRST_DISK_SLOT, LAST_SLOT = 3, 10, 11, 31
IDE_DRIVES = 4
#: QEMU's fw_cfg takes names of this many bytes at most.
NAME_LIMIT = 55
#: Bytes of translated code that QEMU keeps without KVM; its default is a quarter of the guest's memory and more.
TRANSLATION_CACHE_MIB = 256

PathOfDisk = Callable[[str], Path]


def command_line(qemu: str, accelerator: str, domain: Domain, path_of: PathOfDisk) -> list[str]:
    """The command that starts a domain in the background. Raises HypervisorError for what QEMU cannot do."""
    return [
        qemu, "-name", domain.name.replace(",", ",,"), "-uuid", domain.vm_uuid,
        "-nodefaults", "-no-user-config", "-display", "none", "-daemonize", "-pidfile", PID,
        # XAPI, not QEMU, decides what follows a reboot: the machine ends in any case.
        "-no-reboot",
        "-machine", "pc", *_processor(accelerator, domain.vcpus), "-m", f"{max(1, domain.memory // 2**20)}M",
        "-boot", "strict=on", *_firmware(domain), *_channels(), *_xenstore(domain.xenstore_data),
        *[word for nic in domain.nics for word in _nic(nic)],
        *_disks(domain, path_of),
    ]  # fmt: skip


def _processor(accelerator: str, vcpus: int) -> list[str]:
    if accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host", "-smp", str(vcpus)]
    # Newer kernels crash at random with cmpxchg16b on several emulated processors; more processors
    # than the machine has only take turns.
    return [
        "-accel", f"tcg,thread=multi,tb-size={TRANSLATION_CACHE_MIB}", "-cpu", "qemu64,+rdrand,-cx16",
        "-smp", str(min(vcpus, os.cpu_count() or 1)),
    ]  # fmt: skip


def _firmware(domain: Domain) -> list[str]:
    if domain.firmware == "bios":
        return []
    if not UEFI_CODE.exists():
        raise HypervisorError(f"VM {domain.name} ({domain.vm_uuid}) needs UEFI firmware: install the package ovmf")
    return [
        "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={UEFI_CODE}",
        "-drive", f"if=pflash,unit=1,format=raw,file={VARIABLES}",
    ]  # fmt: skip


def _channels() -> list[str]:
    return [
        "-chardev", f"socket,id=qmp,path={QMP},server=on,wait=off", "-mon", "chardev=qmp,mode=control",
        "-chardev", f"socket,id=console,path={CONSOLE},server=on,wait=off,logfile={CONSOLE_LOG},logappend=on",
        "-serial", "chardev:console",
        "-device", f"virtio-serial-pci,id=serial,addr={SERIAL_SLOT:#x}",
        "-chardev", f"socket,id=agent,path={AGENT},server=on,wait=off",
        "-device", "virtserialport,bus=serial.0,chardev=agent,name=org.qemu.guest_agent.0",
        # A file: the guest never waits for somebody to read what it wrote.
        "-chardev", f"file,id=xenstore,path={XENSTORE},append=on",
        "-device", "virtserialport,bus=serial.0,chardev=xenstore,name=xenstore",
    ]  # fmt: skip


def _xenstore(data: dict[str, str]) -> list[str]:
    words = []
    for key, value in sorted(data.items()):
        name = f"opt/xenstore/{key}"
        if key.startswith("vm-data/") and value and len(name) <= NAME_LIMIT:
            words += ["-fw_cfg", f"name={name},string={value.replace(',', ',,')}"]
    return words


def _nic(nic: DomainNic) -> list[str]:
    slot = FIRST_NIC_SLOT + nic.device
    if slot >= SERIAL_SLOT:
        raise HypervisorError(f"there is no room for network interface {nic.device} ({nic.mac})")
    device = (
        f"virtio-net-pci,id=nic{nic.device}-device,netdev={nic_name(nic.device)},mac={nic.mac},addr={slot:#x},romfile="
    )
    return ["-netdev", f"user,id={nic_name(nic.device)}{_network(nic)}", "-device", device]


def nic_name(device: int) -> str:
    """QEMU's name for the back end of a network interface."""
    return f"nic{device}"


def _network(nic: DomainNic) -> str:
    """Options for the network as its settings have it; else QEMU's own 10.0.2.0/24."""
    words = "" if nic.to_host else ",restrict=on"
    begin, mask, gateway = (nic.settings.get(key, "") for key in ("ip_begin", "netmask", "gateway"))
    if not (begin and mask):
        return words
    try:
        network = ipaddress.IPv4Network(f"{begin}/{mask}", strict=False)
        host = ipaddress.IPv4Address(gateway) if gateway else network[1]
    except ValueError as error:
        raise HypervisorError(f"network {nic.network}: {error}") from error
    return f"{words},net={network},host={host},dns={network[-2]},dhcpstart={begin}"


def _disks(domain: Domain, path_of: PathOfDisk) -> list[str]:
    words: list[str] = []
    order = boot_order(domain)
    drives = 0
    for slot, disk in enumerate(sorted(domain.disks, key=lambda disk: disk.position), start=FIRST_DISK_SLOT):
        if slot > LAST_SLOT:
            raise HypervisorError(f"VM {domain.name} ({domain.vm_uuid}) has more disks than there is room for")
        if disk.disk is not None:
            words += ["-blockdev", json.dumps(block_device(disk, path_of(disk.disk)))]
        boot = f",bootindex={order.index(disk)}" if disk in order else ""
        drive = f",drive={node_name(disk.position)}" if disk.disk else ""
        name = device_name(disk.position)
        if disk.type == "Disk":
            words += ["-device", f"virtio-blk-pci,id={name}{drive},addr={slot:#x}{boot}"]
        elif drives < IDE_DRIVES:
            words += ["-device", f"ide-cd,id={name}{drive},bus=ide.{drives // 2},unit={drives % 2}{boot}"]
            drives += 1
    return words


def boot_order(domain: Domain) -> list[DomainDisk]:
    """The disks that firmware looks at, in order. A read-only Disk is none of them, as on XenServer."""
    by_position = sorted(domain.disks, key=lambda disk: disk.position)
    kinds = {
        "c": [disk for disk in by_position if disk.type == "Disk" and disk.mode == "RW"],
        "d": [disk for disk in by_position if disk.type == "CD"],
    }
    return [disk for letter in domain.boot_order for disk in kinds.get(letter, [])]


def block_device(disk: DomainDisk, path: Path) -> dict[str, object]:
    """QEMU's description of an image. A guest's flushes end in the host's cache: a lab's data may go with the host."""
    cache = {"direct": False, "no-flush": True}
    return {
        "driver": "qcow2",
        "node-name": node_name(disk.position),
        "read-only": disk.mode == "RO" or disk.type == "CD",
        "cache": cache,
        "file": {"driver": "file", "filename": str(path), "cache": cache},
    }


def node_name(position: int) -> str:
    """QEMU's name for the image at a position."""
    return f"image{position}"


def device_name(position: int) -> str:
    """QEMU's name for the drive at a position."""
    return f"drive{position}"
