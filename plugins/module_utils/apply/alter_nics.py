# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the NICs of an instance, which keep their MAC addresses, and remember them in its labels."""

from __future__ import annotations

from ..model.instances import Instance
from ..model.labels import PREFIX
from ..plan.attachments import nic_label
from ..plan.nic_changes import AddNic, MoveNic, PlugNic, RemoveNic
from ..xapi.errors import ApiFailure
from .alter_vm import again
from .nics import create_vif, new_mac
from .worksite import Worksite


def add_nic(site: Worksite, instance: Instance, item: AddNic, running: bool) -> None:
    """Make a NIC and have a running guest see it. Raises XapiError."""
    vif = create_vif(site, instance.vm.ref, item.device, item.network.ref, item.mac or new_mac())
    if running:
        _plug(site, vif)
    note_nics(site, instance)


def plug_nic(site: Worksite, _instance: Instance, item: PlugNic, running: bool) -> None:
    """Have a running guest see a NIC; a halted one will. Raises XapiError."""
    if running:
        _plug(site, item.nic.ref)


def move_nic(site: Worksite, instance: Instance, item: MoveNic, _running: bool) -> None:
    """Put a NIC on another network. Raises XapiError."""
    again(site, "VIF.move", item.nic.ref, item.network.ref)
    note_nics(site, instance)


def remove_nic(site: Worksite, instance: Instance, item: RemoveNic, running: bool) -> None:
    """Remove a NIC. It is forgotten first: what the labels remember would be given back. Raises XapiError."""
    note_nics(site, instance, without=item.nic.ref)
    if running and item.nic.attached:
        _unplug(site, item.nic.ref)
    site.destroy("VIF", item.nic.ref)


def note_nics(site: Worksite, instance: Instance, without: str = "") -> None:
    """Have the labels of the overlay and of the VM, in this order, say which NICs there are. Raises XapiError."""
    networks = {network.ref: network.uuid for network in site.pool.networks.values()}
    found = []
    for vif in site.read("VM.get_VIFs", instance.vm.ref):
        if vif != without:
            record = site.read("VIF.get_record", vif)
            found.append((int(record["device"]), record["MAC"], networks.get(record["network"], "")))
    text = nic_label(sorted(found))
    if instance.overlay:
        set_label(site, "VDI", instance.overlay.ref, "nics", text)
    set_label(site, "VM", instance.vm.ref, "nics", text)


def set_label(site: Worksite, cls: str, ref: str, name: str, value: str) -> None:
    """Give a label of an object of ours another value. Raises XapiError."""
    site.repeat(f"{cls}.remove_from_other_config", ref, PREFIX + name)
    site.add_key(cls, ref, PREFIX + name, value)


def _plug(site: Worksite, vif: str) -> None:
    _switch(site, vif, "VIF.plug", True)


def _unplug(site: Worksite, vif: str) -> None:
    _switch(site, vif, "VIF.unplug", False)


def _switch(site: Worksite, vif: str, method: str, attached: bool) -> None:
    """Plug or unplug once. One that is so already is fine."""

    def look() -> str | None:
        return "" if site.read("VIF.get_currently_attached", vif) is attached else None

    try:
        site.settle(lambda: site.run(method, vif), look)
    except ApiFailure as failure:
        if failure.code not in ("DEVICE_ALREADY_ATTACHED", "DEVICE_ALREADY_DETACHED"):
            raise
