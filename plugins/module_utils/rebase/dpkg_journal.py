# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of packages with what dpkg has not yet written into it: it was stopped in the middle."""

from __future__ import annotations

import dataclasses
import hashlib

from ..layers.entry import Entry
from ..layers.packages import DATABASE, Package, parse_status
from ..layers.tree import Tree
from ..layers.view import View

STATUS = f"{DATABASE}/status"
JOURNAL = f"{DATABASE}/updates"


class WithJournal(View):
    """A Tree whose status has the stanzas that lie in dpkg's journal. Everything else is as it is."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree)
        self._status = self._replayed()

    def entry(self, path: str) -> Entry | None:
        """As Tree says."""
        entry = self.tree.entry(path)
        if entry is not None and path == STATUS and self._status is not None:
            return dataclasses.replace(entry, size=len(self._status))
        return entry

    def sha256(self, path: str) -> str:
        """As Tree says."""
        if path == STATUS and self._status is not None:
            return hashlib.sha256(self._status).hexdigest()
        return self.tree.sha256(path)

    def read(self, path: str) -> bytes:
        """As Tree says."""
        return self._status if path == STATUS and self._status is not None else self.tree.read(path)

    def _replayed(self) -> bytes | None:
        """The status file as dpkg would write it at its next start; None when there is nothing to add."""
        entries = sorted(name for name in self.tree.names(JOURNAL) if name.isdigit())
        if not entries:
            return None
        packages = {(package.name, package.architecture): package for package in _packages(self.tree, STATUS)}
        for name in entries:
            for package in _packages(self.tree, f"{JOURNAL}/{name}"):
                packages[package.name, package.architecture] = package
        return "".join(stanza(package) for package in packages.values()).encode(errors="surrogateescape")


def stanza(package: Package, status: str | None = None) -> str:
    """A package's stanza as dpkg writes it, maybe with another status."""
    fields = dict(package.fields)
    if status is not None:
        fields["Status"] = status
    return (
        "".join(f"{name}:{'' if not text or text[0] == chr(10) else ' '}{text}\n" for name, text in fields.items())
        + "\n"
    )


def _packages(tree: Tree, path: str) -> list[Package]:
    return parse_status(tree.read(path).decode(errors="surrogateescape"))
