# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance between master versions: where it goes, and where it can go back to. Pure.

All of it is labels of the instance's VM (docs/decisions/upgrade.md). A move to another version is marked before the
first attachment is changed, and the mark stays until the instance has reported that it runs there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from .instances import REBUILDING
from .labels import Kind, Labels
from .records import HostPool, VirtualMachine, once

#: Labels with a master id: where the instance is being upgraded to, where it is being rolled back to, where its next
#: restart takes it, and what it was rolled back from last.
UPGRADING, ROLLING_BACK, UPGRADE_TO, ABANDONED = "upgrading", "rolling_back", "upgrade_to", "abandoned"

#: Labels with blank-separated master ids, newest first: where the instance can go back to, and the same while the
#: former is written anew, for which XAPI needs two calls.
PREVIOUS, NEXT_PREVIOUS = "previous", "next_previous"

#: All of them.
LABELS = (UPGRADING, ROLLING_BACK, UPGRADE_TO, ABANDONED, PREVIOUS, NEXT_PREVIOUS)

#: Keys of ``VM.xenstore_data`` that the boot hook obeys when its master version has no layer on the overlay yet: what
#: it is to do, and for a rebase, from which version and for which request (a uuid) that is.
NEW_LAYER = "vm-data/skinnybox/new_layer"
REBASE_FROM = "vm-data/skinnybox/rebase_from"
REBASE_REQUEST = "vm-data/skinnybox/rebase_request"


@dataclass(frozen=True)
class Move:
    """A change of its master version that a run of ours has begun with an instance."""

    target: str  # master id
    is_back: bool  # to a version on which the instance has a layer from before
    has_arrived: bool  # all attachments and labels are the target's; what is left is its boot


def move_of(vm: VirtualMachine) -> Move | None:
    """The move that an instance is in; a rollback that was begun later overrides an upgrade."""
    labels = vm.labels
    target = labels[ROLLING_BACK] or labels[UPGRADING]
    return Move(target, bool(labels[ROLLING_BACK]), labels["master_id"] == target) if target else None


def previous_of(labels: Labels) -> tuple[str, ...]:
    """Master ids that an instance with these labels can go back to, newest first."""
    noted = (labels[NEXT_PREVIOUS] or labels[PREVIOUS]).split()
    return tuple(dict.fromkeys(one for one in noted if one != labels["master_id"]))


def needed_by(vm: VirtualMachine) -> frozenset[str]:
    """Ids of all master versions that an instance needs or may need yet."""
    labels = vm.labels
    named = {labels[name] for name in ("master_id", REBUILDING, UPGRADING, ROLLING_BACK, UPGRADE_TO)}
    return frozenset({*named, *labels[PREVIOUS].split(), *labels[NEXT_PREVIOUS].split()} - {""})


@once
def titles(pool: HostPool) -> Mapping[str, str]:
    """Titles such as ``noble:7`` by master id, of every version of which anything is there."""
    labels = [vm.labels for vm in pool.vms.values()] + [disk.labels for disk in pool.disks.values()]
    labels = [one for one in labels if one["master_id"]]
    # Those of a blueprint last: the ones of an instance that is just moving may contradict each other.
    labels.sort(key=lambda one: one.kind == Kind.BLUEPRINT.value)
    return {one["master_id"]: f"{one['master']}:{one['version']}" for one in labels}


def title_of(pool: HostPool, master_id: str) -> str:
    """What people call the version with this id; the id itself when nothing is there of it any more."""
    return titles(pool).get(master_id, master_id)
