# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks that nobody holds any more, as far as can be seen from this controller."""

from __future__ import annotations

from ..model.labels import PREFIX
from ..model.records import HostPool
from ..plan.guards.leftovers import DeadLock
from .heartbeat import last_sign
from .owner import is_dead, parse

_KEY = f"{PREFIX}lock:"


def dead_locks(pool: HostPool) -> list[DeadLock]:
    """The locks of owners that are dead, by key."""
    held = {key: parse(value) for key, value in sorted(pool.other_config.items()) if key.startswith(_KEY)}
    return [
        DeadLock(key, key[len(_KEY) :], f"process {owner.get('pid')} on {owner.get('host')}")
        for key, owner in held.items()
        if is_dead(owner, last_sign(pool.other_config, key[len(_KEY) :]))
    ]
