# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VIFs: devices and MACs, hot plug, moving between networks, addresses that they may use or are to set."""

from __future__ import annotations

import pytest

from tests.support.lab import Lab

from .conftest import Client

UNKNOWN = "OpaqueRef:00000000-0000-0000-0000-00000000dead"
PV = {"HVM_boot_policy": "", "HVM_boot_params": {}, "PV_bootloader": "pygrub"}


def internal_network(client: Client) -> str:
    fields = {"name_label": "internal", "name_description": "", "MTU": "1500", "other_config": {}, "tags": []}
    return str(client.xapi.network.create(fields))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"device": "x"}, ["INVALID_DEVICE", "x"]),
        ({"device": "-1"}, ["INVALID_DEVICE", "-1"]),
        ({"MAC": "02-00-00-00-00-02"}, ["MAC_INVALID", "02-00-00-00-00-02"]),
        ({"device": "1", "MAC": "bogus"}, ["MAC_INVALID", "bogus"]),
        ({"device": "1"}, ["DEVICE_ALREADY_EXISTS", "1"]),
        ({"vm": UNKNOWN, "network": UNKNOWN, "device": "x"}, ["HANDLE_INVALID", "VM", UNKNOWN]),
        ({"network": UNKNOWN, "device": "x"}, ["HANDLE_INVALID", "network", UNKNOWN]),
    ],
)
def test_what_create_refuses(client: Client, changes: dict[str, str], error: list[str]) -> None:
    vm = client.vm()
    client.nic(vm, device="1")
    assert client.error(lambda: client.nic(**{"vm": vm, **changes})) == error


def test_generated_macs_follow_the_seed_and_the_device(client: Client) -> None:
    seed = {"mac_seed": "9cd1fcd4-5a0d-4b1b-9c3b-1e8d9c0a7f10"}
    first, second = client.vm(other_config=seed), client.vm(other_config=seed)
    macs = [client.xapi.VIF.get_MAC(client.nic(vm, device="1")) for vm in (first, second)]
    assert macs[0] == macs[1]
    assert client.xapi.VIF.get_MAC(client.nic(first, device="2")) != macs[0]
    assert int(macs[0][:2], 16) & 3 == 2


def test_hot_plug_needs_drivers_in_hvm_guests_only(client: Client) -> None:
    vm = client.vm()
    vif = client.nic(vm)
    client.start(vm)
    assert client.xapi.VIF.get_allowed_operations(vif) == ["attach"]
    assert client.error(client.xapi.VIF.plug, vif) == ["DEVICE_ALREADY_ATTACHED", vif]
    assert client.error(client.xapi.VIF.unplug, vif) == ["VM_MISSING_PV_DRIVERS", vm]
    new = client.nic(vm, device="1")
    assert client.error(client.xapi.VIF.plug, new) == ["VM_MISSING_PV_DRIVERS", vm]
    assert client.error(client.xapi.VIF.unplug, new) == ["DEVICE_ALREADY_DETACHED", new]


def test_plug_and_unplug(client: Client) -> None:
    vm = client.vm(**PV)
    client.start(vm)
    vif = client.nic(vm)
    assert sorted(client.xapi.VIF.get_allowed_operations(vif)) == ["attach", "plug"]
    client.xapi.VIF.plug(vif)
    assert client.xapi.VIF.get_currently_attached(vif)
    assert sorted(client.xapi.VIF.get_allowed_operations(vif)) == ["attach", "unplug"]
    error = client.error(client.xapi.VIF.destroy, vif)
    assert error == ["OPERATION_NOT_ALLOWED", "VIF currently attached to a running VM"]
    client.xapi.VIF.unplug(vif)
    client.xapi.VIF.destroy(vif)
    assert client.xapi.VM.get_VIFs(vm) == []


@pytest.mark.parametrize("call", ["plug", "unplug", "unplug_force"])
def test_hot_plug_needs_a_running_vm(client: Client, call: str) -> None:
    vm = client.vm()
    vif = client.nic(vm)
    assert client.error(getattr(client.xapi.VIF, call), vif) == ["VM_BAD_POWER_STATE", vm, "running", "halted"]


def test_guest_with_drivers_takes_and_gives_interfaces(fresh: tuple[Client, Lab]) -> None:
    client, _lab = fresh
    vm = client.vm()
    client.start(vm)
    client.wait(lambda: client.xapi.VM.get_guest_metrics(vm), lambda ref: ref != "OpaqueRef:NULL")
    vif = client.nic(vm)
    client.xapi.VIF.plug(vif)
    client.xapi.VIF.move(vif, internal_network(client))
    client.xapi.VIF.unplug(vif)
    assert not client.xapi.VIF.get_currently_attached(vif)


def test_move_changes_the_network_in_every_state(client: Client) -> None:
    vm, network = client.vm(**PV), internal_network(client)
    vif = client.nic(vm)
    client.xapi.VIF.move(vif, network)
    client.start(vm)
    client.xapi.VIF.move(vif, client.network)
    assert client.xapi.VIF.get_network(vif) == client.network
    assert client.xapi.VIF.get_currently_attached(vif)
    assert client.error(client.xapi.VIF.move, vif, "OpaqueRef:none") == ["HANDLE_INVALID", "network", "OpaqueRef:none"]


@pytest.mark.parametrize(
    ("version", "good", "bad"),
    [(4, "192.0.2.1", "2001:db8::1"), (4, "192.0.2.1", "x"), (6, "2001:db8::1", "192.0.2.1")],
)
def test_allowed_addresses_are_checked_when_they_are_set(client: Client, version: int, good: str, bad: str) -> None:
    vif = client.nic(client.vm())
    field = f"ipv{version}_allowed"
    for call, value in (("add", bad), ("set", [good, bad])):
        error = client.error(getattr(client.xapi.VIF, f"{call}_{field}"), vif, value)
        assert error == ["INVALID_IP_ADDRESS_SPECIFIED", field]
    getattr(client.xapi.VIF, f"set_{field}")(vif, [good, good])
    getattr(client.xapi.VIF, f"add_{field}")(vif, good)
    assert getattr(client.xapi.VIF, f"get_{field}")(vif) == [good]
    getattr(client.xapi.VIF, f"remove_{field}")(vif, good)
    assert getattr(client.xapi.VIF, f"get_{field}")(vif) == []


@pytest.mark.parametrize(
    ("address", "gateway", "error"),
    [
        ("192.0.2.10", "", ["INVALID_CIDR_ADDRESS_SPECIFIED", "address"]),
        ("192.0.2.10/33", "", ["INVALID_CIDR_ADDRESS_SPECIFIED", "address"]),
        ("192.0.2.10/24", "x", ["INVALID_IP_ADDRESS_SPECIFIED", "gateway"]),
        ("192.0.2.10/24", "192.0.2.1", ["VM_LACKS_FEATURE"]),
    ],
)
def test_static_addresses_are_checked(client: Client, address: str, gateway: str, error: list[str]) -> None:
    vif = client.nic(client.vm())
    assert client.error(client.xapi.VIF.configure_ipv4, vif, "Static", address, gateway)[: len(error)] == error


def test_a_locked_interface_gets_no_other_address(client: Client) -> None:
    vif = client.nic(client.vm(), locking_mode="locked", ipv4_allowed=["192.0.2.9"])
    error = client.error(client.xapi.VIF.configure_ipv4, vif, "Static", "192.0.2.10/24", "")
    assert error == ["ADDRESS_VIOLATES_LOCKING_CONSTRAINT", "192.0.2.10/24"]
