# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration of a VM pool, out of a module's options."""

from __future__ import annotations

import re
from typing import Any, Mapping

from . import naming
from .hardware import parse_hardware
from .networks import parse_network
from .refusal import Refused
from .sizes import MIB, parse_size_at_least
from .spec import Concurrency, DataDisk, MasterName, OverlaySpec, Placement, ScaleIn, VmPoolSpec

_POOL_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_DISK_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_MASTER = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(:(?P<number>[1-9][0-9]*))?")
_PUBLIC_KEY = re.compile(r"^(ssh-|ecdsa-|sk-)[^\n]+$")

#: Below this an ext4 with a journal has no room for anything.
SMALLEST_OVERLAY = 64 * MIB
SMALLEST_SWAP = 1 * MIB
SMALLEST_DISK = 1 * MIB


def parse_master(text: str) -> MasterName:
    """Parse ``noble`` or ``noble:7``. Raises Refused."""
    match = _MASTER.fullmatch(text)
    if not match:
        raise Refused(f"master: {text!r} is no master image; write its name, or name and version such as noble:7.")
    return MasterName(match["name"], int(match["number"]) if match["number"] else None)


def parse_vm_pool(options: Mapping[str, Any]) -> VmPoolSpec:
    """Check the options of a VM pool (as in options.VM_POOL_OPTIONS) and make a spec of them.

    Raises Refused with one sentence that names the option.
    """
    name, size = options["name"], options["size"]
    if not _POOL_NAME.fullmatch(name):
        raise Refused(f"name: {name!r} is no name of a VM pool; only lower-case letters, digits and inner hyphens.")
    if size < 1:
        raise Refused(f"VM pool {name!r}: size is {size}; it must be 1 or more. Use state=absent to remove the pool.")
    template = options.get("instance_name") or naming.DEFAULT_TEMPLATE
    naming.check_template(template, name)
    spec = VmPoolSpec(
        name=name,
        size=size,
        master=parse_master(options["master"]),
        overlay=_overlay(options.get("overlay") or {}),
        swap=parse_size_at_least(options["swap"], SMALLEST_SWAP, "swap") if options.get("swap") else None,
        hardware=parse_hardware(options.get("hardware") or {}, options.get("hardware_profiles") or {}),
        networks=tuple(parse_network(entry, index) for index, entry in enumerate(options.get("networks") or ())),
        authorized_keys=_authorized_keys(options.get("authorized_keys") or ()),
        instance_name=template,
        power_state=options.get("power_state") or "running",
        disks=_disks(options.get("disks") or ()),
        placement=_placement(options.get("placement") or {}),
        scale_in=_scale_in(options.get("scale_in") or {}),
        allow_restart=bool(options.get("allow_restart")),
        fail_fast=bool(options.get("fail_fast")),
        concurrency=_concurrency(options.get("concurrency") or {}),
    )
    _check_addresses_suffice(spec)
    return spec


def _overlay(options: Mapping[str, Any]) -> OverlaySpec:
    srs = options.get("sr") or ()
    return OverlaySpec(
        size=parse_size_at_least(options.get("size") or "1 GiB", SMALLEST_OVERLAY, "overlay.size"),
        srs=(srs,) if isinstance(srs, str) else tuple(dict.fromkeys(srs)),
        on_boot=options.get("on_boot") or "persist",
    )


def _disks(entries: Any) -> tuple[DataDisk, ...]:
    disks: list[DataDisk] = []
    for index, entry in enumerate(entries):
        name = entry["name"]
        if not _DISK_NAME.fullmatch(name):
            raise Refused(
                f"disks[{index}].name: {name!r} is no name of a disk; lower-case letters, digits, inner hyphens."
            )
        if name in [disk.name for disk in disks]:
            raise Refused(f"disks[{index}].name: there are two disks {name!r}.")
        size = parse_size_at_least(entry["size"], SMALLEST_DISK, f"disks[{index}].size")
        disks.append(DataDisk(name, size, entry.get("sr")))
    return tuple(disks)


def _placement(options: Mapping[str, Any]) -> Placement:
    default = Placement()
    return Placement(
        spread=options.get("spread") or default.spread,
        rack=options.get("rack") or default.rack,
        hosts=options.get("hosts"),
    )


def _scale_in(options: Mapping[str, Any]) -> ScaleIn:
    names = tuple(options.get("instances") or ())
    order = options.get("order") or ("named" if names else "newest")
    if order == "named" and not names:
        raise Refused("scale_in.instances: order named needs the names of the instances that are to go.")
    if names and order != "named":
        raise Refused(f"scale_in.instances: names go with order named, not with {order}.")
    return ScaleIn(order, names, options.get("overlays") or "delete")


def _concurrency(options: Mapping[str, Any]) -> Concurrency:
    given = {word: value for word, value in options.items() if value is not None}
    for word, value in given.items():
        if value < 1:
            raise Refused(f"concurrency.{word}: {value} is not possible; at least 1.")
    return Concurrency(**given)


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


def _check_addresses_suffice(spec: VmPoolSpec) -> None:
    for index, network in enumerate(spec.networks):
        for version, family in ((4, network.ipv4), (6, network.ipv6)):
            count = sum(one.count for one in family.ranges)
            if family.ranges and count < spec.size:
                raise Refused(
                    f"VM pool {spec.name!r}: networks[{index}].ipv{version}.addresses holds {count} addresses, "
                    f"size is {spec.size}."
                )
