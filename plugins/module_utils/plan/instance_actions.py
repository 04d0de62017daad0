# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions on a whole instance that somebody asks for by its name, and that a VM pool finishes when interrupted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .action import OnInstance
from .actions import Create, Reattach
from .changes import Item, item_space
from .sizes import show_size
from .storage import Space, total


@dataclass(frozen=True)
class Restart(OnInstance):
    """Reboot a running instance; with ``force`` also when its guest does not follow."""

    force: bool = False

    @property
    def downtime(self) -> str:
        return "restart"

    def text(self) -> str:
        return "restarted"


@dataclass(frozen=True)
class Rebuild(OnInstance):
    """Give an instance a fresh overlay and swap disk, as a new one would get them (``create``).

    Its VM stays with name, uuid, MAC addresses and data disks; ``items`` bring it to what is declared. With ``force``
    it is switched off when its guest does not follow.
    """

    create: Create
    items: tuple[Item, ...]
    start: bool
    reason: str
    lost: Reattach | None = None  # NICs and data disks that are given back
    force: bool = False

    @property
    def downtime(self) -> str:
        return "restart" if self.instance.vm.power_state != "Halted" and self.start else "none"

    def space(self) -> tuple[Space, ...]:
        of_items = [space for item in self.items if (space := item_space(item))]
        return total([*replace(self.create, disks=()).space(), *of_items])

    def objects(self) -> tuple[str, ...]:
        disks = [disk for disk in (self.instance.overlay, self.instance.swap) if disk]
        return (self.instance.vm.uuid, *(disk.uuid for disk in disks))

    def text(self) -> str:
        create, labels = self.create, self.instance.vm.labels
        parts = [f"{self.reason}: fresh overlay {show_size(create.overlay_size)} on {create.overlay_sr.name}"]
        if labels["master_id"] != create.master.master_id:
            parts.append(f"master {labels['master']}:{labels['version']} -> {create.master.title}")
        parts += [item.text() for item in self.items]
        if self.downtime == "restart":
            parts.append("restart")
        elif self.start:
            parts.append("started")
        return ", ".join(parts)
