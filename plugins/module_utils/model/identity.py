# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who an instance is: everything in which it differs from its master before its first boot."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing
import uuid

NETPLAN = "netplan"
NETWORKD = "networkd"

Ipv6Mode = typing.Literal["static", "auto", "dhcp", "none"]

_HOSTNAME_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclasses.dataclass(frozen=True)
class Ipv4:
    """IPv4 of a NIC: ``address`` is ``a.b.c.d/length``; without one the guest asks DHCP.

    Raises ValueError when an address is malformed, or a gateway is given with DHCP.
    """

    address: str | None = None
    gateway: str | None = None

    def __post_init__(self) -> None:
        if self.address is not None:
            _check_interface(self.address, 4)
        if self.gateway is None:
            return
        _check_address(self.gateway, 4)
        if self.address is None:
            raise ValueError(f"IPv4 gateway {self.gateway} needs a static address; DHCP brings its own.")


@dataclasses.dataclass(frozen=True)
class Ipv6:
    """IPv6 of a NIC. Modes: ``static``, ``auto`` (router advertisements), ``dhcp``, ``none`` (IPv6 is off).

    Raises ValueError when an address is malformed or does not go with the mode.
    """

    address: str | None = None
    mode: Ipv6Mode = "auto"
    gateway: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in typing.get_args(Ipv6Mode):
            raise ValueError(f"IPv6 mode {self.mode!r} is none of {', '.join(typing.get_args(Ipv6Mode))}.")
        if self.mode == "static":
            if self.address is None:
                raise ValueError("IPv6 mode static needs an address.")
            _check_interface(self.address, 6)
            if self.gateway is not None:
                _check_address(self.gateway, 6)
            return
        if self.address is not None or self.gateway is not None:
            raise ValueError(f"IPv6 mode {self.mode} takes no address and no gateway; mode static does.")


@dataclasses.dataclass(frozen=True)
class Nic:
    """One NIC, known to the guest by its MAC only. ``ipv4=None`` leaves IPv4 off.

    Raises ValueError for a malformed MAC, DNS server or search domain.
    """

    mac: str
    ipv4: Ipv4 | None = dataclasses.field(default_factory=Ipv4)
    ipv6: Ipv6 = dataclasses.field(default_factory=Ipv6)
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _MAC.fullmatch(self.mac):
            raise ValueError(f"MAC address {self.mac!r} is not six lower-case hexadecimal pairs with colons.")
        for server in self.dns:
            _check_address(server)
        for domain in self.search:
            check_hostname(domain)


@dataclasses.dataclass(frozen=True)
class HostKey:
    """An SSH host key: ``private`` in OpenSSH's own format, ``public`` as the one line of a ``.pub`` file."""

    private: str = dataclasses.field(repr=False)
    public: str


@dataclasses.dataclass(frozen=True)
class Identity:
    """What the controller writes onto an instance's overlay disk.

    ``instance`` and ``overlay`` are uuids (of the instance, of its overlay VDI), ``pool`` is the VM pool's
    name, ``network`` says which way the guest is configured, ``machine`` is a uuid when /etc/machine-id is not to be
    made of the instance's. Raises ValueError for whatever the guest could not use.
    """

    instance: str
    pool: str
    overlay: str
    hostname: str
    nics: tuple[Nic, ...]
    authorized_keys: tuple[str, ...]
    host_key: HostKey
    network: str = NETPLAN
    machine: str | None = None

    def __post_init__(self) -> None:
        _check_uuid("instance", self.instance)
        _check_uuid("overlay", self.overlay)
        _check_uuid("machine", self.machine or self.instance)
        check_hostname(self.hostname)
        if not self.pool or not self.pool.isprintable():
            raise ValueError(f"VM pool name {self.pool!r} is empty or has control characters.")
        if self.network not in (NETPLAN, NETWORKD):
            raise ValueError(f"Network configuration {self.network!r} is neither {NETPLAN} nor {NETWORKD}.")
        for key in self.authorized_keys:
            if not key.strip() or not key.isprintable():
                raise ValueError(f"Authorized key {key!r} is not one line of text.")
        macs = [nic.mac for nic in self.nics]
        for mac in macs:
            if macs.count(mac) > 1:
                raise ValueError(f"{self.hostname} has two NICs with the MAC address {mac}.")

    @property
    def machine_id(self) -> str:
        """The content of /etc/machine-id: a uuid as 32 hexadecimal digits (machine-id(5))."""
        return (self.machine or self.instance).replace("-", "")


def check_hostname(name: str) -> None:
    """Raise ValueError unless ``name`` is a lower-case host or domain name (RFC 1123), 64 characters at most.

    64 is HOST_NAME_MAX of Linux; a longer name cannot be set by the guest.
    """
    labels = name.split(".")
    if len(name) > 64 or not all(_HOSTNAME_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            f"Host name {name!r} is no host name: labels of a-z, 0-9 and inner hyphens, 64 characters in all."
        )


def _check_uuid(what: str, text: str) -> None:
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != text:
        raise ValueError(f"The {what} uuid {text!r} is not a lower-case uuid with dashes.")


def _check_address(text: str, version: int | None = None) -> None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address.") from None
    if version is not None and address.version != version:
        raise ValueError(f"{text} is not an IPv{version} address.")


def _check_interface(text: str, version: int) -> None:
    if "/" not in text:
        example = "192.0.2.7/24" if version == 4 else "2001:db8::7/64"
        raise ValueError(f"Address {text!r} lacks its prefix length, as in {example}.")
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address with a prefix length.") from None
    if interface.version != version:
        raise ValueError(f"{text} is not an IPv{version} address.")
