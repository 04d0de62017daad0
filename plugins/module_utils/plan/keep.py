# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance that stays needs."""

from __future__ import annotations

from typing import Iterator

from ..model.instances import Instance
from ..model.records import HostPool
from .actions import Action, Attention, Start, Stop
from .attachments import lost_attachments
from .lookup import version_of
from .spec import VmPoolSpec


def keep(spec: VmPoolSpec, pool: HostPool, instance: Instance) -> Iterator[Action]:
    """Actions that bring an instance which stays to its declared state."""
    start = spec.power_state == "running"
    state = instance.vm.power_state
    labels = instance.vm.labels
    if instance.overlay is None:
        yield Attention(instance.name, "overlay disk is missing: `demolish` it and `apply`, or attach it again")
    elif state == "Halted" and version_of(pool, instance.overlay) is None:
        yield Attention(
            instance.name, f"its master image {labels['master']}:{labels['version']} is gone: it cannot start"
        )
    elif state == "Halted":
        lost = lost_attachments(pool, instance, start)
        if lost:
            yield lost
        elif start:
            yield Start(instance)
    elif state == "Running" and spec.power_state == "halted":
        yield Stop(instance)
    elif state != "Running" and spec.power_state != "unmanaged":
        yield Attention(instance.name, f"is {state.lower()}: resume or shut it down yourself")
