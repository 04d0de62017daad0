# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The database's promises: both ends of relations agree, events miss nothing, what is stored comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import persistence, schema
from lab.database import Database
from lab.errors import Failure
from lab.events import Subscription, Token, collect
from lab.hypervisor.simulated import SimulatedHypervisor
from lab.storage.memory import MemoryDisks
from lab.values import NULL
from lab.world import World

SCHEMA = schema.load()
#: class and its fields that refer to one object of another class
LINKS = {"VBD": ("VM", "VDI"), "VIF": ("VM", "network"), "VDI": ("SR",), "VM": ("resident_on",)}
TARGETS = {"VM": "VM", "VDI": "VDI", "network": "network", "SR": "SR", "resident_on": "host"}

steps = st.lists(
    st.tuples(
        st.sampled_from(["create", "link", "unlink", "delete"]),
        st.sampled_from(["VM", "VDI", "VBD", "VIF", "SR", "network", "host"]),
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    max_size=60,
)


def take_step(database: Database, action: str, cls: str, which: int, target: int) -> None:
    refs = list(database.tables[cls].records)
    if action == "create":
        database.create(cls, {})
    elif not refs:
        return
    elif action == "delete":
        database.delete(cls, refs[which % len(refs)])
    else:
        for name in LINKS.get(cls, ()):
            others = list(database.tables[TARGETS[name]].records)
            wanted = others[target % len(others)] if others and action == "link" else NULL
            database.set(cls, refs[which % len(refs)], **{name: wanted})


def assert_relations_agree(database: Database) -> None:
    """What one end says of existing objects, the other end says, too."""
    for (cls, name), (other_cls, other_name) in database.schema.relations.items():
        for record in database.all(cls):
            ends = record[name] if isinstance(record[name], list) else [record[name]]
            for ref in ends:
                other = database.find(other_cls, ref)
                if other is None:
                    continue
                back = other[other_name]
                assert record.ref in back if isinstance(back, list) else record.ref == back, (cls, name, ref)


def assert_sets_do_not_dangle(database: Database) -> None:
    for (cls, name), (other_cls, _other_name) in database.schema.relations.items():
        for record in database.all(cls):
            if isinstance(record[name], list):
                assert all(database.exists(other_cls, ref) for ref in record[name]), (cls, name)


@settings(deadline=None)
@given(steps)
def test_both_ends_of_relations_agree_after_every_step(found: list[tuple[str, str, int, int]]) -> None:
    database = Database(SCHEMA)
    for step in found:
        take_step(database, *step)
        assert_relations_agree(database)
        assert_sets_do_not_dangle(database)


@settings(deadline=None)
@given(steps, st.integers(0, 60))
def test_events_since_any_moment_make_up_the_difference(found: list[tuple[str, str, int, int]], cut: int) -> None:
    database = Database(SCHEMA)
    world = World(SCHEMA, database, MemoryDisks(), SimulatedHypervisor())
    for step in found[:cut]:
        take_step(database, *step)
    token = database.generation
    known = {ref: record.fields.copy() for table in database.tables.values() for ref, record in table.records.items()}
    for step in found[cut:]:
        take_step(database, *step)
    for event in collect(world, [Subscription("*")], Token(token)).events:
        if event.operation == "del":
            del known[event.ref]
        else:
            assert event.record and (event.operation == "mod") == (event.ref in known)
            known[event.ref] = event.record.fields
    now = {ref: record.fields for table in database.tables.values() for ref, record in table.records.items()}
    assert known == now


@settings(deadline=None)
@given(steps)
def test_stored_database_comes_back(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[str, str, int, int]]
) -> None:
    database, path = Database(SCHEMA), tmp_path_factory.mktemp("database") / "database.json"
    for step in found:
        take_step(database, *step)
    persistence.save(database, path)
    stored = persistence.load(path)
    assert stored is not None
    copy = Database(SCHEMA)
    copy.load(stored)
    assert copy.dump()["tables"] == database.dump()["tables"]
    for record in database.all("VM"):
        assert copy.by_uuid("VM", record["uuid"]) == record.ref


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "database.json"
    path.write_text("[]")
    with pytest.raises(ValueError, match="is no database of a lab"):
        persistence.load(path)


def test_setting_the_same_value_is_no_change() -> None:
    database = Database(SCHEMA)
    vm = database.create("VM", {"name_label": "x"})
    generation = database.generation
    database.set("VM", vm, name_label="x")
    assert database.generation == generation


def test_kept_values_are_not_the_callers() -> None:
    database = Database(SCHEMA)
    config = {"key": "value"}
    vm = database.create("VM", {"other_config": config})
    config["key"] = "changed"
    assert database.get("VM", vm)["other_config"] == {"key": "value"}


def test_unknown_reference() -> None:
    with pytest.raises(Failure) as failure:
        Database(SCHEMA).get("VM", "x")
    assert failure.value.description == ["HANDLE_INVALID", "VM", "x"]
