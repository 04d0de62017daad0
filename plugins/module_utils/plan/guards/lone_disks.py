# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of disks that no VM has, and of copies: what leaks, or would be missed. Pure."""

from __future__ import annotations

from typing import Iterator

from ...model.instances import is_kept, is_precious, orphans
from ...model.labels import Kind, Standing
from ...model.records import Disk
from ..sizes import show_size
from .finding import Finding, Severity, subject
from .view import View, whose


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
            f"is a {what} of the {disk.labels.kind} disk of {whose(disk)} that somebody made; it takes "
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
        f"the VM of {disk.labels['name']} was deleted by hand; this overlay holds its data ({_taken(view, disk)})",
        _use_or_delete(disk),
        **view.concerned(disk.labels),
    )
