# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of accounts as tables: passwd, group and their shadows."""

from __future__ import annotations

from dataclasses import dataclass, field

from .records import lines

#: Fields of a line, its name among them, and which of them are numbers that it must have.
SHAPES = {"passwd": (7, (2, 3)), "group": (4, (2,)), "shadow": (9, ()), "gshadow": (4, ())}

Fields = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A file of accounts. ``others`` are lines that are no account: comments, NIS's, bad ones."""

    records: dict[str, Fields] = field(default_factory=dict)  # the fields after the name, by name
    others: tuple[str, ...] = ()

    def text(self) -> str:
        """The file; what is no account comes last, as NIS's lines must."""
        return "".join(
            [":".join((name, *fields)) + "\n" for name, fields in self.records.items()]
            + [line + "\n" for line in self.others]
        )


def parse(kind: str, text: str | None) -> Table:
    """The table in a file's text. Of two lines with the same name the first counts, as when one is looked up."""
    records: dict[str, Fields] = {}
    others: list[str] = []
    for line in lines(text or ""):
        fields = tuple(line.split(":"))
        if _is_account(kind, fields) and fields[0] not in records:
            records[fields[0]] = fields[1:]
        else:
            others.append(line)
    return Table(records, tuple(others))


def _is_account(kind: str, fields: Fields) -> bool:
    length, numbers = SHAPES[kind]
    if len(fields) != length or not fields[0] or fields[0][0] in "+-#":
        return False
    return all(fields[place].isascii() and fields[place].isdigit() for place in numbers)


def bad_lines(table: Table) -> list[str]:
    """Lines that nobody understands."""
    return [line for line in table.others if line.strip() and line[0] not in "+-#"]
