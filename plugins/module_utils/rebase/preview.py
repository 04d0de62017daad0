# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rebase of a running instance would do, told from the new master's manifest; nothing is changed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

from ..layers.differences import Kind
from ..layers.entry import Type
from ..layers.instance import Instance
from ..layers.manifest import ManifestTree
from ..layers.stack import Stack
from ..layers.tree import ContentUnknown
from ..layers.upper import Upper
from .decision import Action, Decision, Severity
from .engine import Decisions, decide
from .gather import gather
from .outcome import same, same_content
from .refusal import Refusal
from .room import Room, free, grow_by, needed
from .sides import Sides

UNKNOWN = "unknown"
_TOOL = "/usr/lib/skinnybox/python/skinnybox/rebase/__main__.py"
_DIFF3 = ("/usr/bin/diff3", "/bin/diff3")
_NEEDS_DIFF3 = {"text-merged", "text-conflict", "text-unknown"}
#: Rules that say the same whatever the new master has.
_SURE = {"cache", "backup", "master", "policy-keep", "policy-master", "dpkg-needless"}
#: What changes while it is looked at is looked at again.
_TRIES = 3


@dataclass(frozen=True)
class Preview:
    """What would become of an instance's changes."""

    sides: Sides
    decisions: Decisions
    needed: Room
    free: Room

    @property
    def fits(self) -> bool:
        """Whether the overlay disk has room for the new layer beside the old one."""
        return not self.grow_by

    @property
    def grow_by(self) -> int:
        """Bytes by which the overlay disk is too small."""
        return grow_by(self.needed, self.free)

    def unknown(self) -> list[Decision]:
        """What the manifest cannot tell."""
        return [one for one in self.decisions if is_unknown(one)]

    @cached_property
    def _touched(self) -> frozenset[str]:
        return frozenset(self.sides.touched)

    def change(self, path: str) -> Kind | None:
        """What the instance has made of a path; None when it did not touch it."""
        sides = self.sides
        if path not in self._touched:
            return None
        base, ours = sides.base.entry(path), sides.ours.entry(path)
        if ours is None:
            return Kind.DELETED if base else Kind.IDENTICAL
        if base is None:
            return Kind.ADDED
        if base.type is not ours.type:
            return Kind.REPLACED
        if path in sides.opaque:
            return Kind.OPAQUE
        if same(sides.base, sides.ours, path):
            return Kind.IDENTICAL
        if ours.type is Type.FILE and not same_content(sides.base, sides.ours, path):
            return Kind.CHANGED
        other = (base.target, base.device) != (ours.target, ours.device)
        return Kind.CHANGED if other else Kind.METADATA


def preview(instance: Instance, manifest: ManifestTree) -> Preview:
    """Decide as the rebase tool will, but for what the manifest leaves out. Raises Refusal, ForeignLayer, OSError."""
    if manifest.master_id == instance.master_id:
        raise Refusal(
            f"The manifest is that of master {instance.master_id}, on which the instance runs: nothing to do."
        )
    if manifest.entry(_TOOL) is None:
        raise Refusal(
            f"Master {manifest.master_id} has no rebase tool: it was sealed before Skinnybox had one. Seal its golden "
            "VM and publish it again."
        )
    for attempt in range(_TRIES):
        try:
            return _preview(instance, manifest)
        except FileNotFoundError:
            if attempt == _TRIES - 1:
                raise
    raise AssertionError


def _preview(instance: Instance, manifest: ManifestTree) -> Preview:
    *shared, master = instance.lowers
    lower = Stack(shared, below=manifest)
    base, ours = Stack([*shared, master]), Stack([instance.upper, *shared, master])
    sides, accounts = gather(base, ours, lower, Upper(instance.upper).walk())
    try:
        decided = decide(sides, accounts)
    except ContentUnknown as problem:
        raise Refusal(f"The manifest has no text of {problem}, without which nothing can be told.") from None
    if not any(lower.entry(path) for path in _DIFF3) and any(one.rule in _NEEDS_DIFF3 for one in decided):
        raise Refusal(
            f"Texts are to be merged, and master {manifest.master_id} has no program diff3: install the package "
            "diffutils in its golden VM and publish it again."
        )

    def told(one: Decision) -> Decision:
        if manifest.knows(one.path) or lower.find(one.path) or one.rule in _SURE or one.rule == "parent":
            return one
        if one.action is Action.DROP and sides.ours.entry(one.path) is None:
            return one
        return dataclasses.replace(one, rule=UNKNOWN, severity=Severity.CLEAN, reason="")

    touched = {*sides.touched}
    all_told = (told(one) for one in decided)
    decisions = Decisions({one.path: one for one in all_told if one.rule != UNKNOWN or one.path in touched})
    return Preview(sides, decisions, needed(sides, decisions), free(instance.overlay))


def is_unknown(decision: Decision) -> bool:
    """Whether what becomes of a path is known only when it is done."""
    return decision.rule == UNKNOWN or (decision.action is Action.WRITE and decision.content is None)
