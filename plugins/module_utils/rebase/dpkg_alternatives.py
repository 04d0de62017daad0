# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alternatives (editor, java): groups of programs for one name, where both sides changed a group."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Iterator

from ..layers.packages import DATABASE
from ..layers.tree import ContentUnknown
from .decision import Decision
from .merged_file import merged_file, text_of
from .outcome import ours_wins, theirs_wins
from .paths import join
from .records import choose, lines, merge_mapping
from .sides import Sides

_GROUPS = f"{DATABASE}/alternatives"
_LINKS = "/etc/alternatives"


@dataclass(frozen=True)
class Choice:
    """A program that a group offers."""

    priority: int
    slaves: dict[str, str]  # files that come with it, by the name of the slave link


@dataclass(frozen=True)
class Group:
    """A group as update-alternatives keeps it."""

    status: str = "auto"  # or manual: somebody has chosen
    link: str = ""
    slaves: dict[str, str] = field(default_factory=dict)  # links by name
    choices: dict[str, Choice] = field(default_factory=dict)  # by the program's path

    def text(self) -> str:
        """The file of the group."""
        rows = [self.status, self.link]
        rows += [row for slave in self.slaves.items() for row in slave] + [""]
        for path in sorted(self.choices):
            choice = self.choices[path]
            rows += [path, str(choice.priority), *(choice.slaves.get(name, "") for name in self.slaves)]
        return "".join(f"{row}\n" for row in [*rows, ""])

    def best(self) -> str:
        """The program with the highest priority, the one that an automatic group shows."""
        return max(sorted(self.choices), key=lambda path: self.choices[path].priority, default="")


def decide_alternatives(sides: Sides) -> Iterator[Decision]:
    """A step of the rebase: groups that both sides changed, and the links of what they show then."""
    for path in sides.touched:
        name = path.removeprefix(f"{_GROUPS}/")
        if name == path or "/" in name:
            continue
        try:
            texts = [text_of(tree, path) for tree in (sides.base, sides.ours, sides.theirs)]
        except ContentUnknown:
            continue
        base, ours, theirs = (parse_group(text) for text in texts)
        if not ours or not theirs or ours in (base, theirs) or theirs == base:
            continue
        merged = merge_groups(base or Group(), ours, theirs)
        yield from merged_file(sides, path, functools.partial(_as_text, merged), "alternatives-merged")
        shown = _shown(sides, name, merged)
        ours_holds = _target(sides, name, ours=True) == shown
        for link in _links(name, merged):
            wins = ours_wins if ours_holds else theirs_wins
            yield wins(sides, link, "alternatives-link")


def _as_text(group: Group, *_texts: str) -> str:
    return group.text()


def _links(name: str, group: Group) -> Iterator[str]:
    yield join(_LINKS, name)
    yield group.link
    for slave, link in group.slaves.items():
        yield join(_LINKS, slave)
        yield link


def _shown(sides: Sides, name: str, group: Group) -> str:
    """The program that the group shows in the end."""
    chosen = _target(sides, name, ours=True) if group.status == "manual" else ""
    return chosen if chosen in group.choices else group.best()


def _target(sides: Sides, name: str, ours: bool) -> str:
    entry = (sides.ours if ours else sides.theirs).entry(join(_LINKS, name))
    return entry.target if entry else ""


def parse_group(text: str) -> Group | None:
    """The group in a file's text; None when it is none."""
    rows = iter(lines(text))
    try:
        status, link = next(rows), next(rows)
        slaves = {}
        while name := next(rows):
            slaves[name] = next(rows)
        choices = {}
        while path := next(rows, ""):
            choices[path] = Choice(int(next(rows)), {name: next(rows) for name in slaves})
    except (StopIteration, RuntimeError, ValueError):
        return None
    return Group(status, link, slaves, choices)


def merge_groups(base: Group, ours: Group, theirs: Group) -> Group:
    """The choices of both sides, without those that either removed."""
    status, _both = choose(base.status, ours.status, theirs.status)
    link, _both = choose(base.link, ours.link, theirs.link)
    slaves = merge_mapping(base.slaves, ours.slaves, theirs.slaves)
    choices = merge_mapping(base.choices, ours.choices, theirs.choices)
    return Group(status, link, slaves, choices)
