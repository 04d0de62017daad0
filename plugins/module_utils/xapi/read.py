# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a whole host pool with one call a class, however many VMs there are."""

from __future__ import annotations

from ..model.reading import CLASSES, Reading
from ..model.records import HostPool
from .client import Client


def read_host_pool(client: Client) -> HostPool:
    """Read everything that planning looks at: a call for each of CLASSES. Raises XapiError."""
    reading = Reading()
    for cls in CLASSES:
        reading.take(cls, client.read(f"{cls}.get_all_records"))
    pool = reading.host_pool()
    client.addresses = tuple(host.address for host in pool.hosts.values() if host.address)
    return pool
