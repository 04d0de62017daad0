# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instances that grow where they are: what does not fit is refused, and what fits is not there for new ones."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.plan import plan_vm_pools
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from tests.support.model import GIB, World, declaration

DISK = {"name": "data", "size": "4 GiB", "sr": "LVM"}


def world(memory: int = 16) -> World:
    """Two running instances of 1 GiB on a host of so many GiB, and a thick SR of 10 GiB."""
    world = World()
    world.records["host_metrics"][world.records["host"][world.host]["metrics"]]["memory_total"] = str(memory * GIB)
    world.add_sr("LVM", type_="lvm", size=10 * GIB)
    world.add_master()
    world.add_instance(1)
    world.add_instance(2)
    return world


def plan(world: World, *pools: dict[str, Any]) -> list[str]:
    specs = [declaration(**{"size": 2, "allow_restart": True, **options}) for options in pools]
    return plan_vm_pools(specs, world.model(), "london").lines()


def test_memory_of_running_instances() -> None:
    assert plan(world(), {"hardware": {"memory": "6 GiB"}})[-1].endswith("Restarts: 2.")
    with pytest.raises(Refused, match=r"host 'xen1' \(.*\) has 13 GiB of memory free, 14\.1 GiB more are needed for"):
        plan(world(), {"hardware": {"memory": "8 GiB"}})
    assert plan(world(), {"hardware": {"memory": "8 GiB"}, "allow_restart": False})[-1].endswith("2 need you.")


def test_what_instances_grow_by_is_not_there_for_new_ones() -> None:
    with pytest.raises(Refused, match=r"1 of 3 instances do not fit: each needs 6 GiB of a host's memory, and xen1"):
        plan(world(), {"size": 3, "hardware": {"memory": "6 GiB"}})
    other = {"name": "db", "size": 3, "hardware": {"memory": "4 GiB"}}
    assert plan(world(), {}, other)
    with pytest.raises(Refused, match=r"VM pool 'web': host 'xen1' \(.*\) has [0-9.]+ (M|G)iB of memory free"):
        plan(world(), {"hardware": {"memory": "3 GiB"}}, other)


def test_disks_of_instances_that_are_there() -> None:
    assert plan(world(), {"disks": [DISK]})
    with pytest.raises(Refused, match=r"SR 'LVM' \(.*\) has 10 GiB free, 12 GiB are needed for disks of inst"):
        plan(world(), {"disks": [{**DISK, "size": "6 GiB"}]})
