# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages: what becomes of their files and of what dpkg and apt know about them."""

from __future__ import annotations

from typing import Iterator

from . import dpkg_database
from .decision import Action, Decision, Severity
from .dpkg_admin import decide_admin
from .dpkg_diverted import decide_diverted
from .dpkg_files import decide_files
from .dpkg_generated import decide_generated
from .dpkg_lists import decide_lists
from .dpkg_reopened import decide_reopened
from .sides import Sides


def decide_packages(sides: Sides) -> Iterator[Decision]:
    """A step of the rebase. Raises Refusal."""
    databases = dpkg_database.read(sides)
    if databases is None:
        return
    for rules in (decide_diverted, decide_reopened, decide_files, decide_admin, decide_lists, decide_generated):
        for decision in rules(databases):
            # what is the new master's anyway needs no decision where the instance has done nothing
            is_needless = decision.action is Action.DROP and decision.severity is Severity.CLEAN
            if not is_needless or databases.affected(decision.path):
                yield decision
