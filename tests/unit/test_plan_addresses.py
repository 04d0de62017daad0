# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.addresses import (
    check_gateway,
    nth_address,
    parse_ranges,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused

WHAT = "networks[0].ipv4.addresses"


def test_the_nth_instance_has_the_nth_address_over_all_ranges() -> None:
    ranges = parse_ranges(["10.0.4.11-10.0.4.12/24", "10.0.4.90/24"], 4, WHAT)
    assert [nth_address(ranges, number) for number in (1, 2, 3, 4)] == [
        "10.0.4.11/24",
        "10.0.4.12/24",
        "10.0.4.90/24",
        None,
    ]


def test_ipv6_ranges() -> None:
    ranges = parse_ranges(["fd00:4::11-fd00:4::90/64"], 6, WHAT)
    assert nth_address(ranges, 2) == "fd00:4::12/64"


def test_a_whole_ipv6_subnet_can_be_counted() -> None:
    (subnet,) = parse_ranges(["fd00:4::-fd00:4::ffff:ffff:ffff:ffff/64"], 6, WHAT)
    assert subnet.count == 1 << 64
    assert nth_address([subnet], 3) == "fd00:4::2/64"


@given(st.integers(1, 200), st.integers(0, 50))
def test_addresses_are_distinct_and_of_their_subnet(first: int, more: int) -> None:
    last = min(254, first + more)
    ranges = parse_ranges([f"192.0.2.{first}-192.0.2.{last}/24"], 4, WHAT)
    found = [nth_address(ranges, number) for number in range(1, ranges[0].count + 1)]
    assert len(set(found)) == ranges[0].count == last - first + 1
    assert all(ipaddress.ip_interface(a).network == ipaddress.ip_network("192.0.2.0/24") for a in found if a)
    assert nth_address(ranges, ranges[0].count + 1) is None


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["10.0.4.11"], "is no IPv4 range"),
        (["10.0.4.300/24"], "is no IPv4 range"),
        (["10.0.4.11-10.0.4.12"], "is no IPv4 range"),
        (["fd00::1/64"], "is no IPv4 range"),
        (["10.0.4.11-fd00::1/24"], "is no IPv4 range"),
        (["10.0.4.11-10.0.4.12/33"], "is no IPv4 range"),
        (["web"], "is no IPv4 range"),
        ([""], "is no IPv4 range"),
        (["10.0.4.12-10.0.4.11/24"], "does not run upwards within one subnet"),
        (["10.0.4.250-10.0.5.3/24"], "does not run upwards within one subnet"),
        (["10.0.4.0-10.0.4.9/24"], "contains the subnet's own or its broadcast address"),
        (["10.0.4.250-10.0.4.255/24"], "contains the subnet's own or its broadcast address"),
        (["10.0.4.1-10.0.4.9/24", "10.0.4.9/24"], "overlap"),
    ],
)
def test_bad_ranges(texts: list[str], reason: str) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        parse_ranges(texts, 4, WHAT)
    assert str(caught.value).startswith(WHAT + ": ")


@pytest.mark.parametrize(
    ("gateway", "reason"),
    [
        ("10.0.5.1", "is not in the subnet"),
        ("10.0.4.12", "lies within the range"),
        ("router", "is no address"),
        ("fd00::1", "is no IPv4 address"),
    ],
)
def test_bad_gateways(gateway: str, reason: str) -> None:
    ranges = parse_ranges(["10.0.4.11-10.0.4.20/24"], 4, WHAT)
    with pytest.raises(Refused, match=reason):
        check_gateway(gateway, ranges, 4, "networks[0].ipv4.gateway")


def test_a_link_local_ipv6_gateway_lies_in_no_subnet() -> None:
    ranges = parse_ranges(["fd00:4::11-fd00:4::90/64"], 6, WHAT)
    assert check_gateway("FE80::1", ranges, 6, WHAT) == "fe80::1"
