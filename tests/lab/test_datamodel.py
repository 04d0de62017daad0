# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's data model against XAPI's own, and what a client gets over the wire against the lab's data model.

XAPI's data model is an optional file, named by SKINNYBOX_XAPI_DATAMODEL or lying in a sibling of the checkout;
without it the comparison is skipped. Every difference is listed; each needs a reason in REASONS.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import schema
from lab.schema import Class, Message
from lab.values import Type
from tests.support.lab import ROOT

from .conftest import Client

DEFAULT = ROOT.parent / "shared" / "facts" / "xapi-datamodel.json"
FILE = Path(os.environ.get("SKINNYBOX_XAPI_DATAMODEL", "") or DEFAULT)
#: from the least to the most powerful
ROLES = ("read-only", "vm-operator", "vm-admin", "vm-power-admin", "pool-operator", "pool-admin")
#: pattern of a difference -> why it is there
REASONS: dict[str, str] = {}


def least_role(roles: list[str]) -> str:
    """A call of no role is for root alone."""
    return next((role for role in ROLES if role in roles), "local-root")


def parameters_of(message: dict[str, Any]) -> list[list[Any]]:
    """The parameters as the lab's schema file writes them: a default where one may be left out."""
    return [
        [found["name"], found["type"], *([] if found["required"] else [found["default"]])]
        for found in message["params"]
    ]  # fmt: skip


def message_differences(name: str, real: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    pairs = {
        "kind": (real["kind"], ours["kind"]),
        "parameters": (parameters_of(real), ours["params"]),
        "result": (real["result"], ours["result"]),
        "async": (real["async"], ours.get("async", False)),
        "session": (real["session"], ours.get("session", True)),
        "internal": (real["pool_internal"], ours.get("internal", False)),
        "role": (least_role(real["roles"]), ours["role"]),
    }
    for aspect, (expected, found) in pairs.items():
        if expected != found:
            yield f"{aspect} of {name}: {expected}, the lab has {found}"


def field_differences(name: str, real: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    for aspect in ("type", "qualifier", "default"):
        if real.get(aspect) != ours.get(aspect):
            yield f"{aspect} of {name}: {real.get(aspect)}, the lab has {ours.get(aspect)}"


def member_differences(
    cls: str, kind: str, real: dict[str, Any], ours: dict[str, Any], compare: Callable[..., Iterator[str]]
) -> Iterator[str]:
    """What is missing, too much or different among the fields or messages of a class."""
    for name in sorted(real.keys() | ours.keys()):
        if name not in ours:
            yield f"{kind} {cls}.{name} is missing"
        elif name not in real:
            yield f"{kind} {cls}.{name} is not XAPI's"
        else:
            yield from compare(f"{cls}.{name}", real[name], ours[name])


def class_differences(cls: str, real: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    if real["constructor_required"] != ours["required"]:
        yield f"required members of {cls}: {real['constructor_required']}, the lab has {ours['required']}"
    members = {*real["constructor_required"], *real["constructor_optional"]}
    if members != set(ours["constructor"]):
        yield f"constructor members of {cls}: {sorted(members ^ set(ours['constructor']))}"
    yield from member_differences(cls, "field", real["fields"], ours["fields"], field_differences)
    yield from member_differences(cls, "message", real["messages"], ours["messages"], message_differences)


def differences(real: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    """All that differs between two data models; classes that only the lab has are no difference."""
    for cls, definition in real["classes"].items():
        if cls in ours["classes"]:
            yield from class_differences(cls, definition, ours["classes"][cls])
        else:
            yield f"class {cls} is missing"
    for name, words in real["enums"].items():
        if ours["enums"].get(name) != words:
            yield f"enum {name}: {words}, the lab has {ours['enums'].get(name)}"
    for relation in real["relations"]:
        if relation not in ours["relations"]:
            yield f"relation {relation} is missing"


@pytest.mark.skipif(not FILE.exists(), reason="no data model of a real XAPI is there")
def test_schema_is_that_of_xapi(record_property: Callable[[str, object], None]) -> None:
    real = json.loads(FILE.read_text(encoding="utf-8"))
    ours = json.loads((ROOT / "lab" / "schema.json").read_text(encoding="utf-8"))
    found = list(differences(real, ours))
    record_property("differences", found)
    print(f"{len(found)} differences", *found, sep="\n")
    unexplained = [text for text in found if not any(re.fullmatch(pattern, text) for pattern in REASONS)]
    assert not unexplained, "\n".join(unexplained)


# ---- over the wire

SCHEMA = schema.load()
ALL_MESSAGES = [message for definition in SCHEMA.classes.values() for message in definition.messages.values()]


def call(client: Client, message: Message, *arguments: Any) -> Any:
    proxy = functools.reduce(getattr, message.wire_name.split("."), client.xapi)
    return proxy(*arguments)


@pytest.mark.parametrize("cls", SCHEMA.classes)
def test_every_call_exists_and_counts_its_parameters(client: Client, cls: str) -> None:
    """One parameter too few is told with the numbers that were expected and given."""
    for message in SCHEMA.classes[cls].messages.values():
        required = sum(parameter.required for parameter in message.parameters)
        if not required or not message.needs_session:
            continue
        error = client.error(call, client, message, *["x"] * (required - 1))
        expected = ["MESSAGE_PARAMETER_COUNT_MISMATCH", message.wire_name, str(required), str(required - 1)]
        assert error == expected


@pytest.mark.parametrize(
    "name",
    [
        "VBD_metrics.get_record", "VIF_metrics.get_io_read_kbs", "VBD.get_metrics", "host_metrics.get_memory_free",
        "VM.get_is_snapshot_from_vmpp", "VM_guest_metrics.get_memory", "pool.enable_ssl_legacy",
    ],
)  # fmt: skip
def test_calls_and_getters_of_fields_that_were_removed(client: Client, name: str) -> None:
    """Whatever the parameter; a removed field is still in the records."""
    cls, method = name.split(".")
    assert client.error(getattr(getattr(client.xapi, cls), method), "x") == ["MESSAGE_REMOVED"]


@pytest.mark.parametrize("cls", SCHEMA.classes)
def test_every_call_without_parameters_exists(client: Client, cls: str) -> None:
    for message in SCHEMA.classes[cls].messages.values():
        if message.parameters or not message.needs_session or message.name in ("logout", "local_logout"):
            continue
        if message.removed:
            assert client.error(call, client, message) == ["MESSAGE_REMOVED"]
            continue
        if message.kind == "object-get_all":
            assert isinstance(call(client, message), list)
        if message.kind == "object-get_all_records":
            assert isinstance(call(client, message), dict)


def fits(kind: Type, value: Any) -> bool:
    """Whether what a client received can be a value of that type."""
    if kind.kind == "int":
        return isinstance(value, str) and re.fullmatch(r"-?\d+", value) is not None
    if kind.kind == "datetime":
        return re.fullmatch(r"\d{8}T\d\d:\d\d:\d\dZ", str(value)) is not None
    if kind.kind == "enum":
        return value in kind.words.values()
    if kind.kind == "ref":
        return isinstance(value, str) and (value == "" or value.startswith("OpaqueRef:"))
    if kind.kind == "set":
        return isinstance(value, list) and all(fits(kind.item or kind, item) for item in value)
    if kind.kind == "map":
        return isinstance(value, dict) and all(fits(kind.item or kind, item) for item in value.values())
    if kind.kind == "record":
        return isinstance(value, dict)
    return isinstance(value, {"string": str, "bool": bool, "float": float}[kind.kind])


def objects(client: Client) -> dict[str, str]:
    """One object of each class that a client can find or make: its reference."""
    vm = client.vm(name_label="every field")
    client.attach(vm, client.disk())
    client.nic(vm)
    client.start(vm)
    client.xapi.VM_appliance.create({"name_label": "", "name_description": ""})
    client.xapi.VM_group.create({"name_label": "", "name_description": "", "placement": "normal"})
    client.xapi.blob.create("text/plain", True)
    client.xapi.task.create("label", "")
    found = {"VM": vm}
    for name, definition in SCHEMA.classes.items():
        if name in found or "get_all" not in definition.messages or definition.messages["get_all"].removed:
            continue
        refs = getattr(client.xapi, name).get_all()
        if refs:
            found[name] = refs[0]
    return {**found, "session": client.session.handle}


def test_records_have_every_field_with_its_type_and_getters_agree(client: Client) -> None:
    found = objects(client)
    expected = {"pool", "host", "host_metrics", "host_cpu", "VM", "VM_metrics", "VBD", "VIF"}
    expected |= {"VDI", "SR", "PBD", "SM", "network", "PIF", "PIF_metrics", "console", "blob", "task"}
    assert expected <= set(found)
    for cls, ref in found.items():
        definition = SCHEMA.classes[cls]
        if "get_record" not in definition.messages or definition.messages["get_record"].removed:
            continue
        record = getattr(client.xapi, cls).get_record(ref)
        assert list(record) == list(definition.fields), cls
        for name, field in definition.fields.items():
            assert fits(field.type, record[name]), (cls, name, record[name])
        assert getters_that_differ(client, definition, ref, record) == []


def getters_that_differ(client: Client, definition: Class, ref: str, record: dict[str, Any]) -> list[str]:
    different = []
    for message in definition.messages.values():
        name = message.name.removeprefix("get_")
        if message.kind == "field-getter" and name in record and not message.removed:
            answer = call(client, message, ref)
            if answer != record[name]:
                different.append(f"{message.wire_name} {answer!r} {record[name]!r}")
    return different


def test_every_setter_takes_the_value_that_is_there(client: Client) -> None:
    for cls, ref in objects(client).items():
        definition = SCHEMA.classes[cls]
        for message in definition.messages.values():
            if message.kind != "field-setter":
                continue
            name = message.name.removeprefix("set_")
            value = getattr(getattr(client.xapi, cls), f"get_{name}")(ref)
            call(client, message, ref, value)
            assert getattr(getattr(client.xapi, cls), f"get_{name}")(ref) == value, message.wire_name
