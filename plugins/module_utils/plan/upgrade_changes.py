# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the master version from which an instance boots, and of what is remembered of former ones. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.masters import MasterVersion
from ..model.records import Attachment
from .vm_changes import SetKey

#: What the boot hook is to do when the target has no layer on the overlay: build it from the source's, or begin with an
#: empty one. Without a word it begins only an overlay that has none at all, and else refuses to boot.
REBASE, CREATE = "rebase", "create"


@dataclass(frozen=True)
class MoveMaster:
    """Have a halted instance boot from another master version from now on, forwards or back."""

    target: MasterVersion  # through the copy from which the instance takes it
    source: MasterVersion | None  # the version that it leaves, through the copy that it has; None: it is gone
    source_id: str
    source_title: str
    is_back: bool
    policy: str  # REBASE, CREATE or nothing
    position: str  # at which the source's root is attached for the rebase
    before: tuple[str, ...]  # master ids that the instance could go back to
    previous: tuple[str, ...]  # those that it can go back to afterwards
    boot: tuple[SetKey, ...]  # how the target's firmware and boot order differ
    live: bool

    def text(self) -> str:
        how = "rolled back" if self.is_back else "fresh layer" if self.policy == CREATE else self.policy
        parts = [f"master {self.source_title} -> {self.target.title}", how, *(key.text() for key in self.boot)]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class FinishMove:
    """The end of a move, once the instance has reported that it runs: what only the move needed goes."""

    target_id: str
    target_title: str
    is_back: bool
    live: bool = True

    def text(self) -> str:
        what = "rollback" if self.is_back else "upgrade"
        return f"its {what} to {self.target_title} finished"


@dataclass(frozen=True)
class DetachRoot:
    """The root of a former version, which a guest that had just booted did not let go of."""

    attachment: Attachment
    title: str
    live: bool

    def text(self) -> str:
        return f"old root {self.title} detached"


@dataclass(frozen=True)
class SetUpgradeTo:
    """The version that the instance's next restart takes it to; empty = none."""

    have: str  # titles, for people
    want: str
    want_id: str
    live: bool = True

    def text(self) -> str:
        if not self.want_id:
            return f"next restart: not upgraded to {self.have} any more"
        return f"next restart: master -> {self.want}"


@dataclass(frozen=True)
class ForgetPrevious:
    """The versions that an instance could go back to, which it needs no more."""

    titles: tuple[str, ...]
    live: bool = True

    def text(self) -> str:
        forgotten = f"cannot go back to {', '.join(self.titles)} any more" if self.titles else "its rollback forgotten"
        return f"committed: {forgotten}; its old layers may be pruned in the guest"
