# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks, PIFs, VLANs, bonds and tunnels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.lab import Lab, new_lab

from .conftest import Client, connect

UNKNOWN = "OpaqueRef:00000000-0000-0000-0000-00000000dead"
Call = Callable[["Client", str], object]


def new_network(client: Client, **changes: object) -> str:
    record = {"name_label": "net", "name_description": "", "MTU": "1500", "other_config": {}, **changes}
    return str(client.xapi.network.create(record))


def management(client: Client) -> str:
    return str(client.xapi.host.get_management_interface(client.host))


@pytest.fixture
def vlan(client: Client) -> Iterator[tuple[str, str, str]]:
    """A VLAN with its PIF and its network."""
    network = new_network(client)
    vlan = client.xapi.VLAN.create(management(client), "7", network)
    yield vlan, client.xapi.VLAN.get_untagged_PIF(vlan), network
    if vlan in client.xapi.VLAN.get_all():
        client.xapi.VLAN.destroy(vlan)


# ---- VLAN


def test_vlan_gives_the_network_a_plugged_link(client: Client, vlan: tuple[str, str, str]) -> None:
    ref, untagged, network = vlan
    base = client.xapi.PIF.get_record(management(client))
    record = client.xapi.PIF.get_record(untagged)
    assert (record["VLAN"], record["VLAN_master_of"], record["network"]) == ("7", ref, network)
    assert (record["MAC"], record["physical"], record["currently_attached"]) == ("fe:ff:ff:ff:ff:ff", False, True)
    assert (record["device"], record["MTU"], record["metrics"]) == (base["device"], base["MTU"], base["metrics"])
    assert record["IPv6"] == [""]
    assert base["VLAN_slave_of"] == [ref]
    assert client.xapi.network.get_PIFs(network) == [untagged]
    assert client.xapi.VLAN.get_record(ref)["tagged_PIF"] == management(client)


def test_vlan_goes_with_its_pif(client: Client, vlan: tuple[str, str, str]) -> None:
    ref, untagged, network = vlan
    client.xapi.PIF.destroy(untagged)
    assert client.error(client.xapi.VLAN.get_tag, ref) == ["HANDLE_INVALID", "VLAN", ref]
    assert client.error(client.xapi.PIF.get_MTU, untagged) == ["HANDLE_INVALID", "PIF", untagged]
    client.xapi.network.destroy(network)


@pytest.mark.parametrize("tag", ["-1", "4095", "70000"])
def test_vlan_tags_are_from_0_to_4094(client: Client, tag: str) -> None:
    assert client.error(client.xapi.VLAN.create, management(client), tag, new_network(client)) == [
        "VLAN_TAG_INVALID", tag,
    ]  # fmt: skip


def test_vlan_is_refused(client: Client, vlan: tuple[str, str, str]) -> None:
    _ref, untagged, network = vlan
    create, base, other = client.xapi.VLAN.create, management(client), new_network(client)
    assert client.error(create, base, "7", other) == ["PIF_VLAN_EXISTS", "eth0"]
    assert client.error(create, base, "8", network) == ["NETWORK_ALREADY_CONNECTED", client.host, untagged]
    assert client.error(create, untagged, "8", other) == ["PIF_IS_VLAN", untagged]
    assert client.error(create, base, "8", UNKNOWN) == ["HANDLE_INVALID", "network", UNKNOWN]
    assert client.error(create, UNKNOWN, "8", other) == ["HANDLE_INVALID", "PIF", UNKNOWN]
    unmanaged = new_network(client, managed=False)
    assert client.error(create, base, "8", unmanaged) == ["NETWORK_UNMANAGED", unmanaged]
    # the network is looked at first, the tag last
    assert client.error(create, untagged, "-1", other) == ["PIF_IS_VLAN", untagged]
    assert client.error(create, base, "-1", network)[0] == "NETWORK_ALREADY_CONNECTED"


def test_vlan_in_use_stays(client: Client, vlan: tuple[str, str, str]) -> None:
    ref, _untagged, network = vlan
    vm = client.vm()
    vif = client.nic(vm, network=network)
    client.start(vm)
    assert client.error(client.xapi.VLAN.destroy, ref) == ["VIF_IN_USE", network, vif]
    client.xapi.VM.hard_shutdown(vm)
    client.xapi.VLAN.destroy(ref)


def test_vlans_by_device(client: Client) -> None:
    network = new_network(client)
    create = client.xapi.PIF.create_VLAN
    assert client.error(create, "eth9", network, client.host, "9") == ["INVALID_VALUE", "device", "eth9"]
    pif = create("eth0", network, client.host, "9")
    assert client.xapi.PIF.get_VLAN(pif) == "9"
    client.xapi.PIF.destroy(pif)
    base = management(client)
    assert client.error(client.xapi.PIF.destroy, base) == ["PIF_IS_PHYSICAL"]


# ---- PIF


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (lambda c, pif: c.xapi.PIF.unplug(pif), ["PIF_IS_MANAGEMENT_INTERFACE", "pif"]),
        (lambda c, pif: c.xapi.PIF.forget(pif), ["PIF_IS_MANAGEMENT_INTERFACE", "pif"]),
        (
            lambda c, pif: c.xapi.PIF.reconfigure_ip(pif, "None", "", "", "", ""),
            ["PIF_IS_MANAGEMENT_INTERFACE", "pif"],
        ),
        (lambda c, pif: c.xapi.PIF.set_primary_address_type(pif, "IPv6"), ["PIF_IS_MANAGEMENT_INTERFACE", "pif"]),
        (
            lambda c, pif: c.xapi.PIF.reconfigure_ip(pif, "Static", "", "", "", ""),
            ["INVALID_IP_ADDRESS_SPECIFIED", "IP"],
        ),
        (
            lambda c, pif: c.xapi.PIF.reconfigure_ip(pif, "Static", "10.0.0.1", "x", "", ""),
            ["INVALID_IP_ADDRESS_SPECIFIED", "netmask"],
        ),
        (
            lambda c, pif: c.xapi.PIF.reconfigure_ip(pif, "DHCP", "", "", "::1", ""),
            ["INVALID_IP_ADDRESS_SPECIFIED", "gateway"],
        ),
        (
            lambda c, pif: c.xapi.PIF.reconfigure_ipv6(pif, "Static", "fe80::1", "", ""),
            ["INVALID_CIDR_ADDRESS_SPECIFIED", "IPv6"],
        ),
        (lambda c, pif: c.xapi.PIF.set_property(pif, "gro", "maybe"), ["INVALID_VALUE", "properties", "gro = maybe"]),
        (lambda c, pif: c.xapi.PIF.set_property(pif, "tso", "on"), ["INVALID_VALUE", "properties", "tso = on"]),
        (lambda c, pif: c.xapi.PIF.introduce(c.host, "nope", "eth0"), ["MAC_INVALID", "nope"]),
        (lambda c, pif: c.xapi.PIF.introduce(c.host, "", "eth7"), ["MAC_INVALID", ""]),
        (lambda c, pif: c.xapi.PIF.introduce(c.host, "", "eth0"), ["DUPLICATE_PIF_DEVICE_NAME", "eth0"]),
        (
            lambda c, pif: c.xapi.PIF.introduce(c.host, "00:11:22:33:44:AA", "eth7"),
            [
                "COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS", "eth7",
                "00:11:22:33:44:aa",
            ],
        ),
        (lambda c, pif: c.xapi.PIF.scan(UNKNOWN), ["HOST_OFFLINE", UNKNOWN]),
    ],
)  # fmt: skip
def test_pif_refuses(client: Client, what: Call, expected: list[str]) -> None:
    pif = management(client)
    assert client.error(what, client, pif) == [pif if item == "pif" else item for item in expected]


def test_hosts_are_not_managed_through_a_network_without_links(client: Client) -> None:
    network = new_network(client)
    error = client.error(client.xapi.pool.management_reconfigure, network)
    assert error == ["PIF_NOT_PRESENT", client.host, network]
    client.xapi.network.destroy(network)


def test_name_servers_are_kept_by_family_and_never_refused(client: Client, vlan: tuple[str, str, str]) -> None:
    pif = client.xapi.VLAN.get_untagged_PIF(vlan[0])
    four, six = client.xapi.PIF.reconfigure_ip, client.xapi.PIF.reconfigure_ipv6
    steps = [
        (lambda: four(pif, "None", "", "", "", "10.0.0.1,nope,::1,10.0.0.2"), "10.0.0.1,10.0.0.2"),
        (lambda: six(pif, "None", "", "", "fe80::1,10.0.0.9"), "fe80::1,10.0.0.1,10.0.0.2"),
        (lambda: four(pif, "None", "", "", "", ""), "fe80::1"),
    ]
    for call, servers in steps:
        call()
        assert client.xapi.PIF.get_DNS(pif) == servers


def test_pif_of_a_vlan_comes_and_goes(client: Client, vlan: tuple[str, str, str]) -> None:
    _ref, pif, _network = vlan
    client.xapi.PIF.unplug(pif)
    assert not client.xapi.PIF.get_currently_attached(pif)
    client.xapi.PIF.plug(pif)
    assert client.xapi.PIF.get_currently_attached(pif)
    client.xapi.PIF.set_disallow_unplug(pif, True)
    assert client.error(client.xapi.PIF.unplug, pif) == ["PIF_DOES_NOT_ALLOW_UNPLUG", pif]
    client.xapi.PIF.set_disallow_unplug(pif, False)
    assert client.error(client.xapi.PIF.forget, pif) == ["PIF_VLAN_STILL_EXISTS", pif]
    assert client.error(client.xapi.PIF.set_property, pif, "gro", "on") == ["CANNOT_CHANGE_PIF_PROPERTIES", pif]
    client.xapi.PIF.reconfigure_ip(pif, "Static", "10.1.2.3", "255.0.0.0", "10.0.0.1", "10.0.0.2,10.0.0.3")
    record = client.xapi.PIF.get_record(pif)
    assert (record["IP"], record["netmask"], record["gateway"], record["DNS"], record["ip_configuration_mode"]) == (
        "10.1.2.3", "255.0.0.0", "10.0.0.1", "10.0.0.2,10.0.0.3", "Static",
    )  # fmt: skip
    client.xapi.PIF.reconfigure_ipv6(pif, "Static", "fe80::2/64", "fe80::1", "")
    assert client.xapi.PIF.get_IPv6(pif) == ["fe80::2/64"]
    client.xapi.PIF.set_primary_address_type(pif, "IPv6")


def test_introduced_record_is_taken_as_it_is(client: Client) -> None:
    network = new_network(client)
    arguments = ["eth5", network, client.host, "00:00:00:00:00:05", "1500", "-1", True, "None", "", "", "", ""]
    null = "OpaqueRef:NULL"
    pif = client.xapi.PIF.db_introduce(*arguments, null, null, False, {"a": "b"})
    record = client.xapi.PIF.get_record(pif)
    assert (record["device"], record["other_config"], record["currently_attached"]) == ("eth5", {"a": "b"}, False)
    client.xapi.PIF.forget(pif)
    # the card stays with the host
    client.xapi.PIF.scan(client.host)
    [found] = [ref for ref, known in client.xapi.PIF.get_all_records().items() if known["device"] == "eth5"]
    label = client.xapi.network.get_name_label(client.xapi.PIF.get_network(found))
    assert label == "Pool-wide network associated with eth5"
    client.xapi.PIF.db_forget(found)


# ---- network


@pytest.mark.parametrize("bridge", ["xenbr7", "xapi7", "vif1.0", "tap1", "eth1", "sixteen-letters-"])
def test_bridges_of_others_are_refused(client: Client, bridge: str) -> None:
    assert client.error(lambda: new_network(client, bridge=bridge)) == ["INVALID_VALUE", "bridge", bridge]


def test_bridge_of_ones_own_is_taken_once(client: Client) -> None:
    network = new_network(client, bridge="mine")
    assert client.error(lambda: new_network(client, bridge="mine")) == ["BRIDGE_NAME_EXISTS", "mine"]
    client.xapi.network.destroy(network)


def test_network_refuses(client: Client, vlan: tuple[str, str, str]) -> None:
    _ref, pif, network = vlan
    assert client.error(client.xapi.network.destroy, network) == ["NETWORK_CONTAINS_PIF", pif]
    vm = client.vm()
    vif = client.nic(vm, network=network)
    client.start(vm)
    assert client.error(client.xapi.network.destroy, network) == ["NETWORK_CONTAINS_VIF", vif]
    setting = client.xapi.network.set_default_locking_mode
    assert client.error(setting, network, "disabled") == ["VIF_IN_USE", network, vif]
    client.xapi.VM.hard_shutdown(vm)
    system = new_network(client, other_config={"is_host_internal_management_network": "true"})
    assert client.error(client.xapi.network.destroy, system) == ["CANNOT_DESTROY_SYSTEM_NETWORK", system]
    unmanaged = new_network(client, managed=False, bridge="theirs")
    assert client.error(client.xapi.network.attach, unmanaged, client.host) == ["BRIDGE_NOT_AVAILABLE", "theirs"]


def test_purposes_exclude_each_other_in_the_whole_pool(client: Client) -> None:
    one, other = new_network(client), new_network(client)
    client.xapi.network.add_purpose(one, "nbd")
    client.xapi.network.add_purpose(one, "nbd")
    assert client.error(client.xapi.network.add_purpose, other, "insecure_nbd") == [
        "NETWORK_INCOMPATIBLE_PURPOSES", "insecure_nbd", "nbd",
    ]  # fmt: skip
    client.xapi.network.remove_purpose(one, "nbd")
    client.xapi.network.add_purpose(other, "insecure_nbd")
    client.xapi.network.remove_purpose(other, "insecure_nbd")


# ---- several hosts, bonds, tunnels


@pytest.fixture(scope="module")
def pool() -> Iterator[tuple[Client, Lab]]:
    with new_lab("--hosts", "2") as lab:
        yield connect(lab.url), lab


def test_vlan_of_a_pool_is_on_every_host_or_none(pool: tuple[Client, Lab]) -> None:
    client, _lab = pool
    network = new_network(client)
    pifs = client.xapi.pool.create_VLAN("eth0", network, "12")
    assert {client.xapi.PIF.get_host(pif) for pif in pifs} == set(client.xapi.host.get_all())
    second = new_network(client)
    assert client.error(client.xapi.pool.create_VLAN, "eth0", second, "12") == ["PIF_VLAN_EXISTS", "eth0"]
    client.xapi.PIF.destroy(pifs[0])
    assert client.error(client.xapi.pool.create_VLAN, "eth0", second, "12") == ["PIF_VLAN_EXISTS", "eth0"]
    assert client.xapi.network.get_PIFs(second) == []
    client.xapi.PIF.destroy(pifs[1])
    links = client.xapi.pool.create_VLAN_from_PIF(management(client), second, "13")
    assert len(links) == 2
    for link in links:
        client.xapi.PIF.destroy(link)


def test_bond_takes_over_and_gives_back(pool: tuple[Client, Lab]) -> None:
    client, _lab = pool
    card_network, network = new_network(client), new_network(client)
    null = "OpaqueRef:NULL"
    fields = ["eth1", card_network, client.host, "00:00:00:00:00:01", "1500", "-1", True, "None", "", "", "", ""]
    second = client.xapi.PIF.db_introduce(*fields, null, null, False, {})
    first = management(client)
    untagged = client.xapi.PIF.create_VLAN("eth0", new_network(client), client.host, "21")
    bond = client.xapi.Bond.create(network, [first, second], "", "lacp", {"lacp-time": "fast"})
    record = client.xapi.Bond.get_record(bond)
    assert set(record["slaves"]) == {first, second}
    assert (record["primary_slave"], record["mode"], record["properties"]["lacp-time"]) == (first, "lacp", "fast")
    assert client.xapi.host.get_management_interface(client.host) == record["master"]
    assert client.xapi.PIF.get_device(record["master"]) == client.xapi.PIF.get_device(untagged) == "bond0"
    assert client.error(client.xapi.PIF.plug, second) == ["CANNOT_PLUG_BOND_SLAVE", second]
    assert client.error(client.xapi.PIF.forget, second) == ["PIF_ALREADY_BONDED", second]
    assert client.error(client.xapi.VLAN.create, second, "5", new_network(client)) == [
        "CANNOT_ADD_VLAN_TO_BOND_SLAVE", second,
    ]  # fmt: skip
    assert client.error(client.xapi.Bond.set_property, bond, "lacp-time", "never") == [
        "INVALID_VALUE", "properties", "lacp-time = never",
    ]  # fmt: skip
    client.xapi.Bond.destroy(bond)
    assert client.xapi.host.get_management_interface(client.host) == first
    assert client.xapi.PIF.get_device(untagged) == "eth0"
    client.xapi.PIF.destroy(untagged)
    client.xapi.PIF.forget(second)


def test_bond_refuses(pool: tuple[Client, Lab]) -> None:
    client, _lab = pool
    network, create = new_network(client), client.xapi.Bond.create
    links = [pif for pif, record in client.xapi.PIF.get_all_records().items() if record["physical"]]
    assert client.error(create, network, [], "", "balance-slb", {}) == ["PIF_BOND_NEEDS_MORE_MEMBERS"]
    assert client.error(create, network, links, "", "balance-slb", {}) == ["PIF_CANNOT_BOND_CROSS_HOST"]
    assert client.error(create, network, links[:1], "x", "balance-slb", {}) == ["MAC_INVALID", "x"]
    assert client.error(create, network, links[:1], "", "balance-slb", {"a": "b"}) == [
        "INVALID_VALUE", "properties", "a = b",
    ]  # fmt: skip


def test_tunnel_over_a_link_with_an_address(pool: tuple[Client, Lab]) -> None:
    client, _lab = pool
    network = new_network(client)
    transport = management(client)
    tunnel = client.xapi.tunnel.create(transport, network, "vxlan")
    record = client.xapi.tunnel.get_record(tunnel)
    assert (record["protocol"], record["status"]["active"]) == ("vxlan", "true")
    access = record["access_PIF"]
    assert client.error(client.xapi.tunnel.create, access, new_network(client), "gre") == [
        "IS_TUNNEL_ACCESS_PIF", access,
    ]  # fmt: skip
    assert client.error(client.xapi.VLAN.create, access, "5", new_network(client)) == ["IS_TUNNEL_ACCESS_PIF", access]
    client.xapi.tunnel.destroy(tunnel)
    assert client.xapi.network.get_PIFs(network) == []
