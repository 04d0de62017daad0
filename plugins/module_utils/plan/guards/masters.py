# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of master versions: what needs them, and how they would be lost. Pure."""

from __future__ import annotations

from typing import Iterator

from ...model.labels import Kind
from ...model.masters import MasterVersion
from ...model.records import Disk, StorageRepository, VirtualMachine
from .finding import Finding, Severity, subject
from .view import View, listed, title_of

#: Types of SRs whose disks a host reads through its page cache, but only those that have a parent (blktap2 of SM).
READ_CACHED = ("ext", "nfs", "smb")


def incomplete_versions(view: View) -> Iterator[Finding]:
    """Versions that have lost a disk."""
    for copy in view.copies:
        if not copy.missing:
            continue
        labels = copy.blueprint.labels
        uuids = {"root disk": labels["root"], "boot CD": labels["boot"]}
        lost = " and its ".join(f"{name} ({uuids[name]})" for name in copy.missing)
        yield Finding(
            "master-lost",
            Severity.DANGER,
            subject(copy.blueprint),
            f"{copy.title} has lost its {lost}: instances that have it cannot start",
            "look whether its SR is only detached (xe pbd-list, xe sr-scan); if the disk is gone, publish again from "
            f"the golden VM, rebuild the instances from the new version (module instance), then retire {copy.title}",
            **view.concerned(labels),
        )


def needed_versions(view: View) -> Iterator[Finding]:
    """Versions that are not there at all, and that instances or overlays need."""
    there = {copy.blueprint.labels["master_id"] for copy in view.copies}
    needing: dict[str, list[VirtualMachine | Disk]] = {}
    bearers: list[VirtualMachine | Disk] = [instance.vm for instance in view.instances]
    bearers += [disk for disk in view.own_disks if disk.labels.kind == Kind.OVERLAY.value]
    for thing in bearers:
        if thing.labels["master_id"] not in there:
            needing.setdefault(thing.labels["master_id"], []).append(thing)
    for things in needing.values():
        names = sorted({thing.labels["name"] for thing in things})
        yield Finding(
            "master-lost",
            Severity.DANGER,
            subject(things[0]),
            f"{title_of(things[0].labels)} is not published any more, but {listed(names)} cannot boot without it",
            "rebuild these instances from a version that is there (module instance, state rebuilt), or demolish them",
            **view.concerned_all(thing.labels for thing in things),
        )


def reach(view: View) -> Iterator[Finding]:
    """Versions of which there is one copy only, or that some hosts cannot run."""
    for version in view.versions:
        roots = [d for d in view.master_disks if d.labels["master_id"] == version.master_id and _is_root(d)]
        if not roots:
            continue
        srs = list({disk.sr: view.pool.srs[disk.sr] for disk in roots}.values())
        seeing = {host for sr in srs for host in sr.attached_hosts}
        blind = sorted(host.name for host in view.pool.hosts.values() if host.ref not in seeing)
        if not seeing:
            yield _detached(view, version, roots[0], srs[0])
        elif blind:
            yield _out_of_reach(view, version, roots[0], srs, blind)
        if len(srs) == 1 and (len(view.pool.hosts) > 1 or not srs[0].shared):
            yield _only_copy(view, version, roots[0], srs[0])


def uncached_roots(view: View) -> Iterator[Finding]:
    """Root disks without a parent on SRs where reading through the host's cache matters."""
    replicas = {copy.root.ref for copy in view.copies if copy.root and "replica" in copy.blueprint.labels}
    for disk in view.master_disks:
        sr = view.pool.srs[disk.sr]
        if _is_root(disk) and not disk.parent and sr.type in READ_CACHED:
            yield Finding(
                "master-uncached",
                Severity.NOTE,
                subject(disk),
                f"has no parent: hosts do not cache what they read of {title_of(disk.labels)} from {sr.type} SR "
                f"{sr.name!r}, so many instances that boot at once are slow",
                "nothing, if boots are fast enough: copies on further SRs never have one"
                if disk.ref in replicas
                else "seal and publish the golden VM again: where the SR can snapshot, the new version has a parent",
                **view.concerned(disk.labels),
            )


def twins(view: View) -> Iterator[Finding]:
    """Versions that bear the same number: it is by chance which one a VM pool gets."""
    by_title: dict[str, list[MasterVersion]] = {}
    for version in view.versions:
        if "replica" not in version.blueprint.labels:
            by_title.setdefault(version.title, []).append(version)
    for title, versions in by_title.items():
        if len(versions) > 1:
            uuids = sorted(version.blueprint.uuid for version in versions)
            yield Finding(
                "master-twice",
                Severity.WARNING,
                subject(versions[0].blueprint),
                f"{len(versions)} blueprints are {title}: {', '.join(uuids)}; which one a VM pool gets is by chance",
                "publish a new version and have the VM pools take it; then remove the two",
                **view.concerned_all(version.blueprint.labels for version in versions),
            )


def _is_root(disk: Disk) -> bool:
    return disk.labels.kind == Kind.ROOT.value


def _detached(view: View, version: MasterVersion, root: Disk, sr: StorageRepository) -> Finding:
    return Finding(
        "master-detached",
        Severity.DANGER,
        subject(root),
        f"no host sees SR {sr.name!r} ({sr.uuid}), where {version.title} is: no instance of it can start",
        f"xe pbd-list sr-uuid={sr.uuid}; xe pbd-plug uuid=… for each host",
        **view.concerned(version.blueprint.labels),
    )


def _out_of_reach(
    view: View, version: MasterVersion, root: Disk, srs: list[StorageRepository], blind: list[str]
) -> Finding:
    shared = next((sr for sr in srs if sr.shared), None)
    return Finding(
        "master-out-of-reach",
        Severity.WARNING if shared else Severity.NOTE,
        subject(root),
        f"{listed(blind)} cannot run instances of {version.title}: no copy of it is on an SR that they see",
        f"xe pbd-list sr-uuid={shared.uuid} currently-attached=false; xe pbd-plug uuid=…"
        if shared
        else "publish a replica on an SR that these hosts see (module master_image, option replicas)",
        **view.concerned(version.blueprint.labels),
    )


def _only_copy(view: View, version: MasterVersion, root: Disk, sr: StorageRepository) -> Finding:
    golden_vms = {vm.uuid for vm in view.vms}
    gone = "" if version.blueprint.labels["golden_vm"] in golden_vms else ", and its golden VM is gone"
    return Finding(
        "master-without-replica",
        Severity.NOTE,
        subject(root),
        f"the only copy of {version.title} is on SR {sr.name!r} ({sr.uuid}){gone}: without it no instance of it starts",
        "publish a replica on another SR (module master_image, option replicas)",
        **view.concerned(version.blueprint.labels),
    )
