# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address ranges of VM pools. Pure.

The n-th instance always has the n-th address: no allocation needs to be remembered, and an instance that is
made anew gets the address that it had.
"""
from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Sequence, Union

from .refusal import Refused

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


@dataclass(frozen=True)
class AddressRange:
    """Consecutive addresses of one subnet, first and last included."""

    first: Address
    last: Address
    prefix: int

    @property
    def count(self) -> int:
        """How many addresses; no ``len()``, which cannot count those of an IPv6 subnet."""
        return int(self.last) - int(self.first) + 1


def parse_ranges(texts: Sequence[str], version: int, what: str) -> tuple[AddressRange, ...]:
    """Parse ``10.0.4.11-10.0.4.90/24`` or ``10.0.4.11/24``, once or several times.

    `version` is 4 or 6. Raises Refused, naming `what`.
    """
    ranges = tuple(_parse_range(str(text), version, what) for text in texts)
    for index, one in enumerate(ranges):
        for other in ranges[:index]:
            if one.first <= other.last and other.first <= one.last:  # type: ignore[operator]
                raise Refused(f"{what}: the ranges {texts[index]} and {texts[ranges.index(other)]} overlap.")
    return ranges


def _parse_range(text: str, version: int, what: str) -> AddressRange:
    span, slash, prefix = text.strip().partition("/")
    first, _dash, last = span.partition("-")
    example = "10.0.4.11-10.0.4.90/24" if version == 4 else "fd00:4::11-fd00:4::90/64"
    try:
        start, end = ipaddress.ip_address(first.strip()), ipaddress.ip_address((last or first).strip())
        if not slash or {start.version, end.version} != {version}:
            raise ValueError
        network = ipaddress.ip_network(f"{start}/{prefix}", strict=False)
    except ValueError:
        raise Refused(f"{what}: {text!r} is no IPv{version} range; write it like {example}.") from None
    if end not in network or int(end) < int(start):
        raise Refused(f"{what}: {text!r} does not run upwards within one subnet.")
    if version == 4 and network.prefixlen < 31 and (
        start == network.network_address or end == network.broadcast_address
    ):
        raise Refused(f"{what}: {text!r} contains the subnet's own or its broadcast address.")
    return AddressRange(start, end, network.prefixlen)


def nth_address(ranges: Sequence[AddressRange], number: int) -> str | None:
    """The address with prefix length of instance `number` (from 1), or None when the ranges are too short."""
    index = number - 1
    for one in ranges:
        if index < one.count:
            return f"{one.first + index}/{one.prefix}"
        index -= one.count
    return None


def check_gateway(gateway: str, ranges: Sequence[AddressRange], version: int, what: str) -> str:
    """Return the gateway in its usual spelling. Raises Refused when it is none or lies in another subnet."""
    try:
        address = ipaddress.ip_address(gateway)
    except ValueError:
        raise Refused(f"{what}: {gateway!r} is no address.") from None
    if address.version != version:
        raise Refused(f"{what}: {gateway} is no IPv{version} address.")
    link_local = version == 6 and address.is_link_local
    for one in ranges:
        if not link_local and address not in ipaddress.ip_network(f"{one.first}/{one.prefix}", strict=False):
            raise Refused(f"{what}: {gateway} is not in the subnet of {one.first}/{one.prefix}.")
        if int(one.first) <= int(address) <= int(one.last):
            raise Refused(f"{what}: {gateway} lies within the range that instances get.")
    return str(address)
