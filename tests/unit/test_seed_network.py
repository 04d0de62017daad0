# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network configuration: what a YAML parser and a reader of .network files get back."""

from __future__ import annotations

import ipaddress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.identity import Ipv4, Ipv6, Nic
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.network import render_netplan, render_networkd

MAC = "aa:bb:cc:dd:ee:0{}"


def ipv4s():
    interface = st.builds(lambda a, n: f"{a}/{n}", st.ip_addresses(v=4), st.integers(1, 32))
    gateway = st.none() | st.ip_addresses(v=4).map(str)
    return st.none() | st.just(Ipv4()) | st.builds(Ipv4, interface, gateway)


def ipv6s():
    interface = st.builds(lambda a, n: f"{a}/{n}", st.ip_addresses(v=6), st.integers(1, 128))
    gateway = st.none() | st.ip_addresses(v=6).map(str)
    modes = st.sampled_from([Ipv6(mode="auto"), Ipv6(mode="dhcp"), Ipv6(mode="none")])
    return modes | st.builds(Ipv6, interface, st.just("static"), gateway)


def nics():
    names = st.lists(st.sampled_from(["example.com", "on", "null", "1e3"]), max_size=2, unique=True).map(tuple)
    servers = st.lists(st.ip_addresses().map(str), max_size=3).map(tuple)
    return st.builds(lambda *rest: Nic(MAC.format(1), *rest), ipv4s(), ipv6s(), servers, names)


def parsed_networkd(nic: Nic, index: int = 0) -> list[tuple[str, str, str]]:
    """Return (section, key, value) of every line; sections and keys repeat, so configparser does not fit."""
    section, found = "", []
    for line in render_networkd(nic, index).splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.append((section, key, value))
    return found


@given(nics())
def test_netplan_says_what_the_nic_is(nic):
    device = yaml.safe_load(render_netplan([nic]))["network"]["ethernets"]["skinnybox0"]
    assert device["match"] == {"macaddress": nic.mac}
    assert device["dhcp4"] == (nic.ipv4 == Ipv4())
    assert device["dhcp6"] == (nic.ipv6.mode == "dhcp")
    static = [family for family in (nic.ipv4, nic.ipv6) if family is not None and family.address]
    assert device.get("addresses", []) == [family.address for family in static]
    assert [route["via"] for route in device.get("routes", [])] == [f.gateway for f in static if f.gateway]
    nameservers = device.get("nameservers", {"addresses": [], "search": []})
    assert (tuple(nameservers["addresses"]), tuple(nameservers["search"])) == (nic.dns, nic.search)


@given(nics())
def test_networkd_agrees_with_netplan(nic):
    device = yaml.safe_load(render_netplan([nic]))["network"]["ethernets"]["skinnybox0"]
    lines = parsed_networkd(nic)

    def values(section: str, key: str) -> list[str]:
        return [value for s, k, value in lines if (s, k) == (section, key)]

    assert values("Match", "MACAddress") == [nic.mac]
    dhcp = {(True, True): "yes", (True, False): "ipv4", (False, True): "ipv6", (False, False): "no"}
    assert values("Network", "DHCP") == [dhcp[device["dhcp4"], device["dhcp6"]]]
    assert values("Network", "IPv6AcceptRA") == ["yes" if device["accept-ra"] else "no"]
    assert values("Network", "LinkLocalAddressing") == (["no"] if nic.ipv6.mode == "none" else [])
    assert values("Network", "Address") == device.get("addresses", [])
    assert values("Network", "DNS") == list(nic.dns)
    assert values("Network", "Domains") == ([" ".join(nic.search)] if nic.search else [])
    routes = device.get("routes", [])
    assert values("Route", "Gateway") == [route["via"] for route in routes]
    assert len(values("Route", "GatewayOnLink")) == len([route for route in routes if route.get("on-link")])


@given(ipv4s())
def test_gateway_outside_of_the_network_is_on_link(ipv4):
    device = yaml.safe_load(render_netplan([Nic(MAC.format(1), ipv4)]))["network"]["ethernets"]["skinnybox0"]
    for route in device.get("routes", []):
        gateway = ipaddress.ip_address(route["via"])
        inside = gateway.is_link_local or gateway in ipaddress.ip_interface(ipv4.address).network
        assert route.get("on-link", False) != inside


def test_first_nic_has_the_default_route_and_is_waited_for():
    both = [Nic(MAC.format(i), Ipv4(f"10.0.{i}.2/24", f"10.0.{i}.1"), Ipv6(mode="none")) for i in (1, 2)]
    devices = yaml.safe_load(render_netplan(both))["network"]["ethernets"]
    metrics = [devices[f"skinnybox{i}"]["routes"][0]["metric"] for i in (0, 1)]
    assert metrics[0] < metrics[1]
    assert [devices[f"skinnybox{i}"].get("optional", False) for i in (0, 1)] == [False, True]
    networkd = [{(s, k): v for s, k, v in parsed_networkd(nic, i)} for i, nic in enumerate(both)]
    assert [int(n["Route", "Metric"]) for n in networkd] == metrics
    assert [n.get(("Link", "RequiredForOnline"), "yes") for n in networkd] == ["yes", "no"]


@pytest.mark.parametrize(
    ("ipv6", "accepts"),
    [
        (Ipv6(), True),
        (Ipv6(mode="dhcp"), True),
        (Ipv6(mode="none"), False),
        (Ipv6("2001:db8::2/64", "static"), True),
        (Ipv6("2001:db8::2/64", "static", "fe80::1"), False),
    ],
)
def test_router_advertisements(ipv6, accepts):
    device = yaml.safe_load(render_netplan([Nic(MAC.format(1), None, ipv6)]))["network"]["ethernets"]["skinnybox0"]
    assert device["accept-ra"] == accepts


def test_dhcp_knows_the_client_by_its_mac():
    device = yaml.safe_load(render_netplan([Nic(MAC.format(1))]))["network"]["ethernets"]["skinnybox0"]
    assert device["dhcp-identifier"] == "mac"
    assert ("DHCPv4", "ClientIdentifier", "mac") in parsed_networkd(Nic(MAC.format(1)))


def test_no_nics():
    assert "ethernets" not in yaml.safe_load(render_netplan([]))["network"]
