# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and groups of an instance, promoted record by record.

Passwords are secrets of the instance: unless they are asked for, a new user comes locked, and what was changed about
another one's password stays behind. Nothing that could be cracked is in an archive then.
"""

from __future__ import annotations

import hashlib
from typing import Iterable, Mapping

from ..layers.entry import Entry, Type
from ..layers.tree import Tree
from ..rebase.accounts import Accounts, read

#: Their fields with passwords, counted from 0; fields of others have none.
_PASSWORDS = {"passwd": (1,), "shadow": (1, 2), "group": (1,), "gshadow": (1,)}
ACCOUNTS = tuple(f"/etc/{kind}" for kind in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid"))
SHADOWS = ("/etc/shadow", "/etc/gshadow")
_LOCKED = "!"


def account_texts(tree: Tree, with_passwords: bool) -> dict[str, str]:
    """The files of accounts that a tree has, by path; passwords are left out unless asked for."""
    texts = {}
    for path in ACCOUNTS:
        entry = tree.entry(path)
        if entry and entry.type is Type.FILE:
            text = tree.read(path).decode(errors="surrogateescape")
            texts[path] = text if with_passwords else without_passwords(path, text)
    return texts


def without_passwords(path: str, text: str) -> str:
    """The text with every account locked, and no date of a last change of its password."""
    kind = path.rpartition("/")[2]
    return "".join(_without_password(kind, line) for line in text.splitlines(keepends=True))


def _without_password(kind: str, line: str) -> str:
    fields = line.split(":")
    for place in _PASSWORDS.get(kind, ()):
        is_kept = kind in ("passwd", "group") and fields[place : place + 1] in (["x"], ["*"], ["!"], [""])
        if len(fields) > place + 1 and not is_kept:
            fields[place] = _LOCKED if place == 1 else ""
    return ":".join(fields)


def merge_accounts(master: Mapping[str, str], golden: Tree, instance: Mapping[str, str]) -> Accounts:
    """The golden VM's accounts with what the instance changed since its master. Raises Refusal."""
    return read(_Texts(master), golden, _Texts(instance))


class _Texts:
    """A Tree of nothing but these texts."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._contents = {path: text.encode(errors="surrogateescape") for path, text in texts.items()}

    def entry(self, path: str) -> Entry | None:
        """See Tree."""
        content = self._contents.get(path)
        return None if content is None else Entry(Type.FILE, 0o644, 0, 0, len(content))

    def names(self, path: str) -> Iterable[str]:
        """See Tree."""
        return sorted(one.rpartition("/")[2] for one in self._contents) if path == "/etc" else []

    def sha256(self, path: str) -> str:
        """See Tree."""
        return hashlib.sha256(self._contents[path]).hexdigest()

    def read(self, path: str) -> bytes:
        """See Tree."""
        return self._contents[path]

    def location(self, path: str) -> str | None:
        """See Tree."""
        return None
