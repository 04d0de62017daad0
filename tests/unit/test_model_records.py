# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import xmlrpc.client

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import guest_report, instance_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.instances import instances
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.reading import epoch, guest_addresses
from tests.support.model import World


def test_guest_addresses_by_nic_ipv4_first_without_link_local_ones_and_repetition() -> None:
    assert guest_addresses(
        {
            "1/ip": "10.1.0.5",
            "0/ipv6/0": "fe80::1",
            "0/ipv6/1": "fd00::5",
            "0/ipv4/0": "10.0.0.5",
            "0/ip": "10.0.0.5",
            "0/ipv4/1": "",
            "name": "eth0",
        }
    ) == ("10.0.0.5", "fd00::5", "10.1.0.5")
    assert guest_addresses({}) == ()


@pytest.mark.parametrize("text", ["20260101T00:00:10Z", "2026-01-01T00:00:10Z", "20260101T00:00:10"])
def test_dates_of_xapi_are_utc(text: str) -> None:
    assert epoch(xmlrpc.client.DateTime(text)) == epoch(text) == 1767225610


def test_addresses_count_only_while_the_guest_runs() -> None:
    world = World()
    world.add_master()
    vm = world.add_instance(1)
    world.add_guest(vm, networks={"0/ip": "10.0.0.5"})
    assert world.model().vms[vm].addresses == ("10.0.0.5",)
    world.records["VM"][vm]["power_state"] = "Halted"
    assert world.model().vms[vm].addresses == ()


def test_attachments_by_position_and_nics_by_device() -> None:
    world = World()
    vm = world.add_vm("any")
    for position in ("10", "2", "xvda"):
        world.attach(vm, world.add_disk("d"), position)
    for device in (1, 0):
        world.add_nic(vm, device)
    found = world.model().vms[vm]
    assert [a.position for a in found.attachments] == ["2", "10", "xvda"]
    assert [i.device for i in found.interfaces] == [0, 1]


def test_free_space_and_plugged_hosts_of_an_sr() -> None:
    world = World()
    far = world.add_sr("Unplugged", plugged=False, size=100)
    world.records["SR"][far]["physical_utilisation"] = "130"
    found = world.model().srs
    assert found[far].free == 0
    assert (found[far].attached_hosts, found[world.sr].attached_hosts) == ((), (world.host,))
    assert "VDI_RESET_ON_BOOT" in found[far].features


def test_an_sr_without_a_storage_manager_can_do_nothing() -> None:
    world = World()
    discs = world.add_sr("Discs", type_="iso")
    assert world.model().srs[discs].features == frozenset()


def test_facts_tell_what_the_guest_reported_and_nothing_more() -> None:
    world = World()
    world.add_master()
    vm = world.add_instance(1, addresses="10.0.4.11/24", swap=True)
    world.records["VM"][vm]["xenstore_data"] = {"vm-data/skinnybox/report": "state=ok; free=12;nonsense;=x"}
    model = world.model()
    facts = instance_facts(model, instances(model)[0])
    assert facts["report"] == {"state": "ok", "free": "12", "": "x"}
    assert (facts["static_addresses"], facts["host"], facts["overlay"]["sr"]) == (["10.0.4.11/24"], "xen1", "Local SSD")
    assert facts["swap"]["size"] == 1 << 30


def test_a_report_is_never_a_reason_to_stumble() -> None:
    assert guest_report("") == guest_report(";;;") == guest_report("\x00") == {}
