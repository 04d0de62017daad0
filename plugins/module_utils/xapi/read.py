# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a whole host pool with one call a class, however many VMs there are."""
from __future__ import annotations

from ..model.records import CLASSES, HostPool, host_pool
from .client import Client


def read_host_pool(client: Client) -> HostPool:
    """Read everything that planning looks at: ten calls. Raises XapiError."""
    return host_pool({cls: client.call(f"{cls}.get_all_records") for cls in CLASSES})
