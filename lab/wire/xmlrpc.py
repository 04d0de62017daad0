# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""XML-RPC as XAPI speaks it: 64-bit integers without a type, strings without a tag."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from lab.database import Record
from lab.values import Time, Type, format_time
from lab.wire import Malformed

CONTENT_TYPE = "text/xml"
HEAD = b'<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>'
TAIL = b"</member></struct></value></param></params></methodResponse>"
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def parse_call(body: bytes) -> tuple[str, list[Any]]:
    """Method name and parameters. Raises Malformed."""
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Malformed(str(error)) from None
    name = root.findtext("methodName")
    if root.tag != "methodCall" or not name:
        raise Malformed("this is no methodCall")
    return name, [_value(value) for value in root.iterfind("params/param/value")]


def parse_value(body: bytes) -> Any:
    """What a <value> element that stands alone holds. Raises Malformed."""
    try:
        return _value(ElementTree.fromstring(body))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Malformed(str(error)) from None


def _value(node: ElementTree.Element) -> Any:
    if not len(node):
        return node.text or ""
    child = node[0]
    text = child.text or ""
    try:
        return _typed(child, text)
    except ValueError as error:
        raise Malformed(str(error)) from None


def _typed(child: ElementTree.Element, text: str) -> Any:
    if child.tag == "string":
        return text
    if child.tag in ("int", "i4", "i8"):
        return int(text)
    if child.tag == "boolean":
        if text not in ("true", "false"):
            int(text)
        return text in ("1", "true")
    if child.tag == "double":
        return float(text)
    if child.tag == "dateTime.iso8601":
        return Time(text)
    if child.tag == "base64":
        return text
    if child.tag == "nil":
        return None
    if child.tag == "array":
        return [_value(value) for value in child.iterfind("data/value")]
    if child.tag == "struct":
        return {_member_name(member): _member_value(member) for member in child.iterfind("member")}
    raise Malformed(f"a value cannot be a {child.tag}")


def _member_name(member: ElementTree.Element) -> str:
    name = member.findtext("name")
    if name is None:
        raise Malformed("a member without a name")
    return name


def _member_value(member: ElementTree.Element) -> Any:
    value = member.find("value")
    if value is None:
        raise Malformed("a member without a value")
    return _value(value)


def escape(text: str) -> str:
    """Text as it may stand between tags."""
    return text.translate(ESCAPES)


def dump_value(kind: Type, value: Any) -> str:
    """A kept value of that type as a <value> element."""
    if kind.kind in ("string", "ref", "enum"):
        return f"<value>{escape(value)}</value>"
    if kind.kind == "int":
        return f"<value>{value}</value>"
    if kind.kind == "int32":
        return f"<value><i4>{value}</i4></value>"
    if kind.kind == "bool":
        return f"<value><boolean>{int(value)}</boolean></value>"
    if kind.kind == "float":
        return f"<value><double>{value:.16g}</double></value>"
    if kind.kind == "datetime":
        return f"<value><dateTime.iso8601>{format_time(value)}</dateTime.iso8601></value>"
    if kind.kind == "set":
        assert kind.item
        items = "".join([dump_value(kind.item, item) for item in value])
        return f"<value><array><data>{items}</data></array></value>"
    if kind.kind == "map":
        item_type = kind.item
        assert item_type
        return dump_struct({key: dump_value(item_type, item) for key, item in value.items()})
    if kind.kind == "record":
        return dump_record(kind, value)
    if kind.kind == "any":
        return dump_value(value.type, value.value)
    return "<value></value>"


def dump_record(kind: Type, value: Any) -> str:
    """An object (kept with it until it changes), or a dict that has some of the record's fields."""
    if not isinstance(value, Record):
        return dump_struct({name: dump_value(kind.fields[name], item) for name, item in value.items()})
    text = value.dumped.get(CONTENT_TYPE)
    if text is None:
        fields = value.fields
        text = dump_struct({name: dump_value(member, fields[name]) for name, member in kind.fields.items()})
        value.dumped[CONTENT_TYPE] = text
    return text


def dump_struct(members: dict[str, str]) -> str:
    """A struct of members that are <value> elements already."""
    inner = "".join([f"<member><name>{escape(name)}</name>{value}</member>" for name, value in members.items()])
    return f"<value><struct>{inner}</struct></value>"


def success(value: str) -> bytes:
    """The answer to a call that went well; value is a <value> element."""
    return HEAD + b"Success</value></member><member><name>Value</name>" + value.encode("utf-8", "replace") + TAIL


def failure(description: list[str]) -> bytes:
    """The answer to a call that failed."""
    items = "".join(f"<value>{escape(item)}</value>" for item in description)
    value = f"<value><array><data>{items}</data></array></value>".encode("utf-8", "replace")
    return HEAD + b"Failure</value></member><member><name>ErrorDescription</name>" + value + TAIL
