# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""XML-RPC as XAPI speaks it: 64-bit integers without a type, strings without a tag."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from lab.database import Record
from lab.values import Base64, Time, Type, Typed, copied, format_time, parse_integer
from lab.wire import Malformed

CONTENT_TYPE = "text/xml"
HEAD = '<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>'
TAIL = "</member></struct></value></param></params></methodResponse>"
#: What the parser says of something after the end of a document.
AFTER_DOCUMENT = expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]
EMPTY_VALUES: dict[str, Any] = {"string": "", "value": "", "array": [], "struct": {}, "nil": None}
#: Values of a field whose text is kept.
KNOWN = 32
SPECIAL = re.compile('[&<>"]')
STRUCT, STRUCT_END = "<value><struct>", "</struct></value>"
ARRAY, ARRAY_END = "<value><array><data>", "</data></array></value>"
EMPTY, EMPTY_STRUCT = ARRAY + ARRAY_END, STRUCT + STRUCT_END
TRUE, FALSE = "<value><boolean>1</boolean></value>", "<value><boolean>0</boolean></value>"
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def parse_call(body: bytes) -> tuple[str, list[Any]]:
    """Method name and parameters; as strict about the elements as XAPI's own parser. Raises Malformed."""
    return _call(_parse(body))


def parse_value(body: bytes) -> Any:
    """What a <value> element that stands alone holds. Raises Malformed."""
    return _value(_parse(body))


def _parse(body: bytes) -> ElementTree.Element:
    """The element that a document is; what follows it is not looked at."""
    builder = ElementTree.TreeBuilder()
    parser = ElementTree.XMLParser(target=builder)
    try:
        parser.feed(body)
        return parser.close()
    except ElementTree.ParseError as error:
        if error.code == AFTER_DOCUMENT:
            return builder.close()
        raise Malformed(str(error)) from None
    except (ValueError, LookupError) as error:
        raise Malformed(str(error)) from None


def _call(root: ElementTree.Element) -> tuple[str, list[Any]]:
    name, parameters = _inside(_expected(root, "methodCall"), "methodName", "params")
    found = [_inside(_expected(parameter, "param"), "value") for parameter in _inside(parameters)]
    return _name(name), [_value(value) for [value] in found]


def _inside(node: ElementTree.Element, *tags: str) -> list[ElementTree.Element]:
    """The elements in an element, which must be these if any are named. Raises Malformed also for text among them."""
    for text in (node.text, *(child.tail for child in node)):
        if not _blank(text):
            raise Malformed(f"text in a {node.tag}")
    if tags and [child.tag for child in node] != [*tags]:
        raise Malformed(f"a {node.tag} without {' and '.join(tags)}")
    return list(node)


def _expected(node: ElementTree.Element, tag: str) -> ElementTree.Element:
    if node.tag != tag:
        raise Malformed(f"a {node.tag} where a {tag} should be")
    return node


def _blank(text: str | None) -> bool:
    return not text or not text.strip(" \t\n")


def _name(node: ElementTree.Element) -> str:
    """Of a method or a member; XAPI cannot read an empty one."""
    if len(node) or not node.text:
        raise Malformed(f"an empty {node.tag}")
    return node.text


def _value(node: ElementTree.Element) -> Any:
    _expected(node, "value")
    if not len(node):
        return node.text or ""
    child, *more = _inside(node)
    if more:
        raise Malformed("a value has one type")
    if not len(child) and not child.text:
        return _empty(child.tag)
    try:
        return _typed(child, child.text or "")
    except ValueError as error:
        raise Malformed(str(error)) from None


def _empty(tag: str) -> Any:
    """What a type's element without contents stands for. Raises Malformed."""
    if tag not in EMPTY_VALUES:
        raise Malformed(f"an empty {tag}")
    return copied(EMPTY_VALUES[tag])


def _typed(child: ElementTree.Element, text: str) -> Any:
    """Raises Malformed, and ValueError when the text is not of the type."""
    if child.tag == "array":
        [data] = _inside(child, "data")
        return [_value(value) for value in _inside(data)]
    if child.tag == "struct":
        return dict(_member_of(_expected(member, "member")) for member in _inside(child))
    if len(child):
        raise Malformed(f"elements in a {child.tag}")
    if child.tag == "nil" and _blank(text):
        return None
    if child.tag == "string":
        return text
    if child.tag in ("int", "i4", "i8"):
        return parse_integer(text)
    if child.tag == "boolean":
        # whatever else it is, even the word true, is false to XAPI
        return text == "1"
    if child.tag == "double":
        return float(text)
    if child.tag == "dateTime.iso8601":
        return Time(text)
    if child.tag == "base64":
        return Base64(base64.b64decode(text, validate=True).decode(errors="replace"))
    raise Malformed(f"a value cannot be a {child.tag}")


def _member_of(member: ElementTree.Element) -> tuple[str, Any]:
    name, value = _inside(member, "name", "value")
    return _name(name), _value(value)


def escape(text: str) -> str:
    """Text as it may stand between tags."""
    return text.translate(ESCAPES) if SPECIAL.search(text) else text


def dump_value(kind: Type, value: Any) -> str:
    """A kept value of that type as a <value> element."""
    return _writer(kind)(value)


Writer = Callable[[Any], str]
_writers: dict[int, tuple[Type, Writer]] = {}


def _writer(kind: Type) -> Writer:
    """What writes values of a type; made once for each type, for there are very many values."""
    known = _writers.get(id(kind))
    if known is None:
        # the type is kept with it, so that its identity stays its own
        known = _writers[id(kind)] = kind, _make_writer(kind)
    return known[1]


def _make_writer(kind: Type) -> Writer:
    if kind.kind == "set":
        assert kind.item
        item_writer = _writer(kind.item)
        return lambda value: f"{ARRAY}{''.join([item_writer(item) for item in value])}{ARRAY_END}" if value else EMPTY
    if kind.kind == "map":
        assert kind.item
        return partial(_map, _writer(kind.item))
    if kind.kind == "record":
        return partial(_record, kind)
    return SIMPLE.get(kind.kind, _void)


def _text(value: str) -> str:
    return f"<value>{value.translate(ESCAPES) if SPECIAL.search(value) else value}</value>"


def _integer(value: int) -> str:
    return f"<value>{value}</value>"


def _short_integer(value: int) -> str:
    return f"<value><i4>{value}</i4></value>"


def _boolean(value: bool) -> str:
    return TRUE if value else FALSE


def _double(value: float) -> str:
    return f"<value><double>{value:.16g}</double></value>"


def _time(value: float) -> str:
    return f"<value><dateTime.iso8601>{format_time(value)}</dateTime.iso8601></value>"


def _any(value: Typed) -> str:
    return _writer(value.type)(value.value)


def _void(value: object) -> str:
    return "<value></value>"


SIMPLE: dict[str, Writer] = {
    "string": _text, "ref": _text, "enum": _text, "int": _integer, "int32": _short_integer, "bool": _boolean,
    "float": _double, "datetime": _time, "any": _any,
}  # fmt: skip


#: Kinds whose values can be looked up, and are short.
SCALARS = frozenset(SIMPLE) - {"any"}


def _map(item_writer: Writer, value: dict[str, Any]) -> str:
    if not value:
        return EMPTY_STRUCT
    return dump_struct({key: item_writer(item) for key, item in value.items()})


def _record(kind: Type, value: Any) -> str:
    """An object (kept with it until it changes), or a dict that has some of the record's fields."""
    if not isinstance(value, Record):
        return dump_struct({name: dump_value(kind.fields[name], item) for name, item in value.items()})
    text = value.dumped.get(CONTENT_TYPE)
    if text is None:
        fields = value.fields
        members = [_member(fields[name], head, writer, known) for name, head, writer, known in _members(kind)]
        text = value.dumped[CONTENT_TYPE] = f"{STRUCT}{''.join(members)}{STRUCT_END}"
    return text


def _member(value: Any, head: str, writer: Writer, known: dict[Any, str] | None) -> str:
    """A member of a record; fields have mostly the same few values, whose text is kept."""
    if known is None:
        return f"{head}{writer(value)}</member>"
    text = known.get(value)
    if text is None:
        text = f"{head}{writer(value)}</member>"
        if len(known) < KNOWN:
            known[value] = text
    return text


Member = tuple[str, str, Writer, "dict[Any, str] | None"]
_known_members: dict[int, list[Member]] = {}


def _members(kind: Type) -> list[Member]:
    """Of each field of a record: its name, the beginning of its member, what writes it, texts of known values."""
    found = _known_members.get(id(kind))
    if found is None:
        found = [
            (name, f"<member><name>{name}</name>", _writer(member), {} if member.kind in SCALARS else None)
            for name, member in kind.fields.items()
        ]
        _known_members[id(kind)] = found
    return found


def write(kind: Type, value: Any, out: list[str]) -> None:
    """The same <value> element in parts, so that a large answer need not be put together in memory."""
    if kind.kind == "any":
        write(value.type, value.value, out)
    elif kind.kind == "map" and kind.item and kind.item.kind == "record":
        out.append(STRUCT)
        for key, item in value.items():
            out.append(f"<member><name>{escape(key)}</name>")
            write(kind.item, item, out)
            out.append("</member>")
        out.append(STRUCT_END)
    elif kind.kind == "set" and kind.item and kind.item.kind == "record":
        out.append(ARRAY)
        for item in value:
            write(kind.item, item, out)
        out.append(ARRAY_END)
    elif kind.kind == "record" and not isinstance(value, Record):
        _write_members(kind, value, out)
    else:
        out.append(_writer(kind)(value))


def _write_members(kind: Type, value: dict[str, Any], out: list[str]) -> None:
    """A struct of those members of a record that a dict has."""
    out.append(STRUCT)
    for name, head, writer, _known in _members(kind):
        if name not in value:
            continue
        member = kind.fields[name]
        if member.kind in SCALARS:
            out.append(f"{head}{writer(value[name])}</member>")
            continue
        out.append(head)
        write(member, value[name], out)
        out.append("</member>")
    out.append(STRUCT_END)


def dump_struct(members: dict[str, str]) -> str:
    """A struct of members that are <value> elements already. Names are escaped, though XAPI forgets that."""
    inner = "".join([f"<member><name>{escape(name)}</name>{value}</member>" for name, value in members.items()])
    return f"{STRUCT}{inner}{STRUCT_END}"


def success(kind: Type, value: Any) -> list[str]:
    """The answer to a call that went well, in parts."""
    out = [f"{HEAD}Success</value></member><member><name>Value</name>"]
    write(kind, value, out)
    out.append(TAIL)
    return out


def bare(kind: Type, value: Any) -> list[str]:
    """An answer without a status: what is not a call of XAPI's own is answered as in any XML-RPC."""
    out = ['<?xml version="1.0"?><methodResponse><params><param>']
    write(kind, value, out)
    out.append("</param></params></methodResponse>")
    return out


def failure(description: list[str]) -> list[str]:
    """The answer to a call that failed, in parts."""
    items = "".join(_text(item) for item in description)
    return [f"{HEAD}Failure</value></member><member><name>ErrorDescription</name>{ARRAY}{items}{ARRAY_END}{TAIL}"]
