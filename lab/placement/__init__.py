# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On which host a VM runs: whether it can (checks), and which one it gets (choice). The rules are XAPI's."""

from __future__ import annotations

from lab.placement.checks import possible_hosts, reaches, refusal, repositories_of
from lab.placement.choice import choose

__all__ = ["choose", "possible_hosts", "reaches", "refusal", "repositories_of"]
