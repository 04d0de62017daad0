# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the rebuilding of an instance: what it gets anew, and on which master version. Pure."""

from __future__ import annotations

from dataclasses import replace

from ..model.instances import REBUILDING, Instance
from ..model.masters import MasterVersion, master_versions
from ..model.records import HostPool
from .actions import Reattach
from .attachments import lost_attachments
from .changes import Item
from .creation import create_instance, networks_of
from .disk_changes import GrowDisk, SetOnBoot, SetSwap
from .drift import Drift
from .instance_actions import Rebuild
from .lookup import find_sr
from .refusal import Refused
from .sizes import show_size
from .spec import VmPoolSpec
from .vm_changes import EndRestart

#: Differences that a rebuild makes vanish by itself; those of data disks, which stay, are not among them.
_REPLACED = (SetOnBoot, SetSwap, EndRestart)


def plan_rebuild(
    spec: VmPoolSpec, pool: HostPool, drift: Drift, instance: Instance, master: MasterVersion, reason: str, start: bool
) -> Rebuild:
    """Rebuild an instance as ``spec`` declares it, on this master version. Raises Refused when that cannot be."""
    create = create_instance(spec, pool, master, networks_of(spec, pool, master), (), instance.number, instance.name)
    overlay = instance.overlay
    allowed = [find_sr(pool, name) for name in spec.overlay.srs]
    if overlay and (not allowed or overlay.sr in [sr.ref for sr in allowed]):
        allowed = [pool.srs[overlay.sr]]
    create = replace(create, overlay_sr=allowed[0] if allowed else create.overlay_sr)
    rebuild = Rebuild(instance, create, _items(drift, instance), start, reason, _lost(pool, drift, instance))
    for space in rebuild.space():
        if space.now > space.sr.free:
            raise Refused(
                f"{instance.name}: SR {space.sr.name!r} ({space.sr.uuid}) has {show_size(space.sr.free)} free, "
                f"{show_size(space.now)} are needed beside what the instance has. Free space first."
            )
    return rebuild


def _items(drift: Drift, instance: Instance) -> tuple[Item, ...]:
    """What is to be changed of the VM besides; the guest gets to know its NICs anew."""
    found = (item for item in drift.of(instance).items if not isinstance(item, _REPLACED))
    return tuple(item for item in found if not (isinstance(item, GrowDisk) and item.disk == instance.overlay))


def _lost(pool: HostPool, drift: Drift, instance: Instance) -> Reattach | None:
    """What the VM has lost of that which it keeps; declared NICs are among its differences."""
    lost = lost_attachments(pool, instance, None, start=False)
    if lost is None:
        return None
    nics = () if drift.wish.networks else lost.nics
    lost = replace(lost, overlay=None, swap=None, nics=nics)
    return lost if lost.nics or lost.disks else None


def version_to_finish(pool: HostPool, instance: Instance, wanted: MasterVersion) -> MasterVersion:
    """The version to which an interrupted rebuild was going; ``wanted`` when that is gone."""
    noted = instance.vm.labels[REBUILDING]
    return next((v for v in master_versions(pool) if v.master_id == noted and not v.missing), wanted)
