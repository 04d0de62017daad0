# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a rebase is not begun, or not finished."""

from __future__ import annotations


class Refusal(Exception):
    """One sentence for people: what is wrong, where, and what to do. The old layer is as it was."""
