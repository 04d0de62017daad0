# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""role: roles and permissions, read from the fixed table and not from the database."""

from __future__ import annotations

from typing import Any

from lab import rbac
from lab.database import Record
from lab.errors import Failure
from lab.registry import Handler, implements
from lab.world import Call

#: Expressions that XAPI knows here; any other finds everything.
ONLY_ROLES, ONLY_PERMISSIONS = "subroles<>[]", "subroles=[]"


def _table(call: Call) -> rbac.Table:
    return rbac.table(call.world.schema)


def _record(call: Call, role: str) -> Record:
    record = _table(call).records.get(role)
    if record is None:
        raise Failure("HANDLE_INVALID", "role", role)
    return record


@implements("role.get_all")
def get_all(call: Call) -> list[str]:
    return list(_table(call).records)


@implements("role.get_all_where")
def get_all_where(call: Call, expression: str) -> list[str]:
    return list(get_all_records_where(call, expression))


@implements("role.get_all_records")
def get_all_records(call: Call) -> dict[str, Record]:
    return dict(_table(call).records)


@implements("role.get_all_records_where")
def get_all_records_where(call: Call, expression: str) -> dict[str, Record]:
    found = _table(call).records
    if expression == ONLY_ROLES:
        return {ref: record for ref, record in found.items() if record["subroles"]}
    if expression == ONLY_PERMISSIONS:
        return {ref: record for ref, record in found.items() if not record["subroles"]}
    return dict(found)


@implements("role.get_record")
def get_record(call: Call, role: str) -> Record:
    return _record(call, role)


@implements("role.get_by_uuid")
def get_by_uuid(call: Call, uuid: str) -> str:
    ref = _table(call).by_uuid.get(uuid)
    if ref is None:
        raise Failure("UUID_INVALID", "role", uuid)
    return ref


@implements("role.get_by_name_label")
def get_by_name_label(call: Call, label: str) -> list[str]:
    ref = _table(call).by_label.get(label)
    return [ref] if ref else []


def _getter(name: str) -> Handler:
    def get(call: Call, role: str) -> Any:
        return _record(call, role)[name]

    return get


for _name in ("uuid", "name_label", "name_description", "subroles", "is_internal"):
    implements(f"role.get_{_name}")(_getter(_name))


@implements("role.get_permissions")
def get_permissions(call: Call, role: str) -> list[str]:
    return list(_table(call).permissions(_record(call, role).ref))


@implements("role.get_permissions_name_label")
def get_permissions_name_label(call: Call, role: str) -> list[str]:
    return _table(call).labels([_record(call, role).ref])


@implements("role.get_by_permission")
def get_by_permission(call: Call, permission: str) -> list[str]:
    """The roles with the permission, which is not counted as one itself."""
    return [ref for ref, record in _table(call).records.items() if permission in record["subroles"]]


@implements("role.get_by_permission_name_label")
def get_by_permission_name_label(call: Call, label: str) -> list[str]:
    return get_by_permission(call, _table(call).by_label.get(label, ""))
