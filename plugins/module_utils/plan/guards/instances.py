# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of instances as VMs: what would copy or destroy their master, and copies of them that exist. Pure.

XAPI treats a read-only root as any other disk when it clones, copies, snapshots, reverts or moves a whole VM.
"""

from __future__ import annotations

from typing import Iterator

from ...model.instances import Instance
from ...model.labels import Kind, Standing
from ...model.records import NULL, VirtualMachine
from ..blocked import INSTANCE
from .blueprints import unblocked_remedy
from .finding import Finding, Severity, subject
from .view import View, is_making, listed, shut_down_first

#: What destroys the master, not only copies it.
_DESTRUCTIVE = {"migrate_send", "reverting"}


def protections(view: View) -> Iterator[Finding]:
    """Instances of which XAPI would do as a whole what copies or destroys the master."""
    for instance in view.instances:
        vm = instance.vm
        if missing := sorted(set(INSTANCE) - set(vm.blocked_operations)):
            destroys = listed(sorted(_DESTRUCTIVE & set(missing)))
            yield Finding(
                "instance-unblocked",
                Severity.DANGER if destroys else Severity.WARNING,
                subject(vm),
                f"does not refuse {listed(missing, 20)}, which copy its master"
                + (f"; {destroys} destroy it when no other instance runs" if destroys else ""),
                unblocked_remedy(vm, missing),
                **view.concerned(vm.labels),
            )
        if vm.is_template:
            yield Finding(
                "instance-template",
                Severity.WARNING,
                subject(vm),
                "was made a template: it cannot start, and what is made of it gets a copy of its master's root disk",
                f"xe vm-param-set uuid={vm.uuid} is-a-template=false",
                **view.concerned(vm.labels),
            )
        if vm.snapshot_schedule not in ("", NULL):
            yield _scheduled(view, instance)


def _scheduled(view: View, instance: Instance) -> Finding:
    blocked = "snapshot" in instance.vm.blocked_operations
    return Finding(
        "instance-snapshot-schedule",
        Severity.NOTE if blocked else Severity.WARNING,
        subject(instance.vm),
        "is in a snapshot schedule, "
        + ("which fails each time" if blocked else "which snapshots its master's root disk each time, too"),
        f"xe vm-param-set uuid={instance.vm.uuid} snapshot-schedule=; snapshot its overlay instead (overlay_disk)",
        **view.concerned(instance.vm.labels),
    )


def snapshots(view: View) -> Iterator[Finding]:
    """Snapshots of instances as a whole."""
    for vm in view.vms:
        if vm.is_snapshot and vm.labels.kind == Kind.INSTANCE.value:
            of = view.pool.vms.get(vm.snapshot_of)
            yield Finding(
                "instance-snapshot",
                Severity.DANGER,
                subject(vm),
                f"is a snapshot of {of.name if of else vm.labels['name']} as a whole: it holds the root disk of "
                "its master, and reverting to it destroys the master and gives the instance a copy",
                _removal(view, vm, "xe snapshot-destroy"),
                **view.concerned(vm.labels),
            )


def copies(view: View) -> Iterator[Finding]:
    """Copies of instances that somebody made."""
    for vm in view.vms:
        if vm.is_snapshot or vm.labels.kind != Kind.INSTANCE.value or vm.standing is not Standing.FOREIGN:
            continue
        yield Finding(
            "instance-copy",
            Severity.WARNING,
            subject(vm),
            f"is a copy of instance {vm.labels['name']} that somebody made: it has a full root disk, and whoever boots "
            "it has the instance's name, SSH host key and addresses",
            _removal(view, vm, "xe vm-destroy"),
            **view.concerned(vm.labels),
        )


def running_unfinished(view: View) -> Iterator[Finding]:
    """VMs that a run was still making, or failed to make, and that somebody started."""
    for vm in view.vms:
        if is_making(vm) and vm.power_state != "Halted":
            yield Finding(
                "instance-unfinished",
                Severity.WARNING,
                subject(vm),
                f"was never finished and is {vm.power_state.lower()}: it counts for nothing, and is not removed before "
                "it is halted",
                f"xe vm-shutdown uuid={vm.uuid} force=true; then run apply",
                **view.concerned(vm.labels),
            )


def _removal(view: View, vm: VirtualMachine, destroy: str) -> str:
    """How to remove a copy of a VM with the disks that are nobody else's; never with one of ours."""
    disks = [view.pool.disks[vbd.vdi] for vbd in vm.attachments if vbd.vdi in view.pool.disks]
    own = [d for d in disks if d.standing is Standing.FOREIGN and len(view.uses(d)) == 1]
    steps = [f"{shut_down_first(vm)}{destroy} uuid={vm.uuid}", *(f"xe vdi-destroy uuid={disk.uuid}" for disk in own)]
    return "; ".join(steps)
