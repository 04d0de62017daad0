# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories that ask for it are scanned now and then, as XAPI does."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from lab import inner
from lab.database import Record
from lab.errors import Failure
from lab.world import Call, World

LOG = logging.getLogger("lab")
#: Seconds from one round to the next, unless the coordinator's other_config says something else.
INTERVAL = 30.0
KEY = "auto-scan-interval"


async def scan_now_and_then(world: World) -> None:
    """Scan for as long as the lab runs."""
    while True:
        await asyncio.sleep(_interval(world))
        await scan_all(world)


def _interval(world: World) -> float:
    with contextlib.suppress(KeyError, ValueError):
        return float(world.database.get("host", world.coordinator)["other_config"][KEY])
    return INTERVAL


async def scan_all(world: World) -> None:
    """Scan all plugged repositories with `auto-scan` or `dirty` in their other_config."""
    plugged = {pbd["SR"] for pbd in world.database.where("PBD", currently_attached=True)}
    for sr in [record for record in world.database.all("SR") if record.ref in plugged and _asks(record)]:
        try:
            await inner.call(Call(world, "SR.scan", internal=True), "SR.scan", sr.ref)
        except Failure as failure:
            LOG.info("repository %s is not scanned: %s", sr["uuid"], failure.description)
        world.settle()


def _asks(sr: Record) -> bool:
    config = sr["other_config"]
    return config.get("auto-scan") == "true" or "dirty" in config
