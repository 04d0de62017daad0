# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""session: login and logout."""

from __future__ import annotations

import uuid as uuids

from lab import membership, sessions
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call


@implements("session.login_with_password")
async def login_with_password(call: Call, user: str, password: str, version: str, originator: str) -> str:
    membership.refuse_on_member(call.world, call.host)
    return await sessions.login(call.world, user, password, originator)


@implements("session.slave_local_login_with_password")
async def slave_local_login_with_password(call: Call, user: str, password: str) -> str:
    """A session that only the host that was asked knows; for hosts that have lost their coordinator."""
    await sessions.authenticate(call.world, user, password)
    session = f"OpaqueRef:{uuids.uuid4()}"
    call.world.local_sessions[session] = call.host
    return session


@implements("session.slave_login")
def slave_login(call: Call, host: str, secret: str) -> str:
    """No other host is part of the pool, so no secret is right."""
    raise Failure("SESSION_AUTHENTICATION_FAILED", host, "Pool credentials invalid")


@implements("session.logout", "session.local_logout")
def logout(call: Call) -> None:
    call.world.local_sessions.pop(call.session, None)
    sessions.close_session(call.world, call.session)


@implements("session.get_all_subject_identifiers")
def get_all_subject_identifiers(call: Call) -> list[str]:
    return []


@implements("session.logout_subject_identifier")
def logout_subject_identifier(call: Call, identifier: str) -> None:
    for record in call.db.where("session", auth_user_sid=identifier):
        if identifier:
            sessions.close_session(call.world, record.ref)


@implements("session.change_password")
def change_password(call: Call, old: str, new: str) -> None:
    if old != call.world.settings.password:
        raise Failure("SESSION_AUTHENTICATION_FAILED", "root", "Authentication failure")
    call.world.settings.password = new
