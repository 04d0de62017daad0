# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What refuses a plan before anything is written: names, addresses, space."""

from __future__ import annotations

from ..model.instances import instances
from ..model.records import HostPool, StorageRepository
from .actions import Create
from .refusal import Refused
from .sizes import show_size
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


def check_space(sr: StorageRepository, creations: list[Create]) -> None:
    needed = sum(create.bytes_now for create in creations if create.overlay_sr.ref == sr.ref)
    if needed > sr.free:
        raise Refused(
            f"SR {sr.name!r} ({sr.uuid}) has {show_size(sr.free)} free, {show_size(needed)} are needed for "
            f"the disks of {len(creations)} new instances. Free space or choose another SR (overlay.sr)."
        )
