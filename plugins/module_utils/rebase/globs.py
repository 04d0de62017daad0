# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Globs of absolute paths: ``*`` and ``?`` stay within a name, ``**`` crosses directories."""

from __future__ import annotations

import functools
import re
from typing import Sequence

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[^]/]+\]|[^*?[]+|\[")


def matches(path: str, globs: Sequence[str]) -> bool:
    """Whether any of the globs matches the path."""
    return bool(globs) and _any(tuple(globs)).fullmatch(path) is not None


@functools.cache
def _any(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(compiled(glob).pattern for glob in globs), re.DOTALL)


@functools.cache
def compiled(glob: str) -> re.Pattern[str]:
    """The glob as a pattern for fullmatch. ``**/`` also stands for no directory at all, as in a shell."""
    return re.compile("".join(_pattern(token) for token in _TOKEN.findall(glob)), re.DOTALL)


def _pattern(token: str) -> str:
    fixed = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in fixed:
        return fixed[token]
    if token.startswith("[") and token.endswith("]"):
        inside = token[1:-1].replace("\\", "\\\\")
        return f"[^{inside[1:]}/]" if inside[0] in "!^" and len(inside) > 1 else f"[{inside}]"
    return re.escape(token)
