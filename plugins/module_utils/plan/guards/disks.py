# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of disks: those of instances, and what holds for all disks of ours. Pure."""

from __future__ import annotations

from typing import Iterator

from ...model.chains import LONGEST_CHAIN
from ...model.instances import is_kept, is_precious, orphans
from ...model.labels import Kind, Standing
from ...model.records import Attachment, Disk, VirtualMachine
from ..sizes import show_size
from .finding import Finding, Severity, subject, subject_of_vbd
from .view import View, described, is_making, shut_down_first, title_of

#: Images in a chain from which on a finding is a danger, or a warning.
DANGEROUS_CHAIN, LONG_CHAIN = 25, 15


def attachments_of_instances(view: View) -> Iterator[Finding]:
    """Attachments by which an instance's own disk is shared with another VM, or deleted with its VM."""
    for disk in view.own_disks:
        for vbd in view.uses(disk):
            vm = view.vm(vbd)
            if vbd.owner and not vm.is_snapshot:
                yield _owner(view, disk, vbd, vm)
            if not (vm.is_control_domain or _belongs(vm, disk)):
                yield _shared(view, disk, vbd, vm)


def properties(view: View) -> Iterator[Finding]:
    """Properties of an instance's own disks with which it cannot start, or loses what it writes."""
    for disk in view.own_disks:
        title, concerned = disk.labels["name"], view.concerned(disk.labels)
        if disk.sharable:
            yield Finding(
                "disk-sharable", Severity.DANGER, subject(disk),
                f"is marked sharable: XAPI lets a second VM write to the disk of {title} at the same time",
                "XAPI lets no client change this: copy its files to a rebuilt instance (module instance)", **concerned,
            )  # fmt: skip
        if disk.read_only:
            yield Finding(
                "disk-read-only", Severity.DANGER, subject(disk),
                f"is read-only for XAPI: {title} cannot start (VDI_READONLY)",
                f"xe sr-scan uuid={view.pool.srs[disk.sr].uuid} (it sets this anew); if it stays, rebuild the instance",
                **concerned,
            )  # fmt: skip
        if disk.on_boot == "reset" and not disk.parent:
            yield Finding(
                "ephemeral-without-parent", Severity.DANGER, subject(disk),
                f"has on-boot=reset but no state to go back to: {title} cannot start, or comes up with a blank disk",
                f"{_halting(view, disk)}xe vdi-param-set uuid={disk.uuid} on-boot=persist; then rebuild the instance",
                **concerned,
            )  # fmt: skip


def all_disks(view: View) -> Iterator[Finding]:
    """What holds for masters and instances alike: data that is gone, chains that grow."""
    for disk in view.disks:
        sr, concerned = view.pool.srs[disk.sr], view.concerned(disk.labels)
        if disk.missing:
            yield Finding(
                "disk-missing", Severity.DANGER, subject(disk),
                f"SR {sr.name!r} ({sr.uuid}) has lost the data of it ({_whose(disk)})",
                f"xe sr-scan uuid={sr.uuid}; restore the file or volume {disk.uuid}, or give it up: xe vdi-forget",
                **concerned,
            )  # fmt: skip
        if disk.uncollected:
            yield Finding(
                "coalescing-off", Severity.WARNING, subject(disk),
                f"garbage collection is switched off for this disk ({_whose(disk)}): its chain only grows",
                f"xe vdi-param-remove uuid={disk.uuid} param-name=other-config param-key=leaf-coalesce (gc, coalesce)",
                **concerned,
            )  # fmt: skip
        depth = view.chains.depth(disk)
        if depth >= LONG_CHAIN:
            yield Finding(
                "chain-depth",
                Severity.DANGER if depth >= DANGEROUS_CHAIN else Severity.WARNING,
                subject(disk),
                f"is the end of a chain of {depth} images; with {LONGEST_CHAIN} it can be neither snapshotted nor "
                f"published ({_whose(disk)})",
                f"delete old snapshots, then xe sr-scan uuid={sr.uuid} and let the SR coalesce; retire old versions",
                **concerned,
            )


def lone_disks(view: View) -> Iterator[Finding]:
    """Disks that hold data and have no VM."""
    lone = sorted(orphans(view.pool), key=lambda disk: disk.uuid)
    for disk in lone:
        yield _kept(view, disk) if is_kept(disk) else _orphan(view, disk)
    there = {instance.uuid for instance in view.instances} | {disk.labels["instance"] for disk in lone}
    for disk in view.own_disks:
        if is_precious(disk) and disk.labels["instance"] not in there:
            yield Finding(
                "orphan-disk",
                Severity.WARNING,
                subject(disk),
                f"neither {disk.labels['name']} nor its overlay is there; this {disk.labels.kind} disk still holds its "
                f"data ({_taken(view, disk)})",
                f"save what is needed of it, then xe vdi-destroy uuid={disk.uuid}",
                **view.concerned(disk.labels),
            )


def surplus_disks(view: View) -> Iterator[Finding]:
    """Instances that have two disks of a kind."""
    for instance in view.instances:
        for kind in (Kind.OVERLAY.value, Kind.SWAP.value):
            owned = (disk for disk in instance.disks if disk.standing is Standing.OWNED)
            several = [disk for disk in owned if disk.labels.kind == kind]
            if len(several) > 1:
                free = [disk for disk in several if not view.uses(disk)]
                yield Finding(
                    "surplus-disk",
                    Severity.WARNING,
                    subject((free or several)[0]),
                    f"{instance.name} has {len(several)} {kind} disks: {', '.join(disk.uuid for disk in several)}",
                    f"look which of them the VM has attached (xe vbd-list vm-uuid={instance.vm.uuid}), and delete the "
                    "other one: xe vdi-destroy uuid=…",
                    **view.concerned(instance.vm.labels),
                )


def copied_disks(view: View) -> Iterator[Finding]:
    """Copies of our disks that somebody made, and that no copy of a VM accounts for."""
    for disk in view.all_disks:
        if not (disk.labels.kind and disk.managed) or disk.standing is not Standing.FOREIGN:
            continue
        if any(view.vm(vbd).labels.kind == Kind.INSTANCE.value for vbd in view.uses(disk)):
            continue  # told by the guards of copies and snapshots of VMs
        is_overlay = disk.labels.kind == Kind.OVERLAY.value
        what = "snapshot" if disk.is_snapshot else "copy"
        yield Finding(
            "copied-disk",
            Severity.WARNING if is_overlay else Severity.NOTE,
            subject(disk),
            f"is a {what} of the {disk.labels.kind} disk of {_whose(disk)} that somebody made; it takes "
            f"{show_size(disk.used)}, and nothing removes it"
            + ("; who boots with it has the instance's name and keys" if is_overlay else ""),
            f"when nobody needs it: xe vdi-destroy uuid={disk.uuid}",
            **view.concerned(disk.labels),
        )


def _taken(view: View, disk: Disk) -> str:
    return f"{show_size(disk.used)} on SR {view.pool.srs[disk.sr].name!r}"


def _use_or_delete(disk: Disk) -> str:
    return (
        f"run apply: a VM is made anew around it when VM pool {disk.labels['pool']} has room; or give it up: "
        f"xe vdi-destroy uuid={disk.uuid}"
    )


def _kept(view: View, disk: Disk) -> Finding:
    return Finding(
        "kept-overlay",
        Severity.NOTE,
        subject(disk),
        f"was kept when {disk.labels['name']} was removed; it holds its data ({_taken(view, disk)})",
        _use_or_delete(disk),
        **view.concerned(disk.labels),
    )


def _orphan(view: View, disk: Disk) -> Finding:
    return Finding(
        "orphan-overlay",
        Severity.WARNING,
        subject(disk),
        f"the VM of {disk.labels['name']} was deleted by hand; this overlay still holds its data ({_taken(view, disk)})",
        _use_or_delete(disk),
        **view.concerned(disk.labels),
    )


def _whose(disk: Disk) -> str:
    return disk.labels["name"] or title_of(disk.labels)


def _belongs(vm: VirtualMachine, disk: Disk) -> bool:
    return (is_making(vm) or vm.is_ours(Kind.INSTANCE)) and vm.labels["instance"] in ("", disk.labels["instance"])


def _halting(view: View, disk: Disk) -> str:
    return "".join(shut_down_first(view.vm(vbd)) for vbd in view.uses(disk))


def _owner(view: View, disk: Disk, vbd: Attachment, vm: VirtualMachine) -> Finding:
    return Finding(
        "disk-owner-key",
        Severity.WARNING,
        subject_of_vbd(view.pool, vbd),
        f"has other_config:owner: tools that delete {described(vm)} delete {disk.name!r} with it",
        f"xe vbd-param-remove uuid={vbd.uuid} param-name=other-config param-key=owner",
        **view.concerned(disk.labels),
    )


def _shared(view: View, disk: Disk, vbd: Attachment, vm: VirtualMachine) -> Finding:
    writes = vbd.mode == "RW"
    return Finding(
        "disk-shared",
        Severity.DANGER if writes else Severity.WARNING,
        subject_of_vbd(view.pool, vbd),
        f"{described(vm)} has {disk.name!r} of {disk.labels['name']} attached, too"
        + (": while it runs the instance cannot start, and what it writes is the instance's" if writes else ""),
        f"{shut_down_first(vm)}xe vbd-destroy uuid={vbd.uuid}",
        **view.concerned(disk.labels),
    )
