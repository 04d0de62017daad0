# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules there are, in their order."""

from __future__ import annotations

from .debconf import decide_answers
from .dpkg import decide_packages
from .dpkg_alternatives import decide_alternatives
from .shadows import decide_shadows
from .sides import Step

#: Decisions about many paths, first things first: of several about one path the first holds.
STEPS: tuple[Step, ...] = (decide_alternatives, decide_packages, decide_answers, decide_shadows)
