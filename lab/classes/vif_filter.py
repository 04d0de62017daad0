# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VIF: which addresses it may use, which the guest is to set, and the VLANs of a trunk."""

from __future__ import annotations

import ipaddress

from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call

FEATURE = "feature-static-ip-setting"
VLANS = range(4096)


def _is_address(version: int, text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _split(version: int, text: str) -> str | None:
    """The address of an `address/prefix length` text; None when it is not such a text."""
    address, slash, prefix = text.partition("/")
    longest = 32 if version == 4 else 128
    fits = prefix.isdigit() and int(prefix) <= longest
    return address if slash and fits and _is_address(version, address) else None


@implements("VIF.set_locking_mode")
def set_locking_mode(call: Call, vif: str, value: str) -> None:
    call.db.set("VIF", vif, locking_mode=value)


def _implement_allowed(version: int) -> None:
    """The calls for the addresses of one IP version that the interface may use when it is locked."""
    field = f"ipv{version}_allowed"

    def check(value: str) -> None:
        if not _is_address(version, value):
            raise Failure("INVALID_IP_ADDRESS_SPECIFIED", field)

    def set_all(call: Call, vif: str, values: list[str]) -> None:
        call.db.get("VIF", vif)
        for value in values:
            check(value)
        call.db.set("VIF", vif, **{field: list(dict.fromkeys(values))})

    def add(call: Call, vif: str, value: str) -> None:
        found = call.db.get("VIF", vif)[field]
        check(value)
        call.db.set("VIF", vif, **{field: found if value in found else [*found, value]})

    def remove(call: Call, vif: str, value: str) -> None:
        found = call.db.get("VIF", vif)[field]
        call.db.set("VIF", vif, **{field: [item for item in found if item != value]})

    implements(f"VIF.set_{field}")(set_all)
    implements(f"VIF.add_{field}")(add)
    implements(f"VIF.remove_{field}")(remove)


def _implement_configuration(version: int) -> None:
    """The call by which the guest's agent is told what address to set."""

    def configure(call: Call, vif: str, mode: str, address: str, gateway: str) -> None:
        record = call.db.get("VIF", vif)
        if mode == "Static":
            _check_static(call, record, version, address, gateway)
        _require_feature(call, record)
        call.db.set(
            "VIF", vif, **{
                f"ipv{version}_configuration_mode": mode, f"ipv{version}_addresses": [address],
                f"ipv{version}_gateway": gateway,
            },
        )  # fmt: skip

    implements(f"VIF.configure_ipv{version}")(configure)


def _check_static(call: Call, record: Record, version: int, address: str, gateway: str) -> None:
    plain = _split(version, address)
    if plain is None:
        raise Failure("INVALID_CIDR_ADDRESS_SPECIFIED", "address")
    if _locking_mode(call, record) == "locked" and plain not in record[f"ipv{version}_allowed"]:
        raise Failure("ADDRESS_VIOLATES_LOCKING_CONSTRAINT", address)
    if gateway and not _is_address(version, gateway):
        raise Failure("INVALID_IP_ADDRESS_SPECIFIED", "gateway")


def _locking_mode(call: Call, record: Record) -> str:
    if record["locking_mode"] != "network_default":
        return str(record["locking_mode"])
    return str(call.db.get("network", record["network"])["default_locking_mode"])


def _require_feature(call: Call, record: Record) -> None:
    vm = call.db.get("VM", record["VM"])
    agent = call.db.find("VM_guest_metrics", vm["guest_metrics"])
    if agent is None or agent["other"].get(FEATURE) != "1":
        raise Failure("VM_LACKS_FEATURE", vm.ref)


for _version in (4, 6):
    _implement_allowed(_version)
    _implement_configuration(_version)


def _set_trunks(call: Call, vif: str, values: list[int]) -> None:
    for value in values:
        if value not in VLANS:
            raise Failure("INVALID_VALUE", "trunks", value)
    call.db.set("VIF", vif, trunks=list(dict.fromkeys(values)))


@implements("VIF.set_trunks")
def set_trunks(call: Call, vif: str, values: list[int]) -> None:
    _set_trunks(call, vif, values)


@implements("VIF.add_trunks")
def add_trunks(call: Call, vif: str, value: int) -> None:
    _set_trunks(call, vif, [*call.db.get("VIF", vif)["trunks"], value])


@implements("VIF.remove_trunks")
def remove_trunks(call: Call, vif: str, value: int) -> None:
    kept = [item for item in call.db.get("VIF", vif)["trunks"] if item != value]
    call.db.set("VIF", vif, trunks=kept)
