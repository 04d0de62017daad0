# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is noted of an instance's master versions: labels of its VM, and keys that the boot hook obeys.

All of these look first: of what is there already, nothing is written.
"""

from __future__ import annotations

import uuid
from typing import Mapping, Sequence

from ..model.boot_report import REPORT_KEY
from ..model.instances import Instance
from ..model.labels import PREFIX
from ..model.masters import MasterVersion
from ..model.upgrades import (
    ABANDONED,
    LABELS,
    NEW_LAYER,
    NEXT_PREVIOUS,
    PREVIOUS,
    REBASE_FROM,
    REBASE_REQUEST,
    UPGRADE_TO,
    move_of,
)
from ..plan.upgrade_changes import REBASE, ForgetPrevious, MoveMaster, SetUpgradeTo
from .master_disks import detach_old_roots, version_labels
from .worksite import Worksite

#: What the boot hook is told.
_ORDERS = (NEW_LAYER, REBASE_FROM, REBASE_REQUEST)


def set_upgrade_to(site: Worksite, instance: Instance, item: SetUpgradeTo) -> None:
    """Note to which version the next restart takes the instance. Raises XapiError."""
    if item.want_id:
        set_labels(site, "VM", instance.vm.ref, {UPGRADE_TO: item.want_id})
    else:
        forget(site, instance, UPGRADE_TO)


def forget_previous(site: Worksite, instance: Instance, _item: ForgetPrevious) -> None:
    """Have the instance go back nowhere any more. Raises XapiError."""
    forget(site, instance, NEXT_PREVIOUS, PREVIOUS, ABANDONED)


def clear(site: Worksite, instance: Instance) -> None:
    """Forget all of an instance's versions but the one that it is made anew on. It is halted. Raises XapiError."""
    detach_old_roots(site, instance.vm.ref)
    silence(site, instance)
    forget(site, instance, *LABELS)


def tell_guest(site: Worksite, instance: Instance, item: MoveMaster) -> None:
    """Have the boot hook know what it is to do without a layer. What an older boot reported goes. Raises XapiError."""
    known = site.read("VM.get_xenstore_data", instance.vm.ref)
    wanted = {NEW_LAYER: item.policy} if item.policy else {}
    if item.policy == REBASE:
        # A move that was interrupted is the same request: a layer that was built for it is not built again.
        is_same = move_of(instance.vm) and known.get(REBASE_FROM) == item.source_id
        request = known.get(REBASE_REQUEST) if is_same else None
        wanted |= {REBASE_FROM: item.source_id, REBASE_REQUEST: request or str(uuid.uuid4())}
    _replace_keys(site, instance, known, (REPORT_KEY, *_ORDERS), wanted)


def silence(site: Worksite, instance: Instance) -> None:
    """The boot hook is told nothing any more. Raises XapiError."""
    _replace_keys(site, instance, site.read("VM.get_xenstore_data", instance.vm.ref), _ORDERS, {})


def _replace_keys(
    site: Worksite, instance: Instance, known: Mapping[str, str], old: Sequence[str], new: Mapping[str, str]
) -> None:
    """Write all keys at once: only so does XAPI take one away from a running guest, which else gives it back."""
    wanted = {**{key: value for key, value in known.items() if key not in old}, **new}
    if wanted != known:
        site.repeat("VM.set_xenstore_data", instance.vm.ref, wanted)


def set_previous(site: Worksite, instance: Instance, ids: tuple[str, ...]) -> None:
    """Write the label anew. Killed at any point, the old list or the new one is there."""
    if ids:
        set_labels(site, "VM", instance.vm.ref, {NEXT_PREVIOUS: " ".join(ids)})
        set_labels(site, "VM", instance.vm.ref, {PREVIOUS: " ".join(ids)})
    else:
        forget(site, instance, PREVIOUS)
    forget(site, instance, NEXT_PREVIOUS)


def label_version(site: Worksite, instance: Instance, master: MasterVersion) -> None:
    """Have overlay and VM say of which version they are: the VM's id last, it says that all else is done."""
    if instance.overlay:
        set_labels(site, "VDI", instance.overlay.ref, version_labels(master))
    set_labels(site, "VM", instance.vm.ref, version_labels(master))


def set_labels(site: Worksite, cls: str, ref: str, labels: Mapping[str, str]) -> None:
    """Give labels these values where they have others, in this order. Raises XapiError."""
    known = site.read(f"{cls}.get_other_config", ref)
    for name, value in labels.items():
        have = known.get(PREFIX + name)
        if have is not None and have != value:
            site.repeat(f"{cls}.remove_from_other_config", ref, PREFIX + name)
        if have != value:
            site.add_key(cls, ref, PREFIX + name, value)


def forget(site: Worksite, instance: Instance, *labels: str) -> None:
    """Remove labels of the VM where there are any, in this order. Raises XapiError."""
    known = site.read("VM.get_other_config", instance.vm.ref)
    for label in labels:
        if PREFIX + label in known:
            site.repeat("VM.remove_from_other_config", instance.vm.ref, PREFIX + label)
