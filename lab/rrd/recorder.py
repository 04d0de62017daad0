# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Samples everything every few seconds."""

from __future__ import annotations

import asyncio
import time

from lab.rrd import sources
from lab.rrd.archive import STEP, Archive
from lab.world import World

#: Archives of VMs that have ended; beyond that the oldest go.
KEPT = 1000


async def record(world: World) -> None:
    """Take a sample now and at every step, until cancelled."""
    while True:
        sample(world)
        await asyncio.sleep(STEP - time.time() % STEP)


def sample(world: World) -> None:
    """Note the present figures, unless those of this step are noted already."""
    now = time.time()
    for key, figures in sources.measured(world).items():
        world.archives.setdefault(key, Archive()).add(now, figures)
    if len(world.archives) > KEPT:
        _forget(world)


def _forget(world: World) -> None:
    newest = max(archive.updated for archive in world.archives.values())
    ended = [key for key, archive in world.archives.items() if archive.updated < newest]
    ended.sort(key=lambda key: world.archives[key].updated)
    for key in ended[: max(0, len(ended) - KEPT)]:
        del world.archives[key]
