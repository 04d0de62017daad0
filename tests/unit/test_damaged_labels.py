# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Anybody can change labels, which are in other_config: whatever is lost or spoilt, nothing ends in a traceback."""

from __future__ import annotations

from contextlib import suppress

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import instance_facts, master_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.instances import instances
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.masters import master_versions
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import HostPool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan import master as plan_master
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.guards.check import findings
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.vm_pool import plan_absence, plan_vm_pool
from tests.support.model import World, declaration

SPOILT = (None, "", "x", "-1", "²", "1=2/3 4")


def site() -> World:
    """An instance that runs, one that is halted and lost its NIC, an overlay without a VM, one that is being made."""
    world = World()
    world.add_master()
    for number in (1, 2, 3):
        world.add_instance(number, swap=True, power_state="Running" if number == 1 else "Halted")
    world.records["VIF"].popitem()
    world.remove("VM", next(vm for vm, r in world.records["VM"].items() if r["name_label"] == "web-003"))
    world.add_instance(4, finished=False, power_state="Halted")
    return world


def labelled(world: World) -> list[tuple[str, str, str]]:
    """Class, reference and key of every label."""
    return [
        (cls, ref, key)
        for cls in ("VM", "VDI")
        for ref, record in world.records[cls].items()
        for key in record["other_config"]
    ]


def use(model: HostPool) -> None:
    """Everything that looks at labels."""
    versions = master_versions(model)
    for version in versions:
        master_facts(model, version, versions)
        plan_master.in_use(model, version)
    for instance in instances(model):
        instance_facts(model, instance)
    plan_master.remains(model, "noble")
    plan_master.next_number(model, "noble")
    findings(model)
    plan_absence("web", model, "london")
    with suppress(Refused):
        plan_vm_pool(declaration(size=5), model, "london")


@pytest.mark.parametrize("value", SPOILT)
def test_no_label_that_is_lost_or_spoilt_ends_in_a_traceback(value: str | None) -> None:
    for cls, ref, key in labelled(site()):
        world = site()
        if value is None:
            del world.records[cls][ref]["other_config"][key]
        else:
            world.records[cls][ref]["other_config"][key] = value
        use(world.model())
