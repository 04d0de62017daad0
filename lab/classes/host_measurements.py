# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host: what is measured of it."""

from __future__ import annotations

from typing import Any

from lab.errors import internal
from lab.hosts import membership
from lab.registry import implements
from lab.rrd import sources
from lab.world import Call

#: Units by the end of a figure's name.
UNITS = {"_kib": "KiB", "_rx": "B/s", "_tx": "B/s", "_avg": "(fraction)"}


def _measurements(call: Call, host: str) -> dict[str, dict[str, Any]]:
    """The data sources of a host by name, in the words of the data_source record."""
    membership.require_reachable(call.world, host)
    record = call.db.get("host", host)
    figures = sources.of_host(call.world, record)
    return {name: _described(name, value) for name, value in figures.items()}


def _described(name: str, value: float) -> dict[str, Any]:
    units = next((unit for end, unit in UNITS.items() if name.endswith(end)), "(fraction)")
    most = 1.0 if units == "(fraction)" and name != "loadavg" else float("inf")
    return {
        "name_label": name, "name_description": f"{name} of the host", "enabled": True, "standard": True,
        "units": units, "min": 0.0, "max": most, "value": float(value),
    }  # fmt: skip


@implements("host.get_data_sources")
def get_data_sources(call: Call, host: str) -> list[dict[str, Any]]:
    return list(_measurements(call, host).values())


@implements("host.query_data_source")
def query_data_source(call: Call, host: str, name: str) -> float:
    return float(_source(call, host, name)["value"])


@implements("host.record_data_source", "host.forget_data_source_archives")
def record_data_source(call: Call, host: str, name: str) -> None:
    """Data sources of hosts are always recorded, so there is nothing to begin or to end."""
    _source(call, host, name)


def _source(call: Call, host: str, name: str) -> dict[str, Any]:
    found = _measurements(call, host).get(name)
    if found is None:
        raise internal(f"Rrd_interface.Rrdd_error(Rrd_interface.Errors.Rrdd_internal_error: no data source {name})")
    return found
