# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roles, permissions, and what people with each role may do."""

from __future__ import annotations

import pytest

from .conftest import Client, connect

ROLES = ("pool-admin", "pool-operator", "vm-power-admin", "vm-admin", "vm-operator", "read-only")
UNKNOWN = "OpaqueRef:00000000-0000-0000-0000-00000000dead"


def person(client: Client, name: str) -> Client:
    return connect(client.url, client.context, user=name)


def denied(details: list[str], permission: str) -> bool:
    return details[0] == "RBAC_PERMISSION_DENIED" and details[1] == permission


@pytest.mark.parametrize(
    ("permission", "least"),
    [
        ("vm.start", "vm-operator"), ("vm.create", "vm-admin"), ("vm.snapshot", "vm-power-admin"),
        ("sr.create", "pool-operator"), ("host.enable_external_auth", "pool-admin"), ("vm.get_record", "read-only"),
        ("vm.add_to_other_config", "vm-admin"), ("vm.add_to_other_config/key:folder", "vm-operator"),
        ("vm.add_to_other_config/key:pci", "pool-admin"), ("secret.get_value", "pool-operator"),
        ("http/put_import_raw_vdi", "vm-admin"), ("http/get_vm_rrd", "read-only"),
        ("task.destroy/any", "pool-operator"),
    ],
)  # fmt: skip
def test_permission_belongs_to_all_roles_from_the_least_up(client: Client, permission: str, least: str) -> None:
    found = client.xapi.role.get_by_permission_name_label(permission)
    labels = {client.xapi.role.get_name_label(role) for role in found} - {"client-cert"}
    assert labels == set(ROLES[: ROLES.index(least) + 1])


def test_calls_that_need_root_are_no_permission(client: Client) -> None:
    assert client.xapi.role.get_by_name_label("session.change_password") == []


def test_roles_and_permissions_are_of_one_class(client: Client) -> None:
    [role] = client.xapi.role.get_by_name_label("vm-operator")
    [permission] = client.xapi.role.get_by_name_label("vm.start")
    assert permission in client.xapi.role.get_permissions(role)
    assert permission in client.xapi.role.get_subroles(role)
    assert client.xapi.role.get_permissions(permission) == [permission]
    assert role in client.xapi.role.get_by_permission(permission)
    assert {role, permission} <= set(client.xapi.role.get_all())
    assert client.xapi.role.get_is_internal(permission) and not client.xapi.role.get_is_internal(role)
    assert client.xapi.role.get_by_permission(UNKNOWN) == []


def test_pool_admin_has_the_reference_that_the_data_model_names(client: Client) -> None:
    [role] = client.xapi.role.get_by_name_label("pool-admin")
    assert role == "OpaqueRef:0165f154-ba3e-034e-6b27-5d271af109ba"


def test_expressions_part_roles_from_permissions(client: Client) -> None:
    roles = client.xapi.role.get_all_records_where("subroles<>[]")
    assert {record["name_label"] for record in roles.values()} - {"client-cert"} == set(ROLES)
    permissions = client.xapi.role.get_all_records_where("subroles=[]")
    assert not roles.keys() & permissions.keys()
    assert len(roles) + len(permissions) == len(client.xapi.role.get_all())


def test_session_of_a_person_shows_who_and_what(client: Client) -> None:
    reader = person(client, "read-only")
    session = client.xapi.session.get_record(reader.session.handle)
    assert session["auth_user_name"] == "read-only"
    assert not session["is_local_superuser"]
    assert "vm.get_record" in session["rbac_permissions"] and "vm.start" not in session["rbac_permissions"]
    subject = client.xapi.subject.get_record(session["subject"])
    assert subject["subject_identifier"] == session["auth_user_sid"]
    assert set(client.xapi.subject.get_permissions_name_label(session["subject"])) == set(session["rbac_permissions"])
    assert session["auth_user_sid"] in client.xapi.session.get_all_subject_identifiers()


def test_synchronous_call_is_refused_with_the_roles_that_may(client: Client) -> None:
    vm = client.vm()
    reader = person(client, "read-only")
    assert reader.xapi.VM.get_power_state(vm) == "Halted"
    assert reader.error(reader.xapi.VM.set_name_label, vm, "x") == [
        "RBAC_PERMISSION_DENIED",
        "vm.set_name_label",
        "No permission in user session."
        " (Roles with this permission: vm-power-admin, vm-admin, pool-admin, pool-operator)",
    ]


def test_asynchronous_call_is_refused_in_its_task(client: Client) -> None:
    reader = person(client, "read-only")
    task = reader.xapi.Async.VM.destroy(client.vm())
    record = reader.wait(lambda: reader.xapi.task.get_record(task), lambda found: found["status"] != "pending")
    assert (record["status"], record["error_info"][:2]) == ("failure", ["RBAC_PERMISSION_DENIED", "vm.destroy"])
    reader.xapi.task.destroy(task)


def test_a_map_has_keys_for_other_roles(client: Client) -> None:
    vm = client.vm()
    operator = person(client, "vm-operator")
    operator.xapi.VM.add_to_other_config(vm, "folder", "/a")
    operator.xapi.VM.add_to_other_config(vm, "XenCenter.CustomFields.x", "1")
    assert denied(operator.error(operator.xapi.VM.add_to_other_config, vm, "other", "1"), "vm.add_to_other_config")
    admin = person(client, "vm-admin")
    admin.xapi.VM.add_to_other_config(vm, "other", "1")
    details = admin.error(admin.xapi.VM.add_to_other_config, vm, "pci", "0/0000:00:1d.0")
    assert denied(details, "vm.add_to_other_config/key:pci")


def test_own_tasks_are_ones_own_only(client: Client) -> None:
    task = client.xapi.task.create("of root", "")
    reader = person(client, "read-only")
    for call in (
        lambda: reader.xapi.task.destroy(task),
        lambda: reader.xapi.task.cancel(task),
        lambda: reader.xapi.task.set_progress(task, 0.5),
    ):
        assert denied(reader.error(call), "task.destroy/any")
    own = reader.xapi.task.create("own", "")
    reader.xapi.task.set_progress(own, 0.5)
    person(client, "pool-operator").xapi.task.cancel(own)
    assert client.xapi.task.get_progress(own) == 0.5
    client.xapi.task.destroy(task)


def test_only_root_changes_passwords(client: Client) -> None:
    admin = person(client, "pool-admin")
    assert denied(admin.error(admin.xapi.session.change_password, "a", "b"), "session.change_password")


def test_roles_of_a_subject_count_at_the_next_login(client: Client) -> None:
    [mightiest] = client.xapi.role.get_by_name_label("vm-admin")
    subject = client.xapi.session.get_subject(person(client, "vm-operator").session.handle)
    client.xapi.subject.add_to_roles(subject, mightiest)
    assert client.error(client.xapi.subject.add_to_roles, subject, mightiest) == ["ROLE_ALREADY_EXISTS"]
    vm = person(client, "vm-operator").vm()
    client.xapi.subject.remove_from_roles(subject, mightiest)
    assert client.error(client.xapi.subject.remove_from_roles, subject, mightiest) == ["ROLE_NOT_FOUND"]
    operator = person(client, "vm-operator")
    assert denied(operator.error(operator.xapi.VM.destroy, vm), "vm.destroy")


def test_logging_a_person_out_spares_the_caller(client: Client) -> None:
    operator, other = person(client, "pool-operator"), person(client, "pool-operator")
    identifier = client.xapi.session.get_auth_user_sid(operator.session.handle)
    operator.xapi.session.logout_subject_identifier(identifier)
    assert operator.xapi.session.get_auth_user_name(operator.session.handle) == "pool-operator"
    details = client.error(client.xapi.session.get_uuid, other.session.handle)
    assert details == ["HANDLE_INVALID", "session", other.session.handle]


def test_no_directory_is_joined(client: Client) -> None:
    subject = {"subject_identifier": "u1", "other_config": {}}
    assert client.error(client.xapi.subject.create, subject) == ["AUTH_IS_DISABLED"]
    assert client.error(client.xapi.auth.get_subject_identifier, "x") == ["AUTH_IS_DISABLED"]
    enable = client.xapi.pool.enable_external_auth
    assert client.error(enable, client.pool, {}, "x", "bogus") == ["AUTH_UNKNOWN_TYPE", "bogus"]
