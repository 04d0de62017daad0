# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rebuild an instance: a fresh overlay and swap disk in the places of the old ones, the VM stays.

The VM bears the label ``rebuilding`` (the master version's id) from before its shutdown until all is in place, so
that a rebuild that was interrupted is done again, and ``restarting`` until it runs when it is to be started.
"""

from __future__ import annotations

import uuid

from ..model.instances import REBUILDING, RESTARTING
from ..model.labels import PREFIX
from ..plan.actions import NicPlan
from ..plan.attachments import OVERLAY, nic_label
from ..plan.creation import automatic_nic
from ..plan.instance_actions import Rebuild
from ..plan.spec import VmPoolSpec
from ..seed.host_keys import generate_host_key
from .alter import do_items, forget_restart
from .alter_disks import disk_labels, replace_swap
from .alter_nics import set_label
from .change import check_vm, reattach
from .master_disks import attach_master, version_labels
from .power import shut_down_vm, start_placed
from .replace import replace_disk
from .seeding import make_overlay
from .upgrade_notes import clear
from .worksite import Worksite


def rebuild(site: Worksite, spec: VmPoolSpec, action: Rebuild) -> None:
    """Do all that the action says. Raises XapiError, ToolError."""
    instance, create = action.instance, action.create
    vm = instance.vm.ref
    check_vm(site, instance.vm)
    set_label(site, "VM", vm, REBUILDING, create.master.master_id)
    if action.start:
        site.add_key("VM", vm, PREFIX + RESTARTING, "true")
    shut_down_vm(site, vm, force=action.force)
    if action.lost:
        reattach(site, action.lost)
    do_items(site, instance, action.items, running=False)
    clear(site, instance)
    _repoint(site, action)
    _replace_overlay(site, spec, action)
    _replace_swap(site, action)
    site.repeat("VM.remove_from_other_config", vm, PREFIX + REBUILDING)
    if action.start:
        start_placed(site, vm, site.pool.hosts.get(instance.vm.host), pinned=False)
    forget_restart(site, vm)


def _repoint(site: Worksite, action: Rebuild) -> None:
    """Attach root and boot CD of the master version, where others are."""
    master, vm = action.create.master, action.instance.vm.ref
    attach_master(site, vm, master)
    if action.instance.vm.labels["master_id"] != master.master_id:
        # The id last: by it the version counts as used.
        for name, value in version_labels(master).items():
            set_label(site, "VM", vm, name, value)
        site.done(f"master {master.title}")


def _replace_overlay(site: Worksite, spec: VmPoolSpec, action: Rebuild) -> None:
    """Make an overlay with a new identity, and put it in the old one's place."""
    instance, create = action.instance, action.create
    vm, old = instance.vm.ref, instance.overlay
    host_key, nics = generate_host_key(instance.name), _nics(site, action)
    labels = {**disk_labels(instance), **version_labels(create.master)} | ({"replaces": old.uuid} if old else {})
    new = make_overlay(site, spec, create, nics, host_key, labels, machine=str(uuid.uuid4()), finished=False)
    noted = nic_label([(nic.device, mac, nic.network.uuid) for nic, mac in nics])
    addresses = " ".join(address for nic, _mac in nics for address in nic.addresses)
    for name, value in (("nics", noted), ("addresses", addresses), ("host_key", host_key.public)):
        set_label(site, "VM", vm, name, value)
    replace_disk(site, instance, old, new, OVERLAY)
    site.done("overlay made anew")


def _nics(site: Worksite, action: Rebuild) -> list[tuple[NicPlan, str]]:
    """What the guest is to know of the NICs that the VM has, with their MAC addresses."""
    planned = {nic.device: nic for nic in action.create.nics}
    found = []
    for vif in site.read("VM.get_VIFs", action.instance.vm.ref):
        record = site.read("VIF.get_record", vif)
        device, network = int(record["device"]), site.pool.networks.get(record["network"])
        if nic := planned.get(device) or (network and automatic_nic(device, network)):
            found.append((nic, str(record["MAC"])))
    return sorted(found, key=lambda pair: pair[0].device)


def _replace_swap(site: Worksite, action: Rebuild) -> None:
    """What the old system has swapped out is worth nothing to the new one."""
    create = action.create
    labels = {**disk_labels(action.instance), **version_labels(create.master)}
    replace_swap(site, action.instance, create.overlay_sr.ref, create.swap_size or 0, labels)
    if create.swap_size:
        site.done("swap disk made anew")
