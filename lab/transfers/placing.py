# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The redirect to a host that can move the data when another one was asked."""

from __future__ import annotations

from aiohttp import web

from lab.classes import sr as repositories
from lab.errors import Failure
from lab.hosts import membership, redirect
from lab.transfers.request import Transfer


def elsewhere(transfer: Transfer, *srs: str) -> web.Response | None:
    """A redirect to a host that sees all the repositories, None when the host asked does.

    Raises HANDLE_INVALID, NO_HOSTS_AVAILABLE.
    """
    world = transfer.world
    able = [host.ref for host in world.database.all("host") if membership.live(world, host.ref)]
    for sr in srs:
        plugged = repositories.plugged_hosts(world, sr)
        able = [host for host in able if host in plugged]
    if transfer.call.here in able:
        return None
    if not able:
        raise Failure("NO_HOSTS_AVAILABLE")
    return redirect.to_host(world, transfer.request, able[0])
