# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages, blobs and secrets."""

from __future__ import annotations

import pytest

from .conftest import Client, connect

UNKNOWN = "00000000-0000-0000-0000-00000000dead"
UNKNOWN_REF = f"OpaqueRef:{UNKNOWN}"
EPOCH = "19700101T00:00:00Z"


# ---- messages


@pytest.mark.parametrize("cls", ["VM", "Host", "SR", "Pool", "VDI"])
def test_message_belongs_to_an_object(client: Client, cls: str) -> None:
    objects = {
        "VM": lambda: client.xapi.VM.get_uuid(client.vm()),
        "Host": lambda: client.xapi.host.get_uuid(client.host),
        "SR": lambda: client.xapi.SR.get_uuid(client.sr),
        "Pool": lambda: client.xapi.pool.get_uuid(client.pool),
        "VDI": lambda: client.xapi.VDI.get_uuid(client.disk()),
    }
    uuid = objects[cls]()
    message = client.xapi.message.create("NAME", "3", cls, uuid, "body")
    record = client.xapi.message.get_record(message)
    assert (record["name"], record["priority"], record["cls"], record["obj_uuid"], record["body"]) == (
        "NAME", "3", cls, uuid, "body",
    )  # fmt: skip
    assert message in client.xapi.message.get(cls, uuid, EPOCH)
    assert client.xapi.message.get_by_uuid(record["uuid"]) == message
    assert message in client.xapi.message.get_all()
    assert message in client.xapi.message.get_all_records_where("no expression at all")
    client.xapi.message.destroy(message)
    assert client.error(client.xapi.message.get_record, message) == ["HANDLE_INVALID", "message", message]


@pytest.mark.parametrize("cls", ["VM", "Host", "SR", "Pool", "VDI", "VMPP", "VMSS", "PVS_proxy", "Certificate"])
def test_message_for_nothing_is_refused(client: Client, cls: str) -> None:
    assert client.error(client.xapi.message.create, "NAME", "1", cls, UNKNOWN, "") == ["UUID_INVALID", cls, UNKNOWN]
    assert client.error(client.xapi.message.get, cls, UNKNOWN, EPOCH) == ["UUID_INVALID"]


def test_messages_since_a_moment(client: Client) -> None:
    uuid = client.xapi.pool.get_uuid(client.pool)
    message = client.xapi.message.create("NAME", "1", "Pool", uuid, "")
    made = client.xapi.message.get_record(message)["timestamp"]
    # one call knows parts of the second, the other does not
    assert message in client.xapi.message.get_since(made)
    assert message not in client.xapi.message.get("Pool", uuid, made)
    client.xapi.message.destroy(message)


def test_a_moment_that_is_none(client: Client) -> None:
    error = client.error(client.xapi.message.get_since, "soon")
    assert error == ["INTERNAL_ERROR", "Invalid argument: Clock__Date.of_iso8601: soon"]


def test_several_messages_go_up_to_the_first_that_is_missing(client: Client) -> None:
    uuid = client.xapi.pool.get_uuid(client.pool)
    one, two = (client.xapi.message.create("NAME", "1", "Pool", uuid, "") for _number in range(2))
    assert client.error(client.xapi.message.destroy_many, [one, UNKNOWN_REF, two]) == [
        "HANDLE_INVALID", "message", UNKNOWN_REF,
    ]  # fmt: skip
    left = client.xapi.message.get_all()
    assert one not in left and two in left
    client.xapi.message.destroy_many([two])


# ---- blobs


def test_blob_is_empty_and_was_never_updated(client: Client) -> None:
    blob = client.xapi.blob.create("", True)
    record = client.xapi.blob.get_record(blob)
    assert (record["mime_type"], record["size"], record["public"]) == ("application/octet-stream", "0", True)
    assert str(record["last_updated"]) == "19700101T00:00:00Z"
    client.xapi.blob.destroy(blob)
    assert client.error(client.xapi.blob.get_size, blob) == ["HANDLE_INVALID", "blob", blob]


def test_blobs_of_objects_have_names(client: Client) -> None:
    vm = client.vm()
    blob = client.xapi.VM.create_new_blob(vm, "name", "text/plain", False)
    assert client.xapi.VM.get_blobs(vm) == {"name": blob}
    assert client.error(client.xapi.VM.create_new_blob, vm, "name", "", False) == [
        "MAP_DUPLICATE_KEY", "VM", "blobs", vm, "name",
    ]  # fmt: skip
    client.xapi.blob.destroy(blob)
    assert client.xapi.VM.get_blobs(vm) == {}


def test_only_vms_forget_a_blob_that_is_gone(client: Client) -> None:
    blob = client.xapi.SR.create_new_blob(client.sr, "name", "text/plain")
    client.xapi.blob.destroy(blob)
    assert client.xapi.SR.get_blobs(client.sr)["name"] == blob


# ---- secrets


def test_secrets_are_for_operators(client: Client) -> None:
    secret = client.xapi.secret.create({"value": "hush", "other_config": {}})
    operator, admin = (connect(client.url, client.context, user=user) for user in ("pool-operator", "vm-power-admin"))
    assert operator.xapi.secret.get_value(secret) == "hush"
    for call in (admin.xapi.secret.get_value, admin.xapi.secret.get_record):
        assert admin.error(call, secret)[0] == "RBAC_PERMISSION_DENIED"
    client.xapi.secret.set_value(secret, "louder")
    assert client.xapi.secret.get_record(secret)["value"] == "louder"
    client.xapi.secret.destroy(secret)


def test_secret_has_a_value(client: Client) -> None:
    assert client.error(client.xapi.secret.create, {"other_config": {}}) == [
        "INTERNAL_ERROR", 'Server_helpers.Dispatcher_FieldNotFound("value")',
    ]  # fmt: skip


def test_secret_with_a_uuid_of_ones_own(client: Client) -> None:
    uuid = "c0ffee00-0000-0000-0000-000000000001"
    secret = client.xapi.secret.introduce(uuid, "x", {})
    assert client.xapi.secret.get_by_uuid(uuid) == secret
    assert client.error(client.xapi.secret.introduce, uuid, "y", {}) == [
        "INTERNAL_ERROR", f'Db_exn.Uniqueness_constraint_violation("secret", "uuid", "{uuid}")',
    ]  # fmt: skip
    client.xapi.secret.destroy(secret)
