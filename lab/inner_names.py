# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names that fields have inside XAPI's database, which show in some errors and in queries."""

from __future__ import annotations

import re

#: Prefixes that XAPI's own database parts from the rest of a field's name with two underscores.
SPLIT = {
    "VM": "memory|VCPUs|actions|PV|HVM|name",
    "VM_metrics": "memory|VCPUs",
    "host": "name|memory|API_version",
    "host_metrics": "memory",
    "VBD": "qos",
    "VIF": "qos",
    "VBD_metrics": "io",
    "VIF_metrics": "io",
    "PIF_metrics": "io",
    "pool": "",
}


def inner_name(cls: str, name: str) -> str:
    """The name of a field inside XAPI's database, which shows in some errors and in queries."""
    prefixes = SPLIT.get(cls, "name")
    match = re.match(rf"({prefixes})_(.+)", name) if prefixes else None
    return f"{match.group(1)}__{match.group(2)}" if match else name
