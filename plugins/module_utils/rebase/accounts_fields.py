# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three-way merge of one line of passwd, group, shadow and gshadow. Fields are those after the name."""

from __future__ import annotations

from .accounts_table import Fields
from .numbers import Numbers
from .records import choose, merge_set

Records = dict[str, Fields]

_PASSWD = ("password", "uid", "primary group", "description", "home directory", "shell")
_SHADOW = ("password", "last change", "minimum age", "maximum age", "warning time", "inactivity time", "expiry", "flag")
_LOCKED = ("!", "*")


def merge_passwd(
    base: Fields | None, ours: Fields, theirs: Fields, before: Numbers, new: Numbers, uid: int
) -> tuple[Fields, list[str]]:
    """The line with its final number, and the fields that both sides changed, differently."""
    ancestor = with_final_owner(base, before, uid) if base else None
    return _fieldwise(_PASSWD, ancestor, ours, with_final_owner(theirs, new, uid))


def merge_group(base: Fields | None, ours: Fields, theirs: Fields, gid: int, gone: set[str]) -> Fields:
    """The line with its final number and the members of both sides, without users that are gone."""
    password, _both = choose(base[0] if base else None, ours[0], theirs[0])
    return (password or "", str(gid), _members(base, ours, theirs, 2, gone))


def merge_gshadow(base: Fields | None, ours: Fields, theirs: Fields, gone: set[str]) -> Fields:
    """The line with administrators and members of both sides, without users that are gone."""
    password, _both = choose(base[0] if base else None, ours[0], theirs[0])
    return (password or "", _members(base, ours, theirs, 1, gone), _members(base, ours, theirs, 2, gone))


def merge_shadow(base: Fields | None, ours: Fields, theirs: Fields) -> tuple[Fields, list[str]]:
    """The line, and the fields that both sides changed, differently.

    A password and the day of its last change belong together. Accounts that both sides made on different days, and
    that nobody can log in with a password, do not clash.
    """
    password, _both = choose(base[:2] if base else None, ours[:2], theirs[:2])
    fields, clashes = _fieldwise(_SHADOW, base, ours, theirs)
    harmless = {"last change"}
    if ours[0].startswith(_LOCKED) and theirs[0].startswith(_LOCKED):
        harmless.add("password")
    return (*(password or ours[:2]), *fields[2:]), [clash for clash in clashes if clash not in harmless]


def _fieldwise(names: tuple[str, ...], base: Fields | None, ours: Fields, theirs: Fields) -> tuple[Fields, list[str]]:
    fields, clashes = [], []
    for place, name in enumerate(names):
        value, both = choose(base[place] if base else None, ours[place], theirs[place])
        fields.append(value or "")
        if both:
            clashes.append(name)
    return tuple(fields), clashes


def with_final_owner(fields: Fields, numbers: Numbers, uid: int) -> Fields:
    """A line of passwd with its final numbers."""
    gid = int(fields[2])
    return (fields[0], str(uid), str(numbers.gids.get(gid, gid)), *fields[3:])


def _members(base: Fields | None, ours: Fields, theirs: Fields, place: int, gone: set[str]) -> str:
    before, mine, new = (
        fields[place].split(",") if fields and fields[place] else [] for fields in (base, ours, theirs)
    )
    return ",".join(name for name in merge_set(before, mine, new) if name not in gone)
