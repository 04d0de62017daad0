# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be changed of an instance: typed items, each of which says what is, what is to be, and how. Pure data.

An item is ``live`` when it can be done to the instance as it is now without halting it: while it runs, XAPI allows
it and the guest can follow, or it concerns only what XAPI remembers. All others need a halted VM.
"""

from __future__ import annotations

from typing import Union

from .disk_changes import AddDisk, AttachDisk, ClaimDisk, DropOwner, GrowDisk, SetAttachment, SetOnBoot, SetSwap
from .nic_changes import AddNic, MoveNic, NoteNics, PlugNic, RemoveNic
from .overlay_changes import DeleteOverlay, ResetOverlay, RevertOverlay
from .storage import THICK_TYPES, Space, empty_cost, full_cost
from .upgrade_changes import DetachRoot, FinishMove, ForgetPrevious, MoveMaster, SetUpgradeTo
from .vm_changes import BlockOperations, EndRestart, SetKey, SetMemory, SetName, SetVcpus

Item = Union[
    SetVcpus,
    SetMemory,
    SetKey,
    SetName,
    BlockOperations,
    DropOwner,
    SetAttachment,
    AddNic,
    PlugNic,
    MoveNic,
    RemoveNic,
    NoteNics,
    AddDisk,
    AttachDisk,
    GrowDisk,
    SetOnBoot,
    SetSwap,
    ResetOverlay,
    RevertOverlay,
    DeleteOverlay,
    ClaimDisk,
    EndRestart,
    MoveMaster,
    FinishMove,
    DetachRoot,
    SetUpgradeTo,
    ForgetPrevious,
]

#: Those which write to a disk that is there: their ``disk``, which may be None.
ON_DISKS = (ClaimDisk, AttachDisk, GrowDisk, SetOnBoot, SetSwap, ResetOverlay, RevertOverlay, DeleteOverlay)

#: What can be changed of a disk that no VM has.
DiskItem = Union[GrowDisk, SetOnBoot]


def item_space(item: Item) -> Space | None:
    """What an item takes of an SR; None = nothing."""
    if isinstance(item, AddDisk):
        return Space(item.sr, empty_cost(item.sr.type, item.size), full_cost(item.sr.type, item.size))
    if isinstance(item, GrowDisk):
        more = full_cost(item.sr.type, item.size) - full_cost(item.sr.type, item.disk.size)
        return Space(item.sr, more if item.sr.type in THICK_TYPES else 0, more)
    if isinstance(item, (ResetOverlay, RevertOverlay)):
        return item.space()
    if isinstance(item, SetSwap) and item.size:
        return Space(item.sr, empty_cost(item.sr.type, item.size), full_cost(item.sr.type, item.size))
    return None
