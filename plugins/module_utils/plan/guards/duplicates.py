# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of what must be there once only: names, MAC addresses, addresses, identities. Pure."""

from __future__ import annotations

import ipaddress
from typing import Iterable, Iterator, TypeVar

from ...model.labels import Kind
from ...model.records import NetworkInterface, VirtualMachine
from .finding import Finding, Severity, subject, subject_of_vif
from .view import View, listed, machines

T = TypeVar("T")


def names(view: View) -> Iterator[Finding]:
    """Instances with whom another VM shares its name."""
    for name, vms in _grouped((vm.name, vm) for vm in machines(view)).items():
        ours = [vm for vm in vms if vm.is_ours(Kind.INSTANCE)]
        if len(vms) > 1 and ours:
            yield Finding(
                "duplicate-name",
                Severity.WARNING,
                subject(ours[0]),
                f"{len(vms)} VMs are called {name!r}: {listed(sorted(vm.uuid for vm in vms))}; who acts by name may "
                "hit the wrong one",
                "rename the VM that is no instance (xe vm-param-set uuid=… name-label=…)",
                **_concerned(view, vms),
            )


def macs(view: View) -> Iterator[Finding]:
    """Instances with whose NIC another VM's shares its MAC address."""
    vifs = ((vif.mac.lower(), (vm, vif)) for vm in machines(view) for vif in vm.interfaces)
    for mac, found in _grouped(vifs).items():
        ours = [vif for vm, vif in found if vm.is_ours(Kind.INSTANCE)]
        vms = [vm for vm, _vif in found]
        if len(found) > 1 and ours:
            yield Finding(
                "duplicate-mac",
                Severity.DANGER if _clash(found) else Severity.WARNING,
                subject_of_vif(view.pool, ours[0]),
                f"{listed(sorted(vm.name for vm in vms))} have the MAC address {mac}",
                "give the VM that is no instance another one (xe vif-destroy, xe vif-create … mac=random); an instance "
                "is known to its guest by it",
                **_concerned(view, vms),
            )


def addresses(view: View) -> Iterator[Finding]:
    """Static addresses of instances that another instance has, or that another VM's guest reports."""
    static = [(_plain(address), instance.vm) for instance in view.instances for address in instance.addresses]
    reported = ((_plain(address), vm) for vm in machines(view) for address in vm.addresses)
    wanted = {address for address, _vm in static}
    users = _grouped([*static, *((address, vm) for address, vm in reported if address in wanted)])
    for address, found in users.items():
        vms = list({vm.ref: vm for vm in found}.values())
        if len(vms) > 1:
            yield Finding(
                "duplicate-address",
                Severity.DANGER if _running(vms) > 1 else Severity.WARNING,
                subject(vms[0]),
                f"{listed(sorted(vm.name for vm in vms))} have the address {address}",
                "give the other VM another address, or declare another range for the VM pool and rebuild the instance",
                **_concerned(view, vms),
            )


def identities(view: View) -> Iterator[Finding]:
    """Several VMs that are, or boot with the overlay of, one and the same instance."""
    bearers: dict[str, dict[str, VirtualMachine]] = {}
    for vm in machines(view):
        for identity in {vm.labels["instance"], *_overlays_of(view, vm)} - {""}:
            bearers.setdefault(identity, {})[vm.ref] = vm
    for found in bearers.values():
        vms = list(found.values())
        ours = [vm for vm in vms if vm.is_ours(Kind.INSTANCE)]
        clash = _running(vms) > 1
        if clash or len(ours) > 1:
            yield Finding(
                "duplicate-identity",
                Severity.DANGER if clash else Severity.WARNING,
                subject((ours or vms)[0]),
                f"{listed(sorted(f'{vm.name} ({vm.uuid})' for vm in vms))} are one and the same machine: hostname, "
                "machine-id and SSH host key are of one overlay and its copy",
                "shut down the one that is not wanted (xe vm-shutdown uuid=…) and remove it with its overlay's copy",
                **_concerned(view, vms),
            )


def _overlays_of(view: View, vm: VirtualMachine) -> Iterator[str]:
    """The instances of whom a VM has an overlay, or a copy of one, attached read-write."""
    for vbd in vm.attachments:
        disk = view.pool.disks.get(vbd.vdi)
        if disk and vbd.mode == "RW" and disk.labels.kind == Kind.OVERLAY.value:
            yield disk.labels["instance"]


def _grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def _running(vms: Iterable[VirtualMachine]) -> int:
    return sum(vm.power_state == "Running" for vm in vms)


def _clash(found: list[tuple[VirtualMachine, NetworkInterface]]) -> bool:
    """Whether two NICs of running VMs meet in one network."""
    networks = [vif.network for vm, vif in found if vm.power_state == "Running"]
    return len(networks) > len(set(networks))


def _plain(address: str) -> str:
    """An address in its usual spelling, without prefix length."""
    text = address.partition("/")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def _concerned(view: View, vms: Iterable[VirtualMachine]) -> dict[str, tuple[str, ...]]:
    return view.concerned_all(vm.labels for vm in vms if vm.labels.kind)
