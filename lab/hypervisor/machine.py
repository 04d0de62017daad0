# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A domain as QEMU's command line. Paths of sockets and logs are relative to the guest's own directory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from lab.hypervisor import Domain, HypervisorError, devices

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
#: QEMU's fw_cfg takes names of this many bytes at most.
NAME_LIMIT = 55
#: Bytes of translated code that QEMU keeps without KVM; its default is a quarter of the guest's memory and more.
TRANSLATION_CACHE_MIB = 256

PathOfDisk = Callable[[str], Path]


def command_line(
    qemu: str, accelerator: str, domain: Domain, slots: dict[int, int], path_of: PathOfDisk, lab: str
) -> list[str]:
    """The command that starts a domain in the background, its disks in those PCI slots (by position).

    lab is the lab's name for its own networks. Raises HypervisorError for what QEMU cannot do.
    """
    return [
        qemu, "-name", domain.name.replace(",", ",,"), "-uuid", domain.vm_uuid,
        "-nodefaults", "-no-user-config", "-display", "none", "-daemonize", "-pidfile", PID,
        # XAPI, not QEMU, decides what follows a reboot: the machine ends in any case.
        "-no-reboot",
        "-machine", "pc", *_processor(accelerator, domain.vcpus), "-m", f"{max(1, domain.memory // 2**20)}M",
        "-boot", "strict=on", *_firmware(domain), *_channels(), *_xenstore(domain.xenstore_data),
        *_nics(domain, lab), *_disks(domain, slots, path_of),
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
        "-device", f"virtio-serial-pci,id=serial,addr={devices.SERIAL_SLOT:#x}",
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


def _nics(domain: Domain, lab: str) -> list[str]:
    words: list[str] = []
    for nic in domain.nics:
        words += ["-netdev", json.dumps(devices.nic_backend(nic, lab))]
        words += ["-device", json.dumps(devices.nic_device(nic))]
    return words


def _disks(domain: Domain, slots: dict[int, int], path_of: PathOfDisk) -> list[str]:
    words: list[str] = []
    order = devices.boot_order(domain)
    drives = 0
    for disk in sorted(domain.disks, key=lambda disk: disk.position):
        if disk.disk is not None:
            words += ["-blockdev", json.dumps(devices.block_device(disk, path_of(disk.disk)))]
        if disk.type == "Disk":
            device = devices.disk_device(disk, slots[disk.position])
        elif drives < devices.IDE_DRIVES:
            device = devices.cd_device(disk, drives)
            drives += 1
        else:
            continue
        if disk in order:
            device["bootindex"] = order.index(disk)
        words += ["-device", json.dumps(device)]
    return words if order else [*words, *_nothing_to_boot()]


def _nothing_to_boot() -> list[str]:
    """A blank disk that firmware is to boot: without any order it would try all disks, whatever strict says."""
    blank = {"driver": "null-co", "node-name": "nothing", "size": 512, "read-zeroes": True}
    device = {
        "driver": "virtio-blk-pci",
        "id": "blank",
        "drive": "nothing",
        "addr": hex(devices.BLANK_SLOT),
        "bootindex": 0,
    }
    return ["-blockdev", json.dumps(blank), "-device", json.dumps(device)]
