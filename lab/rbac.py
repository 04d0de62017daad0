# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roles and permissions: who may make which call.

As in XAPI they are a fixed table made from the data model, not objects of the database: one permission for each call,
for each map's key with a role of its own, and for each HTTP handler; a role is the set of its permissions.
"""

from __future__ import annotations

import functools
import hashlib
import uuid as uuids
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.database import Record
from lab.errors import Failure
from lab.schema import Message, Schema
from lab.world import World

POOL_ADMIN = "pool-admin"
CERTIFICATE = "client-cert"
#: Roles from the mightiest to the least, with what XAPI says of them; each may do all that the ones after it may.
ROLES = {
    POOL_ADMIN: "The Pool Administrator role has full access to all features and settings, including accessing Dom0 and"
    " managing subjects, roles and external authentication",
    "pool-operator": "The Pool Operator role manages host- and pool-wide resources, including setting up storage,"
    " creating resource pools and managing patches, high availability (HA) and workload balancing (WLB)",
    "vm-power-admin": "The VM Power Administrator role has full access to VM and template management and can choose"
    " where to start VMs and use the dynamic memory control and VM snapshot features",
    "vm-admin": "The VM Administrator role can manage VMs and templates",
    "vm-operator": "The VM Operator role can use VMs and interact with VM consoles",
    CERTIFICATE: "The role for client certificates, which XAPI alone gives",
    "read-only": "The Read-Only role can log in with basic read-only access",
}
#: Roles that people can have.
PEOPLE = tuple(role for role in ROLES if role != CERTIFICATE)
#: The order in which XAPI's table has the roles; it shows in the text of a refusal.
TABLE_ORDER = ("vm-power-admin", "vm-admin", "vm-operator", "read-only", CERTIFICATE, POOL_ADMIN, "pool-operator")
#: Handlers that XAPI serves beside its calls -> the least role.
HTTP = {
    "get_services": "read-only", "post_services": POOL_ADMIN, "put_services": POOL_ADMIN,
    "post_remote_db_access": POOL_ADMIN, "post_remote_db_access_v2": POOL_ADMIN,
    "get_services_xenops": "vm-power-admin", "post_services_xenops": "vm-power-admin",
    "put_services_xenops": "vm-power-admin", "get_services_sm": "vm-power-admin",
    "post_services_sm": "vm-power-admin", "put_services_sm": "vm-power-admin", "put_import": "vm-admin",
    "put_import_metadata": "vm-admin", "put_import_raw_vdi": "vm-admin", "get_export": "vm-admin",
    "get_export_metadata": "vm-admin", "get_export_raw_vdi": "vm-admin", "connect_console": "vm-operator",
    "connect_console/host_console": POOL_ADMIN, "connect_console_ws": "vm-operator",
    "connect_console_ws/host_console_ws": POOL_ADMIN, "get_root": "read-only", "post_cli": "read-only",
    "get_host_backup": POOL_ADMIN, "put_host_restore": POOL_ADMIN, "get_host_logs_download": "pool-operator",
    "put_pool_patch_upload": "pool-operator", "get_vncsnapshot": "vm-operator",
    "get_vncsnapshot/host_console": POOL_ADMIN, "get_pool_xml_db_sync": POOL_ADMIN,
    "put_pool_xml_db_sync": POOL_ADMIN, "get_config_sync": POOL_ADMIN, "get_system_status": "pool-operator",
    "get_vm_rrd": "read-only", "get_host_rrd": "read-only", "get_sr_rrd": "read-only", "get_rrd_updates": "read-only",
    "get_otel_metrics": "read-only", "put_rrd": POOL_ADMIN, "get_blob": "read-only", "put_blob": "vm-power-admin",
    "put_messages": "vm-power-admin", "connect_remotecmd": POOL_ADMIN, "get_wlb_report": "read-only",
    "get_wlb_diagnostics": "read-only", "get_audit_log": "read-only", "post_root": "read-only",
    "post_json": "read-only", "post_root_options": "read-only", "post_json_options": "read-only",
    "post_jsonrpc": "read-only", "post_jsonrpc_options": "read-only", "get_pool_update_download": "read-only",
    "get_enabled_repository": "pool-operator", "get_host_updates": "pool-operator", "get_updates": "pool-operator",
    "put_bundle": "pool-operator",
}  # fmt: skip
#: To do with anybody's task what everyone may do with their own.
ANY_TASK = "task.destroy/any"
EXTRA = {ANY_TASK: "pool-operator"}


@dataclass
class Table:
    """All roles and permissions; `records` of both by reference, permissions first, as role.get_all lists them."""

    records: dict[str, Record] = field(default_factory=dict)
    by_uuid: dict[str, str] = field(default_factory=dict)
    by_label: dict[str, str] = field(default_factory=dict)
    #: label of a permission -> the roles that have it, in the table's order
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, name: str, description: str, subroles: list[str], is_internal: bool) -> None:
        uuid = str(uuids.UUID(bytes=hashlib.md5(name.encode()).digest()))
        ref = f"OpaqueRef:{uuid}"
        fields = {
            "uuid": uuid, "name_label": name.lower(), "name_description": description, "subroles": subroles,
            "is_internal": is_internal,
        }  # fmt: skip
        self.records[ref] = Record("role", ref, fields, created=1, modified=1)
        self.by_uuid[uuid] = self.by_label[name.lower()] = ref

    def permissions(self, role: str) -> list[str]:
        """References of all permissions below a role; of a permission, itself."""
        return self.records[role]["subroles"] or [role]

    def labels(self, roles: Sequence[str]) -> list[str]:
        """The permissions of several roles together."""
        found = {self.records[ref]["name_label"]: None for role in roles for ref in self.permissions(role)}
        return list(found)


@functools.lru_cache(maxsize=4)
def table(schema: Schema) -> Table:
    """The table for a data model."""
    found = Table()
    for name, roles in _permissions(schema).items():
        if roles:
            found.add(name, "A basic permission", [], is_internal=True)
            found.roles[name.lower()] = tuple(role for role in TABLE_ORDER if role in roles)
    for role in TABLE_ORDER:
        below = [found.by_label[label] for label, roles in found.roles.items() if role in roles]
        found.add(role, ROLES[role], below, is_internal=role == CERTIFICATE)
    return found


def _permissions(schema: Schema) -> dict[str, tuple[str, ...]]:
    """Name of each permission -> the roles that have it."""
    permissions: dict[str, tuple[str, ...]] = {}
    for definition in schema.classes.values():
        for message in definition.messages.values():
            permissions[message.wire_name] = _roles(message.role, message.for_certificates)
            for key, role in message.keys.items():
                permissions[f"{message.wire_name}/key:{key}"] = _roles(role)
    permissions.update({f"http/{name}": _roles(role) for name, role in HTTP.items()})
    permissions.update({name: _roles(role) for name, role in EXTRA.items()})
    return permissions


def _roles(least: str, for_certificates: bool = False) -> tuple[str, ...]:
    """The roles from the mightiest to the least that suffices; none where only root will do."""
    if least not in ROLES:
        return ()
    names = list(ROLES)
    chosen = names[: names.index(least) + 1]
    if least != "read-only" and not for_certificates:
        chosen = [role for role in chosen if role != CERTIFICATE]
    elif CERTIFICATE not in chosen:
        chosen.append(CERTIFICATE)
    return tuple(chosen)


def permission_of(message: Message, arguments: Sequence[object]) -> str:
    """The permission that a call needs; some keys of maps have one of their own."""
    label = message.wire_name.lower()
    if not message.keys:
        return label
    names = [parameter.name for parameter in message.parameters]
    given = str(arguments[names.index("key")])
    for key in message.keys:
        if given == key or (key.endswith("*") and given.startswith(key[:-1])):
            return f"{label}/key:{key.lower()}"
    return label


def allowed(world: World, session: str, permission: str) -> bool:
    """Whether a session has a permission. Root has all; so has a session that is gone, which others find out."""
    record = world.database.find("session", session)
    return record is None or record["is_local_superuser"] or permission in record["rbac_permissions"]


def check(world: World, session: str, permission: str) -> None:
    """Raises RBAC_PERMISSION_DENIED."""
    if allowed(world, session, permission):
        return
    roles = ", ".join(table(world.schema).roles.get(permission, ()))
    text = f"No permission in user session. (Roles with this permission: {roles})"
    raise Failure("RBAC_PERMISSION_DENIED", permission, text)


def check_http(world: World, session: str, action: str) -> None:
    """The check of an HTTP handler, such as put_import_raw_vdi. Raises RBAC_PERMISSION_DENIED."""
    check(world, session, f"http/{action}")
