# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""subject: people of a directory who may log in, and their roles."""

from __future__ import annotations

from typing import Any

from lab import rbac
from lab.classes import auth
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call


@implements("subject.create")
def create(call: Call, record: dict[str, Any]) -> str:
    """A subject without roles; what the directory knows of it takes the place of other_config."""
    if call.db.where("subject", subject_identifier=record["subject_identifier"]):
        raise Failure("SUBJECT_ALREADY_EXISTS")
    known = auth.get_subject_information_from_identifier(call, record["subject_identifier"])
    return call.db.create("subject", {**record, "other_config": known, "roles": []})


@implements("subject.add_to_roles")
def add_to_roles(call: Call, subject: str, role: str) -> None:
    if role not in rbac.table(call.world.schema).records:
        raise Failure("ROLE_NOT_FOUND")
    roles = call.db.get("subject", subject)["roles"]
    if role in roles:
        raise Failure("ROLE_ALREADY_EXISTS")
    call.db.set("subject", subject, roles=[*roles, role])


@implements("subject.remove_from_roles")
def remove_from_roles(call: Call, subject: str, role: str) -> None:
    roles = call.db.get("subject", subject)["roles"]
    if role not in roles:
        raise Failure("ROLE_NOT_FOUND")
    call.db.set("subject", subject, roles=[other for other in roles if other != role])


@implements("subject.get_permissions_name_label")
def get_permissions_name_label(call: Call, subject: str) -> list[str]:
    return rbac.table(call.world.schema).labels(call.db.get("subject", subject)["roles"])
