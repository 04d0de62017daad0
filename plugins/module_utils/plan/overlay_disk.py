# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan what is asked for of one overlay disk. Pure: no I/O, clock or randomness."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping

from ..model.chains import LONGEST_CHAIN, Chains
from ..model.instances import Instance, instances, leftovers
from ..model.overlays import Overlay, overlays
from ..model.records import Disk, HostPool
from ..model.upgrades import move_of, title_of
from .action import Action
from .actions import Change, Remove, RemoveOverlay, Tidy, VmPoolPlan
from .changes import Item
from .declaration import SMALLEST_OVERLAY
from .disk_changes import GrowDisk
from .overlay_actions import GrowKept, RemoveSnapshot, TakeSnapshot
from .overlay_changes import DeleteOverlay, ResetOverlay, RevertOverlay
from .refusal import Refused
from .sizes import parse_size_at_least, show_size
from .vm_changes import EndRestart

_SNAPSHOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

#: A snapshot or a revert makes a chain longer by one, and the storage manager needs one more while it coalesces.
_MOST_IMAGES = LONGEST_CHAIN - 2


@dataclass(frozen=True)
class OverlayWish:
    """What is asked for of an instance's overlay; ``size`` in bytes, None = not given."""

    instance: str
    pool: str | None
    state: str  # present, reset, snapshot, reverted, detached, absent
    size: int | None = None
    snapshot: str | None = None
    allow_restart: bool = False
    force: bool = False


def parse_overlay_disk(options: Mapping[str, Any]) -> OverlayWish:
    """Check the options of module overlay_disk and make a wish of them. Raises Refused."""
    state, size, snapshot = options["state"], options.get("size"), options.get("snapshot")
    if size is not None and state != "present":
        raise Refused(f"size: it goes with state present, not with {state}.")
    if state == "snapshot" and snapshot is None:
        raise Refused("snapshot: state snapshot needs a name.")
    if snapshot is not None and state not in ("snapshot", "reverted", "absent"):
        raise Refused(f"snapshot: it goes with states snapshot, reverted and absent, not with {state}.")
    if snapshot is not None and not _SNAPSHOT_NAME.fullmatch(snapshot):
        raise Refused(
            f"snapshot: {snapshot!r} is no name of a snapshot; letters, digits, dots, hyphens and underscores, 63 at "
            "most, a letter or a digit first."
        )
    return OverlayWish(
        instance=options["instance"],
        pool=options.get("pool"),
        state=state,
        size=parse_size_at_least(size, SMALLEST_OVERLAY, "size") if size else None,
        snapshot=snapshot,
        allow_restart=bool(options.get("allow_restart")),
        force=bool(options.get("force")),
    )


def plan_overlay_disk(wish: OverlayWish, pool: HostPool, host_pool: str) -> VmPoolPlan | None:
    """Make the plan that brings an overlay to what is asked for; None when there is none and none is to be.

    Raises Refused when it cannot be.
    """
    overlay = _find_overlay(wish, pool)
    if overlay is None:
        return None
    actions: list[Action] = [
        Tidy(leftover)
        for leftover in leftovers(pool, overlay.pool)
        if overlay.instance and leftover.of and leftover.of.ref == overlay.instance.vm.ref
    ]
    if overlay.instance:
        actions += _with_vm(wish, pool, overlay, overlay.instance)
    else:
        actions += _without_vm(wish, pool, overlay)
    for space in (space for action in actions for space in action.space()):
        if space.now > space.sr.free:
            raise Refused(
                f"{wish.instance}: SR {space.sr.name!r} ({space.sr.uuid}) has {show_size(space.sr.free)} free, "
                f"{show_size(space.now)} are needed. Free space first."
            )
    present = len(instances(pool, overlay.pool))
    return VmPoolPlan(host_pool, overlay.pool, present, None, None, tuple(actions))


def _find_overlay(wish: OverlayWish, pool: HostPool) -> Overlay | None:
    """The overlay of the instance of that name, or None when there is none and none is wanted. Raises Refused."""
    found = [one for one in overlays(pool, wish.pool) if one.name == wish.instance]
    if len(found) > 1:
        where = ", ".join(f"{one.disk.uuid} of VM pool {one.pool!r}" for one in found)
        raise Refused(f"{len(found)} overlays belong to an instance called {wish.instance!r}: {where}. Give its pool.")
    if found:
        return found[0]
    if wish.state in ("absent", "detached"):
        return None
    bare = [one for one in instances(pool, wish.pool) if one.name == wish.instance]
    if bare:
        raise Refused(
            f"{wish.instance} (VM {bare[0].vm.uuid}) has lost its overlay disk. Make it a fresh one by "
            "skinnybox.xenserver.instance with state rebuilt."
        )
    where = f" in VM pool {wish.pool!r}" if wish.pool else ""
    raise Refused(f"There is no instance {wish.instance!r}{where} in host pool {pool.name!r} ({pool.uuid}).")


def _without_vm(wish: OverlayWish, pool: HostPool, overlay: Overlay) -> list[Action]:
    """For an overlay that was kept, or whose VM was deleted by hand."""
    disk = overlay.disk
    if wish.state == "present":
        grows = wish.size is not None and wish.size > disk.size
        return [GrowKept(disk, wish.size, pool.srs[disk.sr])] if grows and wish.size else []
    if wish.state == "absent":
        if wish.snapshot is not None:
            return [RemoveSnapshot(one) for one in _snapshots(overlay, wish.snapshot)]
        return [RemoveOverlay(disk, (*overlay.data_disks, *overlay.snapshots))]
    if wish.state == "detached":
        return []
    raise Refused(
        f"{wish.instance}: overlay {disk.uuid} has no VM. Raise the size of VM pool {overlay.pool!r} to get its "
        f"instance back, then state {wish.state} is possible."
    )


def _with_vm(wish: OverlayWish, pool: HostPool, overlay: Overlay, instance: Instance) -> list[Action]:
    if wish.state == "detached":
        if instance.is_being_removed and not instance.keeps_overlay:
            raise Refused(f"{_who(instance)} is being removed together with its overlay: too late to keep that.")
        return [Remove(instance, "detached", keep_overlay=True)]
    if instance.is_being_removed:
        raise Refused(f"{_who(instance)}: its removal was interrupted. Run skinnybox.xenserver.vm_pool to finish it.")
    if wish.state == "snapshot" and wish.snapshot is not None:
        return _snapshot(wish.snapshot, pool, overlay, instance)
    if wish.state == "absent" and wish.snapshot is not None:
        return [RemoveSnapshot(one) for one in _snapshots(overlay, wish.snapshot)]
    item = _item(wish, pool, overlay, instance)
    if item is not None:
        return [_halted(wish, instance, item)]
    if instance.is_being_restarted and instance.vm.power_state == "Halted" and not move_of(instance.vm):
        return [Change(instance, (EndRestart(),), start=True)]
    return []


def _item(wish: OverlayWish, pool: HostPool, overlay: Overlay, instance: Instance) -> Item | None:
    """The change of a halted instance's overlay."""
    disk, sr = overlay.disk, pool.srs[overlay.disk.sr]
    if wish.state == "reset":
        return ResetOverlay(disk, sr)
    if wish.state == "reverted":
        return _revert(wish, pool, overlay, instance)
    if wish.state == "absent":
        return DeleteOverlay(disk, overlay.snapshots)
    if wish.size is None or wish.size <= disk.size:
        return None
    return GrowDisk(disk, "overlay", wish.size, sr, live=False)


def _snapshot(name: str, pool: HostPool, overlay: Overlay, instance: Instance) -> list[Action]:
    if _snapshots(overlay, name):
        return []
    disk, sr = overlay.disk, pool.srs[overlay.disk.sr]
    if disk.on_boot == "reset":
        raise Refused(f"{_who(instance)}: overlay {disk.uuid} is reset at each boot, so XAPI takes no snapshot of it.")
    if "VDI_SNAPSHOT" not in sr.features:
        raise Refused(f"{_who(instance)}: SR {sr.name!r} ({sr.uuid}) of type {sr.type} cannot take snapshots.")
    _check_chain(instance, pool, disk)
    return [TakeSnapshot(instance, disk, name, sr)]


def _revert(wish: OverlayWish, pool: HostPool, overlay: Overlay, instance: Instance) -> RevertOverlay:
    found = _snapshots(overlay, wish.snapshot) if wish.snapshot else overlay.snapshots
    if not found:
        there = ", ".join(one.labels["snapshot"] for one in overlay.snapshots)
        what = f"no snapshot {wish.snapshot!r}" if wish.snapshot else "no snapshot"
        raise Refused(f"{_who(instance)}: there is {what} of its overlay. There are: {there or 'none'}.")
    snapshot = found[-1]
    was, is_ = snapshot.labels["master_id"], overlay.disk.labels["master_id"]
    if was and was != is_:
        raise Refused(
            f"{_who(instance)}: snapshot {snapshot.labels['snapshot']!r} ({snapshot.uuid}) was taken on "
            f"{title_of(pool, was)}; the instance is on {title_of(pool, is_)} now and would not boot with it. Roll it "
            "back first (module instance, state rolled_back)."
        )
    _check_chain(instance, pool, snapshot)
    return RevertOverlay(overlay.disk, snapshot, pool.srs[snapshot.sr])


def _snapshots(overlay: Overlay, name: str) -> list[Disk]:
    return [one for one in overlay.snapshots if one.labels["snapshot"] == name]


def _check_chain(instance: Instance, pool: HostPool, disk: Disk) -> None:
    depth = Chains(pool).depth(disk)
    if depth > _MOST_IMAGES:
        raise Refused(
            f"{_who(instance)}: disk {disk.uuid} is the end of a chain of {depth} images, {LONGEST_CHAIN} are the "
            "most. Delete snapshots that nobody needs and wait until the SR has coalesced them."
        )


def _halted(wish: OverlayWish, instance: Instance, item: Item) -> Change:
    """The change with what it needs: a halted VM. Raises Refused when that may not be brought about."""
    state = instance.vm.power_state
    if state == "Halted":
        return Change(instance, (item,), start=instance.is_being_restarted and wish.state != "absent")
    if state != "Running":
        raise Refused(f"{_who(instance)} is {state.lower()}: resume or shut it down yourself.")
    if wish.state == "absent":
        if not wish.force:
            raise Refused(f"{_who(instance)} runs: shut it down first, or use force to have that done.")
        return Change(instance, (item,), stop=True, force=True)
    if not wish.allow_restart:
        raise Refused(f"{_who(instance)} runs and needs a restart: shut it down first, or use allow_restart.")
    return Change(instance, (item,), stop=True, start=True)


def _who(instance: Instance) -> str:
    return f"{instance.name} (VM {instance.vm.uuid})"
