# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an instance's NICs differ from the declared ones: their number, and the network of each. Pure.

A NIC keeps its MAC address, by which the guest knows it.
"""

from __future__ import annotations

from typing import Iterator, Sequence

from ..model.instances import Instance
from ..model.records import HostPool, Network, NetworkInterface
from .attachments import parse_nic_label
from .changes import Item
from .nic_changes import AddNic, MoveNic, NoteNics, PlugNic, RemoveNic
from .spec import NetworkSpec

#: The networks of an instance's NICs, in order, each with what was declared of it.
Networks = Sequence[tuple[Network, NetworkSpec]]


def nic_items(wanted: Networks, pool: HostPool, instance: Instance) -> list[Item]:
    """What of the NICs is to be changed. Without a network's name, any network will do."""
    items = [item for device, wish in enumerate(wanted) for item in _nic(*wish, device, pool, instance)]
    items += _surplus(len(wanted), pool, instance)
    if not any(isinstance(item, (AddNic, MoveNic, RemoveNic)) for item in items) and _forgotten(pool, instance):
        items.append(NoteNics())
    return items


def _nic(network: Network, wish: NetworkSpec, device: int, pool: HostPool, instance: Instance) -> Iterator[Item]:
    vm = instance.vm
    running = vm.power_state == "Running"
    nic = next((nic for nic in vm.interfaces if nic.device == device), None)
    if nic is None:
        macs = {device: mac for device, mac, _network in parse_nic_label(vm.labels["nics"])}
        yield AddNic(device, network, macs.get(device, ""), live=not running or vm.abilities.plug_nics)
        return
    if wish.network is not None and nic.network != network.ref:
        reached = not running or not network.hosts or vm.host in network.hosts
        yield MoveNic(nic, _network_name(pool, nic), network, live=reached)
    if running and not nic.attached:
        yield PlugNic(nic, live=vm.abilities.plug_nics)


def _surplus(number: int, pool: HostPool, instance: Instance) -> Iterator[RemoveNic]:
    vm = instance.vm
    for nic in vm.interfaces:
        if nic.device >= number:
            free = vm.power_state != "Running" or not nic.attached or vm.abilities.plug_nics
            yield RemoveNic(nic, _network_name(pool, nic), live=free)


def _forgotten(pool: HostPool, instance: Instance) -> bool:
    """Whether the label says something else than what is there."""
    noted = set(parse_nic_label(instance.vm.labels["nics"]))
    return noted != {
        (nic.device, nic.mac, pool.networks[nic.network].uuid if nic.network in pool.networks else "")
        for nic in instance.vm.interfaces
    }


def _network_name(pool: HostPool, nic: NetworkInterface) -> str:
    network = pool.networks.get(nic.network)
    return network.name if network else "a network that is gone"
