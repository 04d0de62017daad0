# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How odd file names and bytes are written where only text is allowed: JSON for people and for Ansible."""

from __future__ import annotations

import re

#: Control characters, what surrogateescape made of bytes that are no UTF-8, line and paragraph separators.
_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\]")
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}


class Text(str):
    """A text of several lines that has been made for people already, and stays as it is."""


def printable(text: str) -> str:
    """The text with a backslash escape for what no terminal shows: ``a\\nb``, ``caf\\xe9``; a backslash is doubled."""
    return _ODD.sub(lambda match: _escape(match[0]), text)


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return f"\\x{number:02x}" if number < 0x80 else f"\\u{number:04x}"
