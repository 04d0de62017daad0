# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of the disks of masters: who has them attached, and how. Pure.

Any number of VMs may have a disk read-only at once, and XAPI refuses everyone who wants to write to it meanwhile.
But it is the mode of each VBD that this hangs on, and nothing protects the disk while all its VMs are halted.
"""

from __future__ import annotations

from typing import Iterator

from ...model.instances import Instance
from ...model.labels import Kind, Standing
from ...model.records import Attachment, Disk, VirtualMachine
from ..attachments import BOOT, ROOT
from ..upgrade import old_roots
from .finding import Finding, Severity, subject, subject_of_vbd
from .view import View, described, is_making, listed, shut_down_first, title_of


def attachments_of_masters(view: View) -> Iterator[Finding]:
    """Attachments by which a master can be written to, deleted, or held."""
    for disk in view.master_disks:
        for vbd in view.uses(disk):
            vm = view.vm(vbd)
            if vm.is_control_domain:
                yield _in_control_domain(view, disk, vbd)
                continue
            if vbd.mode == "RW":
                yield _writable(view, disk, vbd, vm)
            if vbd.owner:
                yield _owner(view, disk, vbd, vm)


def foreign_machines(view: View) -> Iterator[Finding]:
    """VMs that have a master's disk attached and are neither instances nor blueprints."""
    golden = {version.blueprint.labels["golden_vm"]: version.title for version in view.versions}
    for vm in view.vms:
        held = {disk.ref: disk for vbd in vm.attachments if (disk := view.master_disk(vbd))}
        if held and not (_belongs(vm) or vm.is_snapshot or vm.is_control_domain):
            yield _foreign(view, vm, list(held.values()), golden.get(vm.uuid, ""))


def roots_of_instances(view: View) -> Iterator[Finding]:
    """Root disks and boot CDs that an instance has otherwise than it was made with."""
    for instance in view.instances:
        old = [attachment for attachment, _master_id in old_roots(view.pool, instance)]
        for vbd in instance.vm.attachments:
            disk = view.master_disk(vbd)
            if disk is None or vbd.mode == "RW" or vbd in old:
                continue
            wanted = ("Disk", ROOT) if disk.labels.kind == Kind.ROOT.value else ("CD", BOOT)
            if (vbd.type, vbd.position) != wanted:
                yield _misattached(view, instance, disk, vbd, *wanted)


def flags_of_masters(view: View) -> Iterator[Finding]:
    """Properties of a master's disk by which its content is not safe."""
    for disk in view.master_disks:
        again = (
            f"seal the golden VM again, publish a new version, let the VM pools take it, then retire {_title(disk)}: "
            "XAPI lets no client change this of a disk"
        )
        if disk.sharable:
            yield Finding(
                "master-sharable",
                Severity.DANGER,
                subject(disk),
                f"is marked sharable: XAPI refuses nobody who wants to write to the disk of {_title(disk)}",
                again,
                **view.concerned(disk.labels),
            )
        if disk.on_boot == "reset":
            yield Finding(
                "master-reset",
                Severity.DANGER,
                subject(disk),
                f"has on-boot=reset: the next start of a VM throws away what the disk of {_title(disk)} holds itself",
                f"with all its VMs shut down: xe vdi-param-set uuid={disk.uuid} on-boot=persist",
                **view.concerned(disk.labels),
            )


def _title(disk: Disk) -> str:
    return title_of(disk.labels)


def _belongs(vm: VirtualMachine) -> bool:
    """Whether a VM is of those that are made to have a master's disks."""
    is_blueprint = vm.labels.kind == Kind.BLUEPRINT.value and vm.standing is not Standing.FOREIGN
    return is_blueprint or vm.is_ours(Kind.INSTANCE) or is_making(vm)


def _detach(vbd: Attachment, vm: VirtualMachine) -> str:
    return f"{shut_down_first(vm)}xe vbd-destroy uuid={vbd.uuid}"


def _writable(view: View, disk: Disk, vbd: Attachment, vm: VirtualMachine) -> Finding:
    problem = f"{described(vm)} has {disk.name!r} of {_title(disk)} attached read-write"
    remedy = _detach(vbd, vm)
    if _belongs(vm):
        remedy = f"{shut_down_first(vm)}xe vbd-param-set uuid={vbd.uuid} mode=RO"
    if vbd.attached:
        problem += " and runs with it: the disk may be damaged already, and no instance can start"
        remedy += (
            f"; then do not trust {_title(disk)}: seal the golden VM again, publish a new version, move the VM pools"
        )
    else:
        problem += ": started while the instances are halted, it writes to the disk of all of them"
    return Finding(
        "master-writable",
        Severity.DANGER,
        subject_of_vbd(view.pool, vbd),
        problem,
        remedy,
        **view.concerned(disk.labels),
    )


def _owner(view: View, disk: Disk, vbd: Attachment, vm: VirtualMachine) -> Finding:
    return Finding(
        "master-owner-key",
        Severity.DANGER,
        subject_of_vbd(view.pool, vbd),
        f"has other_config:owner: tools that delete {described(vm)} delete {disk.name!r} of {_title(disk)} with it",
        f"xe vbd-param-remove uuid={vbd.uuid} param-name=other-config param-key=owner",
        **view.concerned(disk.labels),
    )


def _foreign(view: View, vm: VirtualMachine, disks: list[Disk], golden_of: str) -> Finding:
    whose = f"golden VM of {golden_of}" if golden_of else "no instance"
    names = listed(sorted(disk.name for disk in disks))
    refs = {disk.ref for disk in disks}
    vbds = [f"xe vbd-destroy uuid={vbd.uuid}" for vbd in vm.attachments if vbd.vdi in refs]
    return Finding(
        "foreign-vm-on-master",
        Severity.WARNING,
        subject(vm),
        f"is {whose} and has {names} attached: the version cannot be retired, and who deletes this VM with its disks "
        "may delete the master",
        shut_down_first(vm) + "; ".join(vbds),
        **view.concerned_all(disk.labels for disk in disks),
    )


def _in_control_domain(view: View, disk: Disk, vbd: Attachment) -> Finding:
    writes = vbd.mode == "RW"
    return Finding(
        "master-in-control-domain",
        Severity.DANGER if writes else Severity.NOTE,
        subject_of_vbd(view.pool, vbd),
        f"{disk.name!r} of {_title(disk)} is attached to a host's control domain"
        + (" read-write: somebody imports into it, and XAPI does not refuse that" if writes else " (export or copy)"),
        f"xe task-list; when nothing uses it: xe vbd-unplug uuid={vbd.uuid}; xe vbd-destroy uuid={vbd.uuid}",
        **view.concerned(disk.labels),
    )


def _misattached(view: View, instance: Instance, disk: Disk, vbd: Attachment, type_: str, position: str) -> Finding:
    vm = instance.vm
    remedy = f"{shut_down_first(vm)}xe vbd-param-set uuid={vbd.uuid} type={type_}"
    if vbd.position != position:
        remedy = f"{_detach(vbd, vm)}; then run apply, which attaches it again"
    return Finding(
        "master-misattached",
        Severity.WARNING,
        subject_of_vbd(view.pool, vbd),
        f"{disk.name!r} of {_title(disk)} is a {vbd.type} at position {vbd.position} of {instance.name}; it must be a "
        f"read-only {type_} at position {position}, else the instance does not boot as it should",
        remedy,
        **view.concerned(vm.labels),
    )
