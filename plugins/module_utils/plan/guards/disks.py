# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of disks: those of instances, and what holds for all disks of ours. Pure."""

from __future__ import annotations

from typing import Iterator

from ...model.chains import LONGEST_CHAIN
from ...model.labels import Kind
from ...model.records import Attachment, Disk, VirtualMachine
from .finding import Finding, Severity, subject, subject_of_vbd
from .view import View, described, is_making, shut_down_first, whose

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
        if disk.read_only and disk.labels.kind != Kind.SNAPSHOT.value:
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
                f"SR {sr.name!r} ({sr.uuid}) has lost the data of it ({whose(disk)})",
                f"xe sr-scan uuid={sr.uuid}; restore the file or volume {disk.uuid}, or give it up: xe vdi-forget",
                **concerned,
            )  # fmt: skip
        if disk.uncollected:
            yield Finding(
                "coalescing-off", Severity.WARNING, subject(disk),
                f"garbage collection is switched off for this disk ({whose(disk)}): its chain only grows",
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
                f"published ({whose(disk)})",
                f"delete old snapshots, then xe sr-scan uuid={sr.uuid} and let the SR coalesce; retire old versions",
                **concerned,
            )


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
