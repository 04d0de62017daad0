# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action of a plan has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..model.instances import Instance
from .storage import Space


class Action(Protocol):
    """Something that is to be done to one instance, or (sign ``!``) that a person has to see to."""

    @property
    def name(self) -> str:
        """The instance's."""

    @property
    def sign(self) -> str:
        """``+`` makes something, ``~`` changes it, ``-`` removes it, ``!`` waits for a person."""

    @property
    def downtime(self) -> str:
        """Of the instance: ``none``, or ``restart``, one shutdown and one boot."""

    @property
    def verb(self) -> str:
        """The action in one word, as results have it."""

    def text(self) -> str:
        """What is done and why, for people."""

    def space(self) -> tuple[Space, ...]:
        """What it allocates, at most one entry an SR."""

    def objects(self) -> tuple[str, ...]:
        """Uuids of the VMs and disks that are there and that it writes to."""


class BaseAction:
    """What holds for an action unless it says otherwise. Each one has a name: that of the instance it is about."""

    sign = "~"  # + makes something, ~ changes it, - removes it, ! waits for a person

    @property
    def downtime(self) -> str:
        """Of the instance: ``none``, or ``restart``, one shutdown and one boot."""
        return "none"

    @property
    def verb(self) -> str:
        """The action in one word, as results have it."""
        return type(self).__name__.lower()

    def space(self) -> tuple[Space, ...]:
        """What it allocates, at most one entry an SR."""
        return ()

    def objects(self) -> tuple[str, ...]:
        """Uuids of the VMs and disks that are there and that it writes to."""
        return ()


@dataclass(frozen=True)
class OnInstance(BaseAction):
    """An action on an instance that is there."""

    instance: Instance

    @property
    def name(self) -> str:
        return self.instance.name

    def objects(self) -> tuple[str, ...]:
        return (self.instance.vm.uuid,)
