# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""QEMU's command line for a domain, without starting one."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lab.hypervisor import Domain, DomainDisk, DomainNic, HypervisorError
from lab.hypervisor.devices import assign_slots, boot_order, free_slot, meeting_point
from lab.hypervisor.machine import command_line

ROOT = DomainDisk(0, "root", "RO", "Disk")
OVERLAY = DomainDisk(1, "overlay", "RW", "Disk")
CD = DomainDisk(3, "cd", "RO", "CD")
EMPTY = DomainDisk(2, None, "RO", "CD")
NIC = DomainNic(0, "52:54:00:00:00:01", "network")
DOMAIN = Domain("uuid", "a, b", 512 << 20, 1, "bios", "cd", [CD, OVERLAY, ROOT, EMPTY], [NIC])


def line(domain: Domain, accelerator: str = "tcg") -> list[str]:
    return command_line(
        "qemu", accelerator, domain, assign_slots(domain), lambda uuid: Path(f"/disks/{uuid}.qcow2"), "this lab"
    )


def values(words: list[str], option: str) -> list[str]:
    """All values of an option."""
    return [value for word, value in pairwise(words) if word == option]


def devices(words: list[str]) -> dict[str, dict[str, Any]]:
    """Drives and network interfaces by name."""
    found = [json.loads(device) for device in values(words, "-device") if device.startswith("{")]
    return {device["id"]: device for device in found}


def images(words: list[str]) -> dict[str, dict[str, Any]]:
    return {image["node-name"]: image for image in map(json.loads, values(words, "-blockdev"))}


def test_only_writable_disks_and_cds_boot_in_the_order_of_the_letters() -> None:
    assert boot_order(DOMAIN) == [OVERLAY, EMPTY, CD]
    assert boot_order(dataclasses.replace(DOMAIN, boot_order="dc")) == [EMPTY, CD, OVERLAY]
    assert boot_order(dataclasses.replace(DOMAIN, boot_order="n")) == []


def test_a_read_only_disk_is_write_protected_and_out_of_the_firmware_s_sight() -> None:
    words = line(DOMAIN)
    assert images(words)["image0"]["read-only"] is True
    assert images(words)["image1"]["read-only"] is False
    assert "bootindex" not in devices(words)["drive0"]
    assert devices(words)["drive1"]["bootindex"] == 0
    assert values(words, "-boot") == ["strict=on"]


def test_the_order_of_positions_is_the_order_of_the_slots() -> None:
    found = devices(line(DOMAIN))
    slots = [int(found[name]["addr"], 16) for name in ("drive0", "drive1")]
    assert slots == sorted(set(slots))


def test_a_disk_plugged_in_later_gets_a_slot_of_its_own() -> None:
    slots = assign_slots(DOMAIN)
    assert free_slot(slots) not in slots.values()
    first = slots.pop(0)
    assert free_slot(slots) == first
    with pytest.raises(HypervisorError, match="no room for one more disk"):
        free_slot({position: position for position in range(32)})


@pytest.mark.parametrize("changes", [{"boots": False}, {"boot_order": "n"}, {"disks": [ROOT]}])
def test_without_anything_to_boot_firmware_gets_a_blank_disk(changes: dict[str, Any]) -> None:
    words = line(dataclasses.replace(DOMAIN, **changes))
    booted = [device for device in devices(words).values() if "bootindex" in device]
    assert [images(words)[device["drive"]]["driver"] for device in booted] == ["null-co"]
    assert len({device["addr"] for device in devices(words).values() if "addr" in device}) == len(
        [device for device in devices(words).values() if "addr" in device]
    )


def test_cds_are_ide_drives_and_may_be_empty() -> None:
    found = devices(line(DOMAIN))
    assert (found["drive3"]["driver"], found["drive3"]["drive"]) == ("ide-cd", "image3")
    assert found["drive2"]["driver"] == "ide-cd" and "drive" not in found["drive2"]


def test_names_with_commas_stay_whole() -> None:
    assert values(line(DOMAIN), "-name") == ["a,, b"]


def test_xenstore_data_below_vm_data_reaches_the_guest() -> None:
    data = {"vm-data/a": "1,2", "vm-data/empty": "", "other/b": "3", "vm-data/" + "x" * 60: "long"}
    words = line(dataclasses.replace(DOMAIN, xenstore_data=data))
    assert values(words, "-fw_cfg") == ["name=opt/xenstore/vm-data/a,string=1,,2"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {}),
        (
            {
                "ip_begin": "192.168.7.10",
                "ip_end": "192.168.7.99",
                "netmask": "255.255.255.0",
                "gateway": "192.168.7.1",
            },
            {"net": "192.168.7.0/24", "host": "192.168.7.1", "dns": "192.168.7.254", "dhcpstart": "192.168.7.10"},
        ),
    ],
)
def test_a_network_has_the_addresses_of_its_settings(settings: dict[str, str], expected: dict[str, str]) -> None:
    nic = dataclasses.replace(NIC, settings=settings)
    (backend,) = values(line(dataclasses.replace(DOMAIN, nics=[nic])), "-netdev")
    assert json.loads(backend) == {"type": "user", "id": "nic0"} | expected


def test_guests_of_an_internal_network_meet_on_loopback_and_those_of_others_do_not() -> None:
    nic = dataclasses.replace(NIC, device=1, to_host=False)
    (backend,) = values(line(dataclasses.replace(DOMAIN, nics=[nic])), "-netdev")
    found = json.loads(backend)
    host, port = meeting_point("this lab", "network")
    assert found["local"]["host"] == "127.0.0.1"
    assert (found["type"], found["remote"]["host"], found["remote"]["port"]) == ("dgram", host, str(port))
    assert ipaddress.ip_address(host).is_multicast
    others = [meeting_point(lab, network) for lab in ("this lab", "b") for network in ("network", "c")]
    assert len(set(others)) == 4


def test_senseless_network_settings_name_the_network() -> None:
    nic = dataclasses.replace(NIC, settings={"ip_begin": "here", "netmask": "255.0.0.0"})
    with pytest.raises(HypervisorError, match="network network"):
        line(dataclasses.replace(DOMAIN, nics=[nic]))


def test_emulation_has_no_more_processors_than_the_machine() -> None:
    many = dataclasses.replace(DOMAIN, vcpus=1000)
    assert values(line(many), "-smp") == [str(os.cpu_count())]
    assert values(line(many, "kvm"), "-smp") == ["1000"]


def test_too_many_disks_are_refused_by_name() -> None:
    disks = [DomainDisk(position, f"d{position}", "RW", "Disk") for position in range(30)]
    with pytest.raises(HypervisorError, match=r"a, b \(uuid\)"):
        line(dataclasses.replace(DOMAIN, disks=disks))
