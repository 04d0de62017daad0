# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions: login, logout, checks, and the limits at which old ones vanish."""

from __future__ import annotations

import asyncio
from typing import Any

from lab import rbac
from lab.database import Record
from lab.errors import Failure
from lab.values import NULL
from lab.world import World, now

#: A session unused for this long is gone (seconds).
INACTIVITY = 86400
#: last_active is written again only when it is older than this (seconds).
ACTIVITY_GRAIN = 600
#: Sessions that may be open: of root without an originator, and of any other originator or user; the least recently
#: used beyond it go.
OF_ROOT, OF_OTHERS = 400, 500
ROOT = "root"
WRONG_PASSWORD = "Authentication failure"
UNKNOWN_USER = "User not known to the underlying authentication module"
#: Begins the identifiers that the lab's directory has for its people.
DIRECTORY = "S-1-5-21-1-2-3-"


async def login(world: World, user: str, password: str, originator: str) -> str:
    """A new session. Raises SESSION_AUTHENTICATION_FAILED, after a delay."""
    await authenticate(world, user, password)
    session = open_session(world, user, originator)
    _limit(world, session)
    return session


async def authenticate(world: World, user: str, password: str, *, people: bool = True) -> None:
    """Raises SESSION_AUTHENTICATION_FAILED, after a delay. Without people only root is known.

    The lab's directory has one person for each role, named like it, with root's password.
    """
    known = user == ROOT or (people and user in rbac.PEOPLE)
    if not known or password != world.settings.password:
        await asyncio.sleep(world.settings.login_delay)
        raise Failure("SESSION_AUTHENTICATION_FAILED", user, WRONG_PASSWORD if known else UNKNOWN_USER)


def open_session(world: World, user: str, originator: str) -> str:
    """A session of root or of a person of the directory. Raises SESSION_AUTHENTICATION_FAILED for one without roles."""
    fields = {
        "this_host": world.coordinator,
        "last_active": now(),
        "validation_time": now(),
        "is_local_superuser": user == ROOT,
        "auth_user_name": user,
        "originator": originator,
    }
    if user != ROOT:
        fields.update(_person(world, user))
    return world.database.create("session", fields)


def _person(world: World, user: str) -> dict[str, Any]:
    """What a session has of its subject: who it is and what it may do."""
    subject = world.database.get("subject", _subject(world, user))
    identifier = subject["subject_identifier"]
    permissions = rbac.table(world.schema).labels(subject["roles"])
    if not permissions:
        text = f"Subject {user} (identifier {identifier}) has no access in this pool"
        raise Failure("SESSION_AUTHENTICATION_FAILED", user, text)
    return {"subject": subject.ref, "auth_user_sid": identifier, "rbac_permissions": permissions}


def _subject(world: World, user: str) -> str:
    """The subject of a person; it comes into being at the first login, with the role of that name."""
    identifier = f"{DIRECTORY}{1000 + rbac.PEOPLE.index(user)}"
    found = world.database.where("subject", subject_identifier=identifier)
    if found:
        return found[0].ref
    known = {"subject-name": user, "subject-sid": identifier, "subject-is-group": "false"}
    roles = [rbac.table(world.schema).by_label[user]]
    return world.database.create("subject", {"subject_identifier": identifier, "other_config": known, "roles": roles})


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


def _limit(world: World, newest: str) -> None:
    """Drop the least recently used of the sessions that count together; those with pending tasks stay."""
    session = world.database.get("session", newest)
    together = {"originator": session["originator"]}
    if not session["originator"]:
        together["auth_user_name"] = session["auth_user_name"]
    same = world.database.where("session", **together)
    most = OF_ROOT if session["is_local_superuser"] and not session["originator"] else OF_OTHERS
    surplus = len(same) - most
    if surplus <= 0:
        return
    idle = [record for record in same if record.ref != newest and not _is_busy(world, record)]
    for record in sorted(idle, key=lambda found: float(found["last_active"]))[:surplus]:
        close_session(world, record.ref)


def _is_busy(world: World, session: Record) -> bool:
    tasks = (world.database.find("task", task) for task in session["tasks"])
    return any(task is not None and task["status"] == "pending" for task in tasks)
