# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""session: login and logout."""

from __future__ import annotations

import uuid as uuids

from lab import sessions
from lab.errors import Failure, internal
from lab.hosts import membership
from lab.registry import implements
from lab.world import Call


@implements("session.login_with_password")
async def login_with_password(call: Call, user: str, password: str, version: str, originator: str) -> str:
    membership.refuse_on_member(call.world, call.host)
    return await sessions.login(call.world, user, password, originator)


@implements("session.slave_local_login_with_password")
async def slave_local_login_with_password(call: Call, user: str, password: str) -> str:
    """A session that only the host that was asked knows; for hosts that have lost their coordinator."""
    await sessions.authenticate(call.world, user, password, people=False)
    session = f"OpaqueRef:{uuids.uuid4()}"
    call.world.local_sessions[session] = call.host
    return session


@implements("session.slave_login")
def slave_login(call: Call, host: str, secret: str) -> str:
    """No other host is part of the pool, so no secret is right."""
    raise Failure("SESSION_AUTHENTICATION_FAILED", host, "Pool credentials invalid")


@implements("session.slave_local_login")
def slave_local_login(call: Call, secret: str) -> str:
    raise Failure("SESSION_AUTHENTICATION_FAILED", "Pool credentials invalid")


@implements("session.create_from_db_file")
def create_from_db_file(call: Call, file: str) -> str:
    """The lab's hosts have no files that a client could name."""
    raise internal(f'Sys_error("{file}: No such file or directory")')


@implements("session.logout")
def logout(call: Call) -> None:
    local_logout(call)
    sessions.close_session(call.world, call.session)


@implements("session.local_logout")
def local_logout(call: Call) -> None:
    """Ends a local session; others are not its business."""
    call.world.local_sessions.pop(call.session, None)


@implements("session.get_all_subject_identifiers")
def get_all_subject_identifiers(call: Call) -> list[str]:
    """Of all people but root who are logged in."""
    return sorted({str(record["auth_user_sid"]) for record in call.db.where("session", is_local_superuser=False)})


@implements("session.logout_subject_identifier")
def logout_subject_identifier(call: Call, identifier: str) -> None:
    """End all sessions of a person but the caller's own; those of root never."""
    for record in call.db.where("session", is_local_superuser=False, auth_user_sid=identifier):
        if record.ref != call.session:
            sessions.close_session(call.world, record.ref)


@implements("session.change_password")
def change_password(call: Call, old: str, new: str) -> None:
    """Only root comes here, and root need not know the old one."""
    call.world.settings.password = new
