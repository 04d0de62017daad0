# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions: login, logout, checks, and the limits at which old ones vanish."""

from __future__ import annotations

import asyncio

from lab.errors import Failure
from lab.values import NULL
from lab.world import World, now

#: A session unused for this long is gone (seconds).
INACTIVITY = 86400
#: last_active is written again only when it is older than this (seconds).
ACTIVITY_GRAIN = 600
#: Sessions with one originator; the least recently used beyond it go.
PER_ORIGINATOR = 500
WRONG_PASSWORD = "Authentication failure"
UNKNOWN_USER = "User not known to the underlying authentication module"


async def login(world: World, user: str, password: str, originator: str) -> str:
    """A new session. Raises SESSION_AUTHENTICATION_FAILED, after a delay."""
    await authenticate(world, user, password)
    session = open_session(world, user, originator)
    _limit(world, originator)
    return session


async def authenticate(world: World, user: str, password: str) -> None:
    """Raises SESSION_AUTHENTICATION_FAILED, after a delay."""
    if user != "root" or password != world.settings.password:
        await asyncio.sleep(world.settings.login_delay)
        raise Failure("SESSION_AUTHENTICATION_FAILED", user, WRONG_PASSWORD if user == "root" else UNKNOWN_USER)


def open_session(world: World, user: str, originator: str) -> str:
    """A session of the local superuser, without any check."""
    return world.database.create(
        "session",
        {
            "this_host": world.coordinator,
            "last_active": now(),
            "validation_time": now(),
            "is_local_superuser": True,
            "auth_user_name": user,
            "originator": originator,
        },
    )


def check(world: World, session: str) -> None:
    """Raises SESSION_INVALID; otherwise notes that the session is in use."""
    record = world.database.find("session", session)
    if record is None:
        raise Failure("SESSION_INVALID", session)
    if record["last_active"] < now() - INACTIVITY:
        close_session(world, session)
        raise Failure("SESSION_INVALID", session)
    if record["last_active"] < now() - ACTIVITY_GRAIN:
        world.database.set("session", session, last_active=now())


def close_session(world: World, session: str) -> None:
    if session != NULL and world.database.exists("session", session):
        world.database.delete("session", session)


def _limit(world: World, originator: str) -> None:
    same = world.database.where("session", originator=originator)
    surplus = len(same) - PER_ORIGINATOR
    for record in sorted(same, key=lambda found: found["last_active"])[: max(0, surplus)]:
        world.database.delete("session", record.ref)
