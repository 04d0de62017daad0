# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The expressions of get_all_records_where."""

from __future__ import annotations

import pytest

from lab import queries, schema
from lab.database import Database
from lab.errors import Failure

SCHEMA = schema.load()
PARSE, LEXING = "Xapi_database.Db_filter_parse.MenhirBasics.Error", 'Failure("lexing: empty token")'


@pytest.fixture
def database() -> Database:
    found = Database(SCHEMA)
    for name in ("a", "b"):
        found.create("VM", {"name_label": name, "tags": ["it's", "x"], "other_config": {"k": name}})
    found.create("task", {"progress": 1.0, "created": 86400.0})
    return found


def found(database: Database, text: str, cls: str = "VM") -> set[str]:
    return {str(record.fields.get("name_label")) for record in queries.run(database, cls, text).values()}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('field "name__label" = "a"', "a"),
        ("true", "ab"),
        ('"x"="x"and field"name__label"="b"', "b"),
        # and, or have one rank and go from the left; not goes to the end
        ("true or false and false", ""),
        ("false and true or true", "ab"),
        ('not field "name__label" = "a" and field "name__label" = "b"', "ab"),
        ('not (field "name__label" = "a")', "b"),
        ("not not true", "ab"),
        ("nottrue", ""),
        # values are compared as the database writes them
        ('field "is_a_template" = "false"', "ab"),
        ("field \"tags\" = \"('it\\'s' 'x')\"", "ab"),
        ("field \"other_config\" = \"(('k' 'b'))\"", "b"),
        ('field "VCPUs__max" = "0"', "ab"),
        # a field is looked up only when its value is needed
        ('false and field "nonsense" = "x"', ""),
        ('"back\\slash" = "back\\slash"', "ab"),
    ],
)
def test_expression(database: Database, text: str, names: str) -> None:
    assert found(database, text) == set(names)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", PARSE), ("true true", PARSE), ("true true nonsense", PARSE), ("true nonsense", LEXING), ("(true", PARSE),
        ('"a', LEXING), ("true\r", LEXING), ("and", PARSE), ('field "nonsense" = "x" and', PARSE),
    ],
)  # fmt: skip
def test_no_expression(database: Database, text: str, reason: str) -> None:
    with pytest.raises(Failure) as failure:
        queries.run(database, "VM", text)
    assert failure.value.description == ["INVALID_VALUE", text, reason]


def test_unknown_field(database: Database) -> None:
    with pytest.raises(Failure) as failure:
        queries.run(database, "VM", 'field "name_label" = "a"')
    assert failure.value.description == ["INTERNAL_ERROR", "missing field", "name_label", ""]
    # nobody asks for it where there is nothing
    assert not queries.run(database, "VDI", 'field "nonsense" = "a"')


@pytest.mark.parametrize("text", ['field "progress" = "1."', 'field "created" = "19700102T00:00:00Z"'])
def test_numbers_and_times_are_written_as_ocaml_does(database: Database, text: str) -> None:
    assert len(queries.run(database, "task", text)) == 1
