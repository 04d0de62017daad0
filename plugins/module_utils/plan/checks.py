# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What refuses a plan before anything is written: names, addresses, space."""

from __future__ import annotations

from ..model.instances import instances
from ..model.records import HostPool
from .actions import Create
from .refusal import Refused
from .spec import VmPoolSpec


def check_names(pool: HostPool, spec: VmPoolSpec, creations: list[Create], unfinished: set[str]) -> None:
    """A VM that is not ours may bear the name: creating a second one would confuse people and tools."""
    wanted = {create.name for create in creations}
    for vm in pool.vms.values():
        if vm.name in wanted and not vm.is_snapshot and vm.ref not in unfinished:
            raise Refused(
                f"VM pool {spec.name!r}: there is already a VM called {vm.name!r} ({vm.uuid}) that does not belong "
                "to the pool. Rename it, or choose another instance_name."
            )


def check_addresses(pool: HostPool, creations: list[Create]) -> None:
    taken = {address.partition("/")[0]: instance for instance in instances(pool) for address in instance.addresses}
    for create in creations:
        for address in (a.partition("/")[0] for nic in create.nics for a in nic.addresses):
            if address in taken:
                other = taken[address]
                raise Refused(
                    f"{create.name}: address {address} is used by {other.name} ({other.vm.uuid}) of VM pool "
                    f"{other.pool!r}. Declare another range."
                )


def check_resets(creations: list[Create]) -> None:
    """An overlay can be reset only where the SR knows how."""
    for create in creations:
        sr = create.overlay_sr
        if create.on_boot == "reset" and "VDI_RESET_ON_BOOT" not in sr.features:
            raise Refused(
                f"overlay.on_boot: SR {sr.name!r} ({sr.uuid}) of type {sr.type} cannot reset disks when a VM starts. "
                "Choose another SR (overlay.sr), or on_boot: persist."
            )
