# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole archive in rrdtool's XML format, as /host_rrd, /vm_rrd and /sr_rrd give it."""

from __future__ import annotations

from html import escape

from lab.rrd.archive import FUNCTIONS, RESOLUTIONS, STEP, Archive, shown


def xml(archive: Archive) -> str:
    """The document."""
    parts = [
        '<?xml version="1.0"?><rrd><version>0003</version>',
        f"<step>{STEP}</step><lastupdate>{archive.updated}</lastupdate>",
    ]
    latest = archive.latest()
    for name in archive.names:
        value = latest.get(name)
        parts.append(
            f"<ds><name>{escape(name)}</name><type>GAUGE</type><minimal_heartbeat>300.0000</minimal_heartbeat>"
            f"<min>0.0000</min><max>Infinity</max><last_ds>{'U' if value is None else shown(value)}</last_ds>"
            "<value>0.0000</value><unknown_sec>0</unknown_sec></ds>"
        )
    for function in FUNCTIONS:
        for samples, kept in RESOLUTIONS.items():
            parts.append(_rows(archive, function, samples, kept))
    return "".join(parts) + "</rrd>"


def _rows(archive: Archive, function: str, samples: int, kept: int) -> str:
    """One resolution with one function, the oldest row first."""
    prepared = "".join(
        "<ds><primary_value>0.0000</primary_value><secondary_value>0.0000</secondary_value><value>0.0000</value>"
        "<unknown_datapoints>0</unknown_datapoints></ds>"
        for _name in archive.names
    )
    rows = []
    for age in reversed(range(kept)):
        cells = "".join(f"<v>{shown(value)}</v>" for value in archive.row(function, samples, age))
        rows.append(f"<row>{cells}</row>")
    return (
        f"<rra><cf>{function}</cf><pdp_per_row>{samples}</pdp_per_row><params><xff>0.5000</xff></params>"
        f"<cdp_prep>{prepared}</cdp_prep><database>{''.join(rows)}</database></rra>"
    )
