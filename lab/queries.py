# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The expressions of get_all_records_where: `field "name__label" = "x" and not (field "type" = "CD")`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lab.database import Database, Record
from lab.errors import Failure
from lab.inner_names import inner_name
from lab.values import Type, float_text, format_time

TOKEN = re.compile(r'[ \t\n]*(?:(true|false|and|or|not|field|[()=])|"([^"]*)")')
BLANK = re.compile(r"[ \t\n]*")
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
        self.types = {inner_name(cls, name): (name, known.type) for name, known in definition.fields.items()}
        #: where the next token begins, and the one token that was looked at ahead
        self.position = 0
        self.ahead: tuple[str, str] | None = None

    def _token(self) -> tuple[str, str]:
        """The next token, still to be taken; kinds are word, text and end. It is read only when it is asked for."""
        if self.ahead is None:
            match = TOKEN.match(self.text, self.position)
            if match:
                self.position = match.end()
                word, quoted = match.groups()
                self.ahead = ("word", word) if word else ("text", quoted)
            elif BLANK.fullmatch(self.text, self.position):
                self.ahead = ("end", "")
            else:
                raise Failure("INVALID_VALUE", self.text, 'Failure("lexing: empty token")')
        return self.ahead

    def parse(self) -> Condition:
        condition = self._expression()
        self._next("end")
        return condition

    def _error(self) -> Failure:
        return Failure("INVALID_VALUE", self.text, "Xapi_database.Db_filter_parse.MenhirBasics.Error")

    def _next(self, kind: str, word: str | None = None) -> str:
        found = self._token()
        if found[0] != kind or (word is not None and found[1] != word):
            raise self._error()
        self.ahead = None
        return found[1]

    def _peek(self, word: str) -> bool:
        return self._token() == ("word", word)

    def _takes(self, word: str) -> bool:
        """Take the word if it is next."""
        if self._peek(word):
            self.ahead = None
            return True
        return False

    def _expression(self) -> Condition:
        left = self._term()
        while self._peek("and") or self._peek("or"):
            both = self._next("word") == "and"
            left = _joined(left, self._term(), both)
        return left

    def _term(self) -> Condition:
        if self._takes("not"):
            inner = self._expression()
            return lambda record: not inner(record)
        if self._takes("("):
            inner = self._expression()
            self._next("word", ")")
            return inner
        if self._takes("true"):
            return _always
        if self._takes("false"):
            return _never
        left = self._value()
        self._next("word", "=")
        right = self._value()
        return lambda record: left(record) == right(record)

    def _value(self) -> Callable[[Record], str]:
        if self._takes("field"):
            return self._field(self._next("text"))
        text = self._next("text")
        return lambda record: text

    def _field(self, name: str) -> Callable[[Record], str]:
        """A field's value; one that does not exist fails when it is needed, and not before."""
        if name == "_ref":
            return lambda record: record.ref
        known = self.types.get(name)

        def value(record: Record) -> str:
            if known is None:
                raise Failure("INTERNAL_ERROR", "missing field", name, "")
            return stored(known[1], record[known[0]])

        return value


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
    if kind.kind == "datetime":
        return format_time(value)
    if kind.kind == "float":
        return float_text(value)
    if kind.kind == "set":
        return "(" + " ".join(_quoted(kind.item, item) for item in value) + ")"
    if kind.kind == "map":
        return (
            "("
            + " ".join(f"({_quoted(kind.key, key)} {_quoted(kind.item, item)})" for key, item in value.items())
            + ")"
        )
    return str(value)


def _quoted(kind: Type | None, value: Any) -> str:
    """A value within a set or map."""
    text = stored(kind, value) if kind else str(value)
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
