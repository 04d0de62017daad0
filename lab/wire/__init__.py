# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The protocols on which calls come in: how bytes become calls, and answers become bytes."""

from __future__ import annotations


class Malformed(Exception):
    """A body that is no call in this protocol."""
