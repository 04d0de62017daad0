# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the move of an instance to another master version: what is attached where, and what the guest is told. Pure."""

from __future__ import annotations

from typing import Iterable, Iterator

from ..model.boot_report import boot_report
from ..model.instances import Instance
from ..model.labels import Kind
from ..model.masters import MasterVersion, master_versions
from ..model.records import Attachment, Disk, Host, HostPool, VirtualMachine
from ..model.upgrades import ABANDONED, UPGRADE_TO, move_of, previous_of, title_of
from .attachments import FIRST_DATA_DISK, ROOT
from .hosts import visible_srs
from .refusal import Refused
from .upgrade_changes import CREATE, REBASE, MoveMaster
from .vm_changes import SetKey

#: XAPI's guests have positions 0 to 254.
_POSITIONS = 255

#: What firmware a blueprint is for stands in two maps of its VM. What people call each key.
_FIRMWARE = (
    ("HVM_boot_params", "order", "boot order"),
    ("HVM_boot_params", "firmware", "firmware"),
    ("platform", "secureboot", "Secure Boot"),
)


def version_by_id(pool: HostPool, master_id: str) -> MasterVersion | None:
    """The complete version with this id; None when it is gone."""
    return next((v for v in master_versions(pool) if v.master_id == master_id and not v.missing), None)


def source_id_of(vm: VirtualMachine) -> str:
    """The version that an instance leaves, or has left in the move that it is in."""
    labels, move = vm.labels, move_of(vm)
    if move and not move.is_back and labels["master_id"] in ("", move.target):
        return next(iter(previous_of(labels)), "")
    return labels["master_id"]


def plan_upgrade(pool: HostPool, instance: Instance, target: MasterVersion) -> MoveMaster:
    """The move of an instance to a version, on which it gets its changes carried over. Raises Refused."""
    overlay, vm = instance.overlay, instance.vm
    if overlay is None:
        raise Refused(f"{_who(instance)} has lost its overlay disk: rebuild it (module instance, state rebuilt).")
    source_id = source_id_of(vm)
    source = _as_it_has_it(version_by_id(pool, source_id), instance)
    carries = overlay.on_boot == "persist"
    if carries and (source is None or source.root is None):
        raise Refused(
            f"{_who(instance)}: its own version {title_of(pool, source_id)} is gone, from which its changes would be "
            "carried over. Rebuild it (module instance, state rebuilt)."
        )
    root = source.root if source and carries else None
    previous = previous_of(vm.labels)
    before = tuple(one for one in previous if one != source_id)
    return MoveMaster(
        target=_fitting_copy(pool, instance, target, [root] if root else []),
        source=source,
        source_id=source_id,
        source_title=title_of(pool, source_id),
        is_back=False,
        policy=REBASE if carries else CREATE,
        position=_position_of(pool, instance, root) if root else "",
        before=before,
        previous=tuple(one for one in (source_id, *before) if one != target.master_id),
        boot=tuple(_firmware_items(vm, target.blueprint)),
        live=vm.power_state != "Running",
    )


def plan_rollback(pool: HostPool, instance: Instance, target: MasterVersion) -> MoveMaster:
    """The move of an instance back to a version on which it has a layer from before. Raises Refused."""
    vm, overlay = instance.vm, instance.overlay
    if overlay is None:
        raise Refused(f"{_who(instance)} has lost its overlay disk: rebuild it (module instance, state rebuilt).")
    move, previous = move_of(vm), previous_of(vm.labels)
    source_id = vm.labels["master_id"]
    if source_id in ("", target.master_id):
        source_id = vm.labels[ABANDONED]  # what it has left
    if move and not move.has_arrived and not move.is_back:
        source_id = move.target  # it got half way there
    index = previous.index(target.master_id) + 1 if target.master_id in previous else 0
    return MoveMaster(
        target=_fitting_copy(pool, instance, target, ()),
        source=_as_it_has_it(version_by_id(pool, source_id), instance),
        source_id=source_id,
        source_title=title_of(pool, source_id),
        is_back=True,
        policy=CREATE if overlay.on_boot == "reset" else "",
        position="",
        before=previous,
        previous=previous[index:],
        boot=tuple(_firmware_items(vm, target.blueprint)),
        live=vm.power_state != "Running",
    )


def next_restart(pool: HostPool, instance: Instance) -> MoveMaster | None:
    """The move that the instance's next restart is to make. Raises Refused when it cannot be made."""
    wanted, labels = instance.vm.labels[UPGRADE_TO], instance.vm.labels
    if not wanted or wanted == labels["master_id"] or move_of(instance.vm):
        return None
    version = version_by_id(pool, wanted)
    if version is None:
        raise Refused(f"{_who(instance)}: version {title_of(pool, wanted)} is gone.")
    return plan_upgrade(pool, instance, version)


def old_roots(pool: HostPool, instance: Instance) -> list[tuple[Attachment, str]]:
    """Roots that are attached to an instance besides the one that it boots from, with the master ids of these."""
    attached = ((a, pool.disks.get(a.vdi)) for a in instance.vm.attachments)
    roots = [(a, disk) for a, disk in attached if disk and disk.labels.kind == Kind.ROOT.value]
    if not any(attachment.position == ROOT for attachment, _disk in roots):
        return []  # somebody has put its own elsewhere
    return [(attachment, disk.labels["master_id"]) for attachment, disk in roots if attachment.position != ROOT]


def is_running_as_it_should(instance: Instance) -> bool:
    """Whether the instance has reported that it runs on the version that it is to be on."""
    return boot_report(instance.vm.xenstore_data).is_running_on(instance.vm.labels["master_id"])


def _as_it_has_it(version: MasterVersion | None, instance: Instance) -> MasterVersion | None:
    return version.used_by(instance.vm, instance.overlay) if version else None


def _fitting_copy(pool: HostPool, instance: Instance, version: MasterVersion, others: Iterable[Disk]) -> MasterVersion:
    """The version through a copy that some host sees together with the instance's other disks. Raises Refused."""
    vm = instance.vm
    own = [disk for disk in instance.disks if any(a.vdi == disk.ref for a in vm.attachments)]
    needed = {disk.sr for disk in (*own, *others)} | ({instance.overlay.sr} if instance.overlay else set())
    preferred = version.used_by(vm, instance.overlay)
    copies = [copy for copy in version.copies if not copy.missing]
    copies.sort(key=lambda copy: copy.blueprint.ref != preferred.blueprint.ref)
    for hosts in ([pool.hosts[vm.host]] if vm.host in pool.hosts else [], list(pool.hosts.values())):
        for copy in copies:
            srs = needed | {disk.sr for disk in (copy.root, copy.boot) if disk}
            if any(_sees(pool, host, srs) for host in hosts):
                return version.through(copy)
    names = " and ".join(sorted(f"{pool.srs[sr].name!r} ({sr_uuid})" for sr, sr_uuid in _uuids(pool, needed)))
    where = ", ".join(sorted({pool.srs[copy.root.sr].name for copy in copies if copy.root}))
    raise Refused(
        f"{_who(instance)}: no host that sees its disks on {names} also sees a copy of {version.title}, which is on "
        f"{where}. Copy it to another SR (module master_image, replicas)."
    )


def _sees(pool: HostPool, host: Host, srs: Iterable[str]) -> bool:
    return host.live and set(srs) <= visible_srs(pool, host)


def _uuids(pool: HostPool, srs: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((sr, pool.srs[sr].uuid) for sr in srs)


def _position_of(pool: HostPool, instance: Instance, root: Disk) -> str:
    """Where a root is attached for a rebase: where it is already, or at the lowest free position. Raises Refused."""
    attachments = instance.vm.attachments
    for attachment in attachments:
        if attachment.vdi == root.ref and attachment.position.isdecimal() and attachment.position != ROOT:
            return attachment.position
    taken = {attachment.position for attachment in attachments}
    taken |= {disk.labels["position"] for disk in instance.data_disks}
    free = (str(n) for n in range(FIRST_DATA_DISK, _POSITIONS) if str(n) not in taken)
    position = next(free, None)
    if position is None:
        raise Refused(f"{_who(instance)}: no position is free at which its old root could be attached. Detach a disk.")
    return position


def _firmware_items(vm: VirtualMachine, blueprint: VirtualMachine) -> Iterator[SetKey]:
    """How an instance's firmware differs from what a version's boot CD is made for."""
    for field, key, what in _FIRMWARE:
        of_vm, of_blueprint = getattr(vm, _FIELDS[field]), getattr(blueprint, _FIELDS[field])
        have, want = of_vm.get(key, ""), of_blueprint.get(key, "")
        if have != want:
            yield SetKey(field, key, what, have, want, live=True)


#: What the model calls these fields of XAPI's.
_FIELDS = {"HVM_boot_params": "boot_params", "platform": "platform"}


def _who(instance: Instance) -> str:
    return f"{instance.name} (VM {instance.vm.uuid})"
