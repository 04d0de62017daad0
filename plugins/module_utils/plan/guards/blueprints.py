# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of blueprints: what the next clone of one would be, and what anybody could do with it by hand. Pure."""

from __future__ import annotations

from typing import Iterator

from ...model.records import Attachment, Disk, VirtualMachine
from ..blocked import BLUEPRINT
from .finding import Finding, Severity, subject, subject_of_vbd
from .view import Copy, View, listed


def blueprints(view: View) -> Iterator[Finding]:
    """Blueprints from which the next instance would be wrong, or that can be started, moved or deleted."""
    for copy in view.copies:
        for vbd in copy.blueprint.attachments:
            if vbd.type == "Disk":
                yield _disk(view, copy, vbd)
        for name, disk, position in copy.parts:
            if disk is not None and not _has(copy.blueprint, disk, position):
                yield _incomplete(view, copy, name, disk, position)
        if missing := sorted(set(BLUEPRINT) - set(copy.blueprint.blocked_operations)):
            yield _unblocked(view, copy, missing)
        if not copy.blueprint.is_template:
            yield _no_template(view, copy)


def unblocked_remedy(vm: VirtualMachine, operations: list[str]) -> str:
    """How to have XAPI refuse operations of a VM."""
    return f"xe vm-param-set uuid={vm.uuid} " + " ".join(f"blocked-operations:{name}=true" for name in operations)


def _has(blueprint: VirtualMachine, disk: Disk, position: str) -> bool:
    # Whether it is a CD there is another guard's business.
    return any(vbd.vdi == disk.ref and vbd.position == position for vbd in blueprint.attachments)


def _disk(view: View, copy: Copy, vbd: Attachment) -> Finding:
    is_masters = vbd.mode == "RO" and any(disk and vbd.vdi == disk.ref for _name, disk, _position in copy.parts)
    return Finding(
        "blueprint-disk",
        Severity.DANGER,
        subject_of_vbd(view.pool, vbd),
        f"the blueprint of {copy.title} has a Disk at position {vbd.position}: each new instance gets a copy of it",
        f"xe vbd-param-set uuid={vbd.uuid} type=CD" if is_masters else f"xe vbd-destroy uuid={vbd.uuid}",
        **view.concerned(copy.blueprint.labels),
    )


def _incomplete(view: View, copy: Copy, name: str, disk: Disk, position: str) -> Finding:
    vm = copy.blueprint
    taken = next((vbd for vbd in vm.attachments if vbd.position == position), None)
    first = f"xe vbd-destroy uuid={taken.uuid}; " if taken else ""
    return Finding(
        "blueprint-incomplete",
        Severity.DANGER,
        subject(vm),
        f"does not have the {name} of {copy.title} as CD at position {position}: no instance can be made of it",
        f"{first}xe vbd-create vm-uuid={vm.uuid} vdi-uuid={disk.uuid} device={position} type=CD mode=RO",
        **view.concerned(vm.labels),
    )


def _unblocked(view: View, copy: Copy, missing: list[str]) -> Finding:
    return Finding(
        "blueprint-unblocked",
        Severity.WARNING,
        subject(copy.blueprint),
        f"does not refuse {listed(missing, 20)}: by hand, that starts, moves or deletes the blueprint of {copy.title}",
        unblocked_remedy(copy.blueprint, missing),
        **view.concerned(copy.blueprint.labels),
    )


def _no_template(view: View, copy: Copy) -> Finding:
    vm = copy.blueprint
    halt = "" if vm.power_state == "Halted" else f"xe vm-shutdown uuid={vm.uuid} force=true; "
    return Finding(
        "blueprint-no-template",
        Severity.DANGER,
        subject(vm),
        f"is the blueprint of {copy.title}, but no template any more ({vm.power_state.lower()}): it can be started, "
        "without an overlay",
        f"{halt}xe vm-param-set uuid={vm.uuid} is-a-template=true",
        **view.concerned(vm.labels),
    )
