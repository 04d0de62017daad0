# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three-way merge of users and groups, account by account and field by field."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Mapping

from .accounts_fields import Records, merge_group, merge_gshadow, merge_passwd, merge_shadow, with_final_owner
from .accounts_numbers import assign, translation
from .accounts_table import Fields, Table
from .decision import Severity
from .numbers import Numbers
from .records import merge_set

#: The tables of one tree, by their kind. A kind that one of the trees cannot tell is missing in all of them.
Tables = Mapping[str, Table]
USERS, GROUPS = ("passwd", "shadow"), ("group", "gshadow")


@dataclass(slots=True)
class Merged:
    """The accounts of the rebased instance."""

    tables: dict[str, Table]
    base: Numbers  # from the old master's numbers to the final ones
    theirs: Numbers  # from the new master's
    notes: dict[str, list[tuple[Severity, str]]] = field(default_factory=lambda: defaultdict(list))


def merge_accounts(base: Tables, ours: Tables, theirs: Tables) -> Merged:
    """Accounts of both sides, without those that one side deleted and the other left alone.

    The instance keeps its numbers, and its passwords where it changed them. Raises NoNumberLeft.
    """
    merged = Merged({}, Numbers(), Numbers())
    users = _survivors(base, ours, theirs, USERS, merged)
    groups = _with_primary_groups(_survivors(base, ours, theirs, GROUPS, merged), base, ours, theirs, users)
    gids = _assign_groups(base, ours, theirs, groups)
    uids = _assign_users(base, ours, theirs, users, gids)
    merged.base = Numbers(translation(_uids(base), uids), translation(_gids(base), gids))
    merged.theirs = Numbers(translation(_uids(theirs), uids), translation(_gids(theirs), gids))
    _note_numbers(merged, "passwd", "user", uids, _uids(theirs))
    _note_numbers(merged, "group", "group", gids, _gids(theirs))

    gone = {name for side in (base, ours, theirs) for kind in USERS for name in _records(side, kind)} - set(users)
    for kind in ours:
        names = users if kind in USERS else groups
        tables = (_table(base, kind), _table(ours, kind), _table(theirs, kind))
        others = merge_set(*(table.others for table in tables))
        records: Records = {}
        for name in names:
            three = tuple(table.records.get(name) for table in tables)
            fields, clashes = _merge_record(kind, three, merged, (uids, gids), name, gone)
            if fields is not None:
                records[name] = fields
            for clash in clashes:
                what = f"{'user' if kind in USERS else 'group'} {name}: {clash}"
                merged.notes[kind].append((Severity.CONFLICT, f"{what} changed on both sides, the instance's stays"))
        merged.tables[kind] = Table(records, tuple(others))
    return merged


def _merge_record(
    kind: str,
    three: tuple[Fields | None, ...],
    merged: Merged,
    numbers: tuple[Mapping[str, int], Mapping[str, int]],
    name: str,
    gone: set[str],
) -> tuple[Fields | None, list[str]]:
    """The line of an account in one file, and what of it both sides changed."""
    base, ours, theirs = three
    if ours is None:
        return (None if base else _final(kind, theirs, merged, numbers, name, gone)), []
    if theirs is None:
        return ours, []
    if kind == "passwd":
        return merge_passwd(base, ours, theirs, merged.base, merged.theirs, numbers[0][name])
    if kind == "group":
        return merge_group(base, ours, theirs, numbers[1][name], gone), []
    if kind == "gshadow":
        return merge_gshadow(base, ours, theirs, gone), []
    return merge_shadow(base, ours, theirs)


def _final(
    kind: str,
    fields: Fields | None,
    merged: Merged,
    numbers: tuple[Mapping[str, int], Mapping[str, int]],
    name: str,
    gone: set[str],
) -> Fields | None:
    """A newcomer's line, with its final numbers."""
    if fields is None:
        return None
    if kind == "passwd":
        return with_final_owner(fields, merged.theirs, numbers[0][name])
    if kind == "group":
        return merge_group(fields, fields, fields, numbers[1][name], gone)
    return merge_gshadow(fields, fields, fields, gone) if kind == "gshadow" else fields


def _survivors(base: Tables, ours: Tables, theirs: Tables, kinds: tuple[str, ...], merged: Merged) -> list[str]:
    """Names of the accounts that exist in the end: in the instance's order, newcomers last."""

    def account(side: Tables, name: str) -> list[Fields | None]:
        return [_records(side, kind).get(name) for kind in kinds]

    absent: list[Fields | None] = [None] * len(kinds)
    final = []
    for name in dict.fromkeys(name for side in (ours, theirs) for kind in kinds for name in _records(side, kind)):
        before, mine, new = (account(side, name) for side in (base, ours, theirs))
        if mine == absent and before != absent:
            continue  # the instance deleted it
        if new == absent and before == mine:
            continue  # the new master deleted it
        if new == absent and before != absent:
            reason = f"{name} does not exist in the new master, but the instance changed it: it stays"
            merged.notes[kinds[0]].append((Severity.CONFLICT, reason))
        final.append(name)
    return final


def _with_primary_groups(groups: list[str], base: Tables, ours: Tables, theirs: Tables, users: list[str]) -> list[str]:
    """The groups, and those without which a user would have a primary group that does not exist."""
    before, mine, new = (
        {name: fields[2] for name, fields in _records(side, "passwd").items() if name in users}
        for side in (base, ours, theirs)
    )
    added = {gid for name, gid in new.items() if name not in mine or gid != before.get(name, gid)}
    wanted = [(ours, set(mine.values())), (theirs, added)]
    needed = [name for side, gids in wanted for name, fields in _records(side, "group").items() if fields[1] in gids]
    return list(dict.fromkeys(groups + needed))


def _assign_groups(base: Tables, ours: Tables, theirs: Tables, groups: list[str]) -> dict[str, int]:
    avoid = {*_gids(base).values(), *(number for side in (base, ours, theirs) for number in _uids(side).values())}
    known = {**_gids(theirs), **_gids(ours)}
    return assign(_gids(ours), _gids(theirs), [name for name in groups if name in known], avoid)


def _assign_users(
    base: Tables, ours: Tables, theirs: Tables, users: list[str], gids: Mapping[str, int]
) -> dict[str, int]:
    avoid = {*_uids(base).values(), *(number for side in (base, ours, theirs) for number in _gids(side).values())}
    known = {**_uids(theirs), **_uids(ours)}
    namesakes = {
        name: gids[name] for name, number in _uids(theirs).items() if name in gids and _gids(theirs).get(name) == number
    }
    return assign(_uids(ours), _uids(theirs), [name for name in users if name in known], avoid, namesakes)


def _note_numbers(merged: Merged, kind: str, what: str, final: Mapping[str, int], theirs: Mapping[str, int]) -> None:
    for name, number in final.items():
        if theirs.get(name, number) != number:
            reason = f"{what} {name} has the number {number}, not {theirs[name]} as in the new master"
            merged.notes[kind].append((Severity.NOTE, reason))


def _table(side: Tables, kind: str) -> Table:
    return side.get(kind) or Table()


def _records(side: Tables, kind: str) -> Records:
    return _table(side, kind).records


def _uids(side: Tables) -> dict[str, int]:
    return {name: int(fields[1]) for name, fields in _records(side, "passwd").items()}


def _gids(side: Tables) -> dict[str, int]:
    return {name: int(fields[1]) for name, fields in _records(side, "group").items()}
