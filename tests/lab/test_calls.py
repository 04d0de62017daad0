# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls in general: sessions, parameters, generated getters and setters, errors."""

from __future__ import annotations

import ssl
import xmlrpc.client
from typing import Any

import pytest
import XenAPI

from tests.support.lab import PASSWORD, start_lab, stop_lab

from .conftest import VM, Client

UNKNOWN = "OpaqueRef:00000000-0000-0000-0000-000000000000"


def test_wrong_password_is_refused(client: Client) -> None:
    login = XenAPI.Session(client.url, transport=_transport(client)).login_with_password
    assert client.error(login, "root", "wrong")[:2] == ["SESSION_AUTHENTICATION_FAILED", "root"]


def _transport(client: Client) -> Any:
    return xmlrpc.client.SafeTransport(context=client.context) if client.context else None


def test_tls_certificate_is_not_trusted_by_default() -> None:
    lab = start_lab("--tls")
    session = XenAPI.Session(lab.url, transport=xmlrpc.client.SafeTransport(context=ssl.create_default_context()))
    with pytest.raises(ssl.SSLCertVerificationError):
        session.login_with_password("root", PASSWORD)
    stop_lab(lab)


def test_session_ends_with_logout(client: Client) -> None:
    ended = client.session.handle
    client.xapi.session.logout()
    proxy = xmlrpc.client.ServerProxy(client.url, transport=_transport(client))
    answer: Any = proxy.VM.get_all(ended)
    assert answer["ErrorDescription"] == ["SESSION_INVALID", ended]


def test_unknown_method(client: Client) -> None:
    assert client.error(client.xapi.VM.no_such) == ["MESSAGE_METHOD_UNKNOWN", "VM.no_such"]


def test_parameter_count(client: Client) -> None:
    error = client.error(client.xapi.VM.start, UNKNOWN)
    assert error == ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.start", "3", "1"]


def test_parameter_type(client: Client) -> None:
    error = client.error(client.xapi.VM.start, UNKNOWN, "no", False)
    assert error == ["INTERNAL_ERROR", "Failure(\"Expected bool, got 'S(no)'\")"]


def test_unknown_reference_and_uuid(client: Client) -> None:
    assert client.error(client.xapi.VM.get_record, UNKNOWN) == ["HANDLE_INVALID", "VM", UNKNOWN]
    assert client.error(client.xapi.SR.get_by_uuid, "x") == ["UUID_INVALID", "SR", "x"]
    assert client.xapi.VM.get_by_name_label("no such name") == []


def test_missing_member_of_a_record(client: Client) -> None:
    record = {key: value for key, value in VM.items() if key != "platform"}
    error = client.error(client.xapi.VM.create, record)
    assert error == ["INTERNAL_ERROR", 'Server_helpers.Dispatcher_FieldNotFound("platform")']


def test_integers_are_text_and_survive_64_bits(client: Client) -> None:
    vm = client.vm(user_version=str(2**40))
    assert client.xapi.VM.get_user_version(vm) == str(2**40)


def test_text_survives_the_wire(client: Client) -> None:
    text = "a<b>&\"c'd]]>\u00fc\u4e2d\nline two\t "
    assert client.xapi.VM.get_name_label(client.vm(name_label=text)) == text


def test_map_key_can_be_added_once(client: Client) -> None:
    vm = client.vm()
    client.xapi.VM.add_to_other_config(vm, "key", "value")
    error = client.error(client.xapi.VM.add_to_other_config, vm, "key", "value")
    assert error == ["MAP_DUPLICATE_KEY", "VM", "other_config", vm, "key"]
    client.xapi.VM.remove_from_other_config(vm, "key")
    client.xapi.VM.remove_from_other_config(vm, "key")
    assert "key" not in client.xapi.VM.get_other_config(vm)


def test_inner_field_name_in_the_error_of_a_split_field(client: Client) -> None:
    vm = client.vm()
    error = client.error(client.xapi.VM.add_to_HVM_boot_params, vm, "order", "c")
    assert error == ["MAP_DUPLICATE_KEY", "VM", "HVM__boot_params", vm, "order"]


def test_query_language(client: Client) -> None:
    vm = client.vm(name_label="to be found")
    query = 'field "name__label" = "to be found" and field "is_a_template" = "false"'
    assert list(client.xapi.VM.get_all_records_where(query)) == [vm]
    assert client.error(client.xapi.VM.get_all_records_where, "nonsense")[:2] == ["INVALID_VALUE", "nonsense"]


def test_setters_of_the_storage_layer_are_refused(client: Client) -> None:
    assert client.error(client.xapi.VDI.set_read_only, client.disk(), True) == ["PERMISSION_DENIED", ""]


def test_records_and_bulk_records_agree(client: Client) -> None:
    vm = client.vm()
    assert client.xapi.VM.get_all_records()[vm] == client.xapi.VM.get_record(vm)
