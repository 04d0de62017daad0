# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user declares of a VM pool, checked on its own: without a look at any host pool. Pure."""
from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Mapping

from ..model.identity import check_hostname
from . import addresses, naming
from .addresses import AddressRange
from .refusal import Refused
from .sizes import MIB, parse_size

_POOL_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_MASTER = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(:(?P<number>[1-9][0-9]*))?")
_PUBLIC_KEY = re.compile(r"^(ssh-|ecdsa-|sk-)[^\n]+$")

#: Below this an ext4 with a journal has no room for anything.
SMALLEST_OVERLAY = 64 * MIB
SMALLEST_MEMORY = 128 * MIB
SMALLEST_SWAP = 1 * MIB


@dataclass(frozen=True)
class MasterName:
    """``noble`` (its promoted version) or ``noble:7``."""

    name: str
    number: int | None

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}:{self.number}"


@dataclass(frozen=True)
class Family:
    """How one NIC gets its addresses of one IP version."""

    method: str  # dhcp, static, none; for IPv6 also auto (router advertisements)
    ranges: tuple[AddressRange, ...] = ()
    gateway: str | None = None


@dataclass(frozen=True)
class NetworkSpec:
    """One NIC of every instance."""

    network: str | None  # name or uuid; None = the golden VM's
    ipv4: Family
    ipv6: Family
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


@dataclass(frozen=True)
class VmPoolSpec:
    """A declared VM pool. Sizes are bytes; None = as the blueprint has it."""

    name: str
    size: int
    master: MasterName
    overlay_size: int
    overlay_sr: str | None
    swap: int | None
    vcpus: int | None
    memory: int | None
    networks: tuple[NetworkSpec, ...]  # empty = the golden VM's networks
    authorized_keys: tuple[str, ...]
    instance_name: str
    power_state: str  # running, halted, unmanaged


def parse_master(text: str) -> MasterName:
    """Parse ``noble`` or ``noble:7``. Raises Refused."""
    match = _MASTER.fullmatch(text)
    if not match:
        raise Refused(f"master: {text!r} is no master image; write its name, or name and version such as noble:7.")
    return MasterName(match["name"], int(match["number"]) if match["number"] else None)


def parse_vm_pool(options: Mapping[str, Any]) -> VmPoolSpec:
    """Check the options of a VM pool (as in the module's argument specification) and make a spec of them.

    Raises Refused with one sentence that names the option.
    """
    name, size = options["name"], options["size"]
    if not _POOL_NAME.fullmatch(name):
        raise Refused(f"name: {name!r} is no name of a VM pool; only lower-case letters, digits and inner hyphens.")
    if size < 1:
        raise Refused(f"VM pool {name!r}: size is {size}; it must be 1 or more. Use state=absent to remove the pool.")
    template = options.get("instance_name") or naming.DEFAULT_TEMPLATE
    naming.check_template(template, name)
    overlay, hardware = options.get("overlay") or {}, options.get("hardware") or {}
    spec = VmPoolSpec(
        name=name,
        size=size,
        master=parse_master(options["master"]),
        overlay_size=_size_at_least(overlay.get("size") or "1 GiB", SMALLEST_OVERLAY, "overlay.size"),
        overlay_sr=overlay.get("sr"),
        swap=_size_at_least(options["swap"], SMALLEST_SWAP, "swap") if options.get("swap") else None,
        vcpus=_vcpus(hardware.get("vcpus")),
        memory=_memory(hardware.get("memory")),
        networks=tuple(_network(entry, index) for index, entry in enumerate(options.get("networks") or ())),
        authorized_keys=_authorized_keys(options.get("authorized_keys") or ()),
        instance_name=template,
        power_state=options.get("power_state") or "running",
    )
    _check_addresses_suffice(spec)
    return spec


def _size_at_least(text: str, least: int, what: str) -> int:
    size = parse_size(text, what)
    if size < least:
        raise Refused(f"{what}: {text} is too small; at least {least // MIB} MiB.")
    return size


def _vcpus(vcpus: int | None) -> int | None:
    if vcpus is not None and vcpus < 1:
        raise Refused(f"hardware.vcpus: {vcpus} is not possible; at least 1.")
    return vcpus


def _memory(text: str | None) -> int | None:
    return None if text is None else _size_at_least(text, SMALLEST_MEMORY, "hardware.memory")


def _authorized_keys(keys: Any) -> tuple[str, ...]:
    """One text or several, each of which may hold several lines, as an authorized_keys file does."""
    texts = [keys] if isinstance(keys, str) else keys
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise Refused("authorized_keys: write a text of one key a line, or a list of such texts.")
    lines = [line.strip() for text in texts for line in text.splitlines()]
    found = tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    for key in found:
        if "PRIVATE KEY" in key or not (_PUBLIC_KEY.match(key) or " ssh-" in key or " ecdsa-" in key):
            raise Refused(f"authorized_keys: {key[:20]!r}… is no public SSH key in the form of authorized_keys.")
    return found


def _network(entry: Mapping[str, Any], index: int) -> NetworkSpec:
    what = f"networks[{index}]"
    return NetworkSpec(
        network=entry.get("network"),
        ipv4=_family(entry.get("ipv4") or {}, 4, "dhcp", f"{what}.ipv4"),
        ipv6=_family(entry.get("ipv6") or {}, 6, "auto", f"{what}.ipv6"),
        dns=tuple(_address(text, f"{what}.dns") for text in entry.get("dns") or ()),
        search=tuple(_domain(text, f"{what}.search") for text in entry.get("search") or ()),
    )


def _address(text: str, what: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Refused(f"{what}: {text!r} is no address.") from None


def _domain(text: str, what: str) -> str:
    try:
        check_hostname(text)
    except ValueError:
        raise Refused(f"{what}: {text!r} is no domain name.") from None
    return text


def _family(options: Mapping[str, Any], version: int, default: str, what: str) -> Family:
    ranges = addresses.parse_ranges(options.get("addresses") or (), version, f"{what}.addresses")
    method = options.get("method") or ("static" if ranges else default)
    if method == "static" and not ranges:
        raise Refused(f"{what}: method static needs addresses.")
    if method != "static" and (ranges or options.get("gateway")):
        raise Refused(f"{what}: addresses and gateway go with method static, not with {method}.")
    gateway = options.get("gateway")
    if gateway is not None:
        gateway = addresses.check_gateway(gateway, ranges, version, f"{what}.gateway")
    return Family(method, ranges, gateway)


def _check_addresses_suffice(spec: VmPoolSpec) -> None:
    for index, network in enumerate(spec.networks):
        for version, family in ((4, network.ipv4), (6, network.ipv6)):
            count = sum(one.count for one in family.ranges)
            if family.ranges and count < spec.size:
                raise Refused(
                    f"VM pool {spec.name!r}: networks[{index}].ipv{version}.addresses holds {count} addresses, "
                    f"size is {spec.size}."
                )
