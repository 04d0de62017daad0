# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of answers and of configuration files that scripts of packages ask: debconf's and ucf's."""

from __future__ import annotations

import re
from typing import Iterator, Mapping

from ..layers.packages import parse_fields
from .decision import Decision
from .merged_file import merged_file
from .outcome import theirs_wins
from .records import lines, merge_mapping, merge_set
from .sides import Sides

_DEBCONF = "/var/cache/debconf"
_UCF = "/var/lib/ucf"
_OLD = re.compile(rf"{_DEBCONF}/.+-old|{_UCF}/(?:hashfile|registry)\.\d+")
_STANZA_END = re.compile(r"\n\n+")

Stanza = dict[str, str]


def decide_answers(sides: Sides) -> Iterator[Decision]:
    """A step of the rebase: what either side answered, or was asked about, is in the merged files."""
    for path in sides.touched:
        if _OLD.fullmatch(path):
            yield theirs_wins(sides, path, "backup")
    for name in ("config.dat", "passwords.dat"):
        yield from merged_file(sides, f"{_DEBCONF}/{name}", merge_answers, "debconf-merged")
    yield from merged_file(sides, f"{_DEBCONF}/templates.dat", merge_templates, "debconf-merged")
    for name in ("hashfile", "registry"):
        yield from merged_file(sides, f"{_UCF}/{name}", merge_ucf, "ucf-merged")


def merge_answers(base: str, ours: str, theirs: str) -> str:
    """Answers of both sides; where both answered a question, the instance's."""
    return _merge(base, ours, theirs, ours_first=True)


def merge_templates(base: str, ours: str, theirs: str) -> str:
    """Questions of both sides; where both changed the words of one, the new master's."""
    return _merge(base, ours, theirs, ours_first=False)


def merge_ucf(base: str, ours: str, theirs: str) -> str:
    """Lines whose last word is a path, one for each path."""
    before, mine, new = (
        {line.split()[-1]: line for line in lines(text) if line.strip()} for text in (base, ours, theirs)
    )
    merged = merge_mapping(before, mine, new)
    return "".join(f"{merged[path]}\n" for path in dict.fromkeys([*new, *mine]) if path in merged)


def _merge(base: str, ours: str, theirs: str, ours_first: bool) -> str:
    before, mine, new = (_stanzas(text) for text in (base, ours, theirs))

    def clash(name: str, old: Stanza | None, own: Stanza | None, other: Stanza | None) -> Stanza | None:
        if own is None or other is None:
            return own or other  # who still needs a question is asked; an owner that is gone does no harm
        return _merge_stanza(old or {}, own, other, ours_first)

    merged = merge_mapping(before, mine, new, clash)
    stanzas = [_text(merged[name]) for name in dict.fromkeys([*new, *mine]) if name in merged]
    return "".join(f"{stanza}\n" for stanza in stanzas)


def _merge_stanza(base: Stanza, ours: Stanza, theirs: Stanza, ours_first: bool) -> Stanza:
    def clash(field: str, old: str | None, own: str | None, other: str | None) -> str | None:
        if field == "Owners":
            return ", ".join(merge_set(_words(base), _words(ours), _words(theirs)))
        return own if ours_first else other

    return merge_mapping(base, ours, theirs, clash)


def _words(stanza: Mapping[str, str]) -> list[str]:
    return [word for word in stanza.get("Owners", "").split(", ") if word]


def _stanzas(text: str) -> dict[str, Stanza]:
    found = (parse_fields(stanza) for stanza in _STANZA_END.split(text))
    return {stanza["Name"]: stanza for stanza in found if stanza.get("Name")}


def _text(stanza: Stanza) -> str:
    return "".join(f"{name}:{'' if text.startswith(chr(10)) else ' '}{text}\n" for name, text in stanza.items())
