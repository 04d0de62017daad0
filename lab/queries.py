# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The expressions of get_all_records_where: `field "name__label" = "x" and not (field "type" = "CD")`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lab import generated
from lab.database import Database, Record
from lab.errors import Failure
from lab.values import Type

TOKEN = re.compile(r'\s*(?:(true|false|and|or|not|field|[()=])|"((?:[^"\\]|\\.)*)")', re.S)
Condition = Callable[[Record], bool]


def run(database: Database, cls: str, text: str) -> dict[str, Record]:
    """The objects of a class for which the expression holds. Raises INVALID_VALUE when it is no expression."""
    condition = Parser(database, cls, text).parse()
    return {ref: record for ref, record in database.tables[cls].records.items() if condition(record)}


class Parser:
    """Recursive descent; `not` reaches as far to the right as it can, as in XAPI's grammar."""

    def __init__(self, database: Database, cls: str, text: str) -> None:
        self.cls, self.text = cls, text
        definition = database.schema.classes[cls]
        self.types = {generated.inner_name(cls, name): (name, known.type) for name, known in definition.fields.items()}
        self.tokens = self._split(text)

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens, position = [], 0
        while text[position:].strip():
            match = TOKEN.match(text, position)
            if not match:
                raise Failure("INVALID_VALUE", text, 'Failure("lexing: empty token")')
            word, quoted = match.groups()
            tokens.append(("word", word) if word else ("text", quoted))
            position = match.end()
        return tokens

    def parse(self) -> Condition:
        condition = self._expression()
        if self.tokens:
            raise self._error()
        return condition

    def _error(self) -> Failure:
        return Failure("INVALID_VALUE", self.text, "Xapi_database.Db_filter_parse.MenhirBasics.Error")

    def _next(self, kind: str, word: str | None = None) -> str:
        if not self.tokens or self.tokens[0][0] != kind or (word is not None and self.tokens[0][1] != word):
            raise self._error()
        return self.tokens.pop(0)[1]

    def _peek(self, word: str) -> bool:
        return bool(self.tokens) and self.tokens[0] == ("word", word)

    def _expression(self) -> Condition:
        left = self._term()
        while self._peek("and") or self._peek("or"):
            both = self.tokens.pop(0)[1] == "and"
            left = _joined(left, self._term(), both)
        return left

    def _term(self) -> Condition:
        if self._peek("not"):
            self.tokens.pop(0)
            inner = self._expression()
            return lambda record: not inner(record)
        if self._peek("("):
            self.tokens.pop(0)
            inner = self._expression()
            self._next("word", ")")
            return inner
        for word in ("true", "false"):
            if self._peek(word):
                self.tokens.pop(0)
                return _always if word == "true" else _never
        left = self._value()
        self._next("word", "=")
        right = self._value()
        return lambda record: left(record) == right(record)

    def _value(self) -> Callable[[Record], str]:
        if self._peek("field"):
            self.tokens.pop(0)
            name = self._next("text")
            if name == "_ref":
                return lambda record: record.ref
            if name not in self.types:
                raise Failure("INTERNAL_ERROR", "missing field", name, "")
            field, kind = self.types[name]
            return lambda record: stored(kind, record[field])
        text = self._next("text")
        return lambda record: text


def _always(record: Record) -> bool:
    return True


def _never(record: Record) -> bool:
    return False


def _joined(left: Condition, right: Condition, both: bool) -> Condition:
    if both:
        return lambda record: left(record) and right(record)
    return lambda record: left(record) or right(record)


def stored(kind: Type, value: Any) -> str:
    """A value as XAPI's database writes it, which is what queries compare."""
    if kind.kind == "bool":
        return "true" if value else "false"
    if kind.kind == "set":
        return "(" + " ".join(f"'{item}'" for item in value) + ")"
    if kind.kind == "map":
        return "(" + " ".join(f"('{key}' '{item}')" for key, item in value.items()) + ")"
    return str(value)
