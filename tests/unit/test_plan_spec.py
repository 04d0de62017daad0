# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.declaration import parse_master, parse_vm_pool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.sizes import GIB, MIB
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.spec import (
    DataDisk,
    Family,
    Hardware,
    MasterName,
    OverlaySpec,
    ScaleIn,
)
from tests.support.model import declaration

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDg0oun0cNx9t57mXtd8iZTX87LDe3iefrEISOlFCIY8 me@example"


def static(addresses: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"network": "Production", "ipv4": {"addresses": addresses, **more}}]


def test_defaults() -> None:
    spec = declaration()
    assert (spec.overlay, spec.swap, spec.hardware) == (OverlaySpec(GIB), None, Hardware())
    assert (spec.instance_name, spec.power_state, spec.networks) == ("{pool}-{number:03d}", "running", ())


def test_all_words_of_a_declaration() -> None:
    spec = declaration(
        size=3,
        master="noble:7",
        overlay={"size": "2 GiB", "sr": "Local SSD"},
        swap="512 MiB",
        hardware={"vcpus": 2, "memory": "2 GiB"},
        networks=[
            {
                "network": "Production",
                "ipv4": {"addresses": ["10.0.4.11-10.0.4.90/24"], "gateway": "10.0.4.1"},
                "ipv6": {"method": "dhcp"},
                "dns": ["10.0.4.2"],
                "search": ["example.com"],
            }
        ],
        authorized_keys=f"# people\n{KEY}\n\n{KEY}\n",
        disks=[{"name": "data", "size": "10 GiB"}, {"name": "logs", "size": "1 GiB", "sr": "Local HDD"}],
        scale_in={"instances": ["web-002"], "overlays": "keep"},
    )
    assert spec.master == MasterName("noble", 7)
    assert (spec.overlay, spec.swap) == (OverlaySpec(2 * GIB, ("Local SSD",)), 512 * MIB)
    assert spec.hardware == Hardware(vcpus=2, memory=2 * GIB)
    assert spec.disks == (DataDisk("data", 10 * GIB), DataDisk("logs", GIB, "Local HDD"))
    assert spec.scale_in == ScaleIn("named", ("web-002",), "keep")
    (network,) = spec.networks
    assert (network.ipv4.method, network.ipv4.gateway, network.ipv6) == ("static", "10.0.4.1", Family("dhcp"))
    assert (network.dns, network.search) == (("10.0.4.2",), ("example.com",))
    assert spec.authorized_keys == (KEY,)


def test_a_hardware_profile_gives_what_is_not_given_itself() -> None:
    profiles = {"small": {"vcpus": "2", "memory": "1 GiB"}}
    spec = declaration(hardware={"profile": "small", "memory": "2 GiB", "vcpus": None}, hardware_profiles=profiles)
    assert spec.hardware == Hardware(vcpus=2, memory=2 * GIB)


def test_networks_without_words_ask_dhcp_and_routers() -> None:
    (network,) = declaration(networks=[{}]).networks
    assert (network.network, network.ipv4.method, network.ipv6.method) == (None, "dhcp", "auto")


def test_keys_come_as_text_or_as_list_of_texts() -> None:
    assert declaration(authorized_keys=[KEY, f'from="10.0.0.0/8" {KEY}']).authorized_keys[0] == KEY
    assert declaration(authorized_keys=None).authorized_keys == ()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 0}, "VM pool 'web': size is 0; it must be 1 or more."),
        ({"size": -3}, "VM pool 'web': size is -3; it must be 1 or more."),
        ({"name": "Web"}, "name: 'Web' is no name of a VM pool"),
        ({"name": ""}, "name: '' is no name of a VM pool"),
        ({"name": "web\n"}, "name: 'web\\n' is no name of a VM pool"),
        ({"name": "-web"}, "name: '-web' is no name of a VM pool"),
        ({"name": "a" * 62}, "is no hostname"),
        ({"master": ""}, "master: '' is no master image"),
        ({"master": "noble:"}, "master: 'noble:' is no master image"),
        ({"master": "noble:0"}, "master: 'noble:0' is no master image"),
        ({"master": "noble:x"}, "master: 'noble:x' is no master image"),
        ({"master": "noble\n"}, "is no master image"),
        ({"instance_name": "{pool}"}, "instance_name: "),
        ({"overlay": {"size": "plenty"}}, "overlay.size: 'plenty' is no size"),
        ({"overlay": {"size": "1 MiB"}}, "overlay.size: 1 MiB is too small; at least 64 MiB."),
        ({"swap": "512"}, "swap: '512' is no size"),
        ({"swap": "4 KiB"}, "swap: 4 KiB is too small; at least 1 MiB."),
        ({"hardware": {"vcpus": 0}}, "hardware.vcpus: 0 is not possible; at least 1."),
        ({"hardware": {"memory": "64 MiB"}}, "hardware.memory: 64 MiB is too small; at least 128 MiB."),
        ({"hardware": {"vcpus_max": 4}}, "hardware.vcpus_max: give hardware.vcpus, too."),
        ({"hardware": {"vcpus": 4, "vcpus_max": 2}}, "hardware.vcpus_max: it is less than hardware.vcpus."),
        ({"hardware": {"memory": "2 GiB", "memory_max": "1 GiB"}}, "hardware.memory_max: it is less than"),
        ({"hardware": {"vcpus": 3, "cores_per_socket": 2}}, "3 vCPUs do not make whole sockets of 2 cores."),
        ({"hardware": {"cpu_weight": 70000}}, "hardware.cpu_weight: 70000 is not possible; at most 65535."),
        ({"hardware": {"profile": "large"}}, "there is no hardware profile 'large'. There are: none."),
        ({"hardware": {"profile": "a"}, "hardware_profiles": {"a": {"cpus": 2}}}, "a: no such word: cpus. Words: "),
        ({"hardware": {"profile": "a"}, "hardware_profiles": {"a": 2}}, "hardware_profiles.a: it is no dictionary."),
        ({"hardware": {"profile": "a"}, "hardware_profiles": {"a": {"vcpus": "two"}}}, "all else are whole numbers."),
        ({"disks": [{"name": "Data", "size": "1 GiB"}]}, "disks[0].name: 'Data' is no name of a disk"),
        ({"disks": [{"name": "a", "size": "1 GiB"}] * 2}, "disks[1].name: there are two disks 'a'."),
        ({"disks": [{"name": "a", "size": "1"}]}, "disks[0].size: '1' is no size"),
        ({"scale_in": {"order": "named"}}, "scale_in.instances: order named needs the names"),
        ({"scale_in": {"order": "oldest", "instances": ["web-001"]}}, "names go with order named, not with oldest."),
        ({"concurrency": {"per_sr": 0}}, "concurrency.per_sr: 0 is not possible; at least 1."),
        ({"networks": static(["nonsense"])}, "networks[0].ipv4.addresses: 'nonsense' is no IPv4 range"),
        ({"networks": static(["10.0.4.11/24"]), "size": 2}, "networks[0].ipv4.addresses holds 1 addresses, size is 2."),
        ({"networks": static(["10.0.4.11/24"], gateway="10.9.9.9")}, "networks[0].ipv4.gateway: 10.9.9.9 is not in"),
        ({"networks": static(["10.0.4.11/24"], method="dhcp")}, "networks[0].ipv4: addresses and gateway go with"),
        ({"networks": static([], method="static")}, "networks[0].ipv4: method static needs addresses."),
        ({"networks": [{"ipv4": {"gateway": "10.0.4.1"}}]}, "networks[0].ipv4: addresses and gateway go with"),
        ({"networks": [{}, {"ipv6": {"addresses": ["10.0.4.1/24"]}}]}, "networks[1].ipv6.addresses: "),
        ({"networks": [{"dns": ["ns1"]}]}, "networks[0].dns: 'ns1' is no address."),
        ({"networks": [{"search": ["Example_Com"]}]}, "networks[0].search: 'Example_Com' is no domain name."),
        ({"authorized_keys": "hello"}, "authorized_keys: 'hello'… is no public SSH key"),
        ({"authorized_keys": {"a": "b"}}, "authorized_keys: write a text"),
        ({"authorized_keys": [1]}, "authorized_keys: write a text"),
        ({"authorized_keys": "-----BEGIN OPENSSH PRIVATE KEY-----\nx"}, "authorized_keys: '-----BEGIN OPENSSH P'"),
    ],
)  # fmt: skip
def test_bad_declarations_give_one_sentence_that_names_the_option(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        declaration(**options)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_private_key_is_not_shown() -> None:
    with pytest.raises(Refused) as caught:
        parse_vm_pool(
            {
                "name": "web",
                "size": 1,
                "master": "noble",
                "authorized_keys": "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret",
            }
        )
    assert "secret" not in str(caught.value)


def test_master_names_read_as_they_are_written() -> None:
    assert [str(parse_master(text)) for text in ("noble", "noble:12", "Debian-12.5")] == [
        "noble",
        "noble:12",
        "Debian-12.5",
    ]
