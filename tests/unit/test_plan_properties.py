# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Properties of the plan of a whole host pool: carried out it leaves nothing to do, whatever it found there.

Hosts, SRs and networks of several kinds, two VM pools side by side, and declarations of every word.
"""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.instances import instances
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.plan import Plan, plan_vm_pools
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.saved import check_saved_plan, saved_plan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.spec import VmPoolSpec
from tests.support.model import GIB, World, declaration

MARKS = ("fine", "halted", "unfinished", "deleted", "copied", "detached", "blind", "paused", "meddled")
INTERRUPTED = ("removing", "restarting", "rebuilding")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Three hosts, a shared and a local SR, two master versions, and what people and killed runs leave of two pools."""
    world = World()
    hosts = [world.host, *(world.add_host(f"xen{n}", tags=["web", f"rack:{n % 2}"]) for n in (2, 3))]
    shared = world.add_sr("Shared", type_="nfs", shared=True, hosts=hosts)
    world.add_sr("Thick", type_="lvm", hosts=hosts[1:])
    for host in hosts[1:]:
        world.add("PIF", network=world.network, host=host)
    world.add_network("Storage", *hosts)
    masters = [world.add_master(sr=shared), world.add_master(number=2, promoted=200, sr=shared)]
    for pool in ("web", "db"):
        for number in sorted(draw(st.sets(st.integers(1, 6), max_size=4))):
            _add(draw, world, pool, number, draw(st.sampled_from(masters)), shared)
    world.add_vm("somebody's", draw(st.sampled_from(["Running", "Halted"])))
    return world


def _add(draw: st.DrawFn, world: World, pool: str, number: int, master: str, sr: str) -> None:
    mark = draw(st.sampled_from(MARKS + INTERRUPTED))
    halted = mark in ("halted", "unfinished", "detached") or (mark in INTERRUPTED and draw(st.booleans()))
    vm = world.add_instance(
        number,
        pool=pool,
        blueprint=master,
        sr=sr,
        power_state="Halted" if halted else "Paused" if mark == "paused" else "Running",
        swap=draw(st.booleans()),
        finished=mark != "unfinished",
        addresses=f"10.0.{1 if pool == 'web' else 2}.{10 + number}/24",
    )
    record = world.records["VM"][vm]
    if mark != "unfinished" and draw(st.booleans()):
        world.add_data_disk(vm, draw(st.sampled_from(["data", "logs"])), sr=sr)
    if draw(st.booleans()):
        world.add_guest(vm, draw(st.sampled_from(["yes", "no"])), ("vcpu-hotplug", "balloon"))
    if mark == "meddled":
        record.update(name_label="renamed", blocked_operations={}, VCPUs_max="4", VCPUs_at_startup="4")
    elif mark in INTERRUPTED:
        noted = world.labels(master)["master_id"] if mark == "rebuilding" else "true"
        record["other_config"][f"skinnybox:{mark}"] = noted
    elif mark == "deleted":
        world.remove("VM", vm)
    elif mark == "copied":
        world.copy("VM", vm, "mine")
    elif mark == "detached":
        world.records["VBD"] = {ref: r for ref, r in world.records["VBD"].items() if r["VM"] != vm}
        world.records["VIF"] = {ref: r for ref, r in world.records["VIF"].items() if r["VM"] != vm}
    elif mark == "blind":
        overlay = next(r["VDI"] for r in world.records["VBD"].values() if r["VM"] == vm and r["userdevice"] == "1")
        world.remove("VDI", overlay)


def options(pool: str, subnet: int) -> st.SearchStrategy[dict[str, Any]]:
    """Declarations of a VM pool, with every word."""
    static = {"network": "Production", "ipv4": {"addresses": [f"10.0.{subnet}.11-10.0.{subnet}.90/24"]}}
    return st.fixed_dictionaries(
        {
            "name": st.just(pool),
            "size": st.integers(1, 7),
            "master": st.sampled_from(["noble", "noble:1"]),
            "overlay": st.sampled_from(
                [{}, {"size": "2 GiB"}, {"sr": ["Shared", "Thick"]}, {"sr": "Shared", "on_boot": "reset"}]
            ),
            "swap": st.sampled_from([None, "512 MiB"]),
            "hardware": st.sampled_from(
                [{}, {"vcpus": 2, "memory": "2 GiB"}, {"vcpus": 2, "vcpus_max": 4, "cpu_weight": 512}]
            ),
            "networks": st.sampled_from([[], [static], [static, {"network": "Storage"}]]),
            "disks": st.sampled_from(
                [[], [{"name": "data", "size": "2 GiB"}], [{"name": "data", "size": "1 GiB", "sr": "Shared"}]]
            ),
            "power_state": st.sampled_from(["running", "halted", "unmanaged"]),
            "placement": st.sampled_from(
                [{}, {"spread": "host"}, {"spread": "rack"}, {"hosts": "[?contains(tags, 'web')]", "spread": "host"}]
            ),
            "scale_in": st.fixed_dictionaries(
                {
                    "order": st.sampled_from(["newest", "oldest", "host"]),
                    "overlays": st.sampled_from(["delete", "keep"]),
                }
            ),
            "allow_restart": st.booleans(),
        }
    )


@st.composite
def declarations(draw: st.DrawFn) -> list[VmPoolSpec]:
    """One VM pool or two."""
    both = [draw(options("web", 1)), draw(options("db", 2))]
    return [declaration(**one) for one in both[: draw(st.integers(1, 2))]]


def plan(world: World, specs: list[VmPoolSpec], shuffled: random.Random | None = None) -> Plan:
    """The plan; an example that cannot be met is none."""
    try:
        return plan_vm_pools(specs, world.model(shuffled), "london")
    except Refused:
        assume(False)
        raise


@settings(max_examples=150, deadline=None)
@given(worlds(), declarations())
def test_a_plan_carried_out_leaves_nothing_to_do(world: World, specs: list[VmPoolSpec]) -> None:
    todo = plan(world, specs)
    for part in todo.pools:
        world.carry_out(part)
    again = plan(world, specs)
    assert again.changes == [], again.lines()
    for spec in specs:
        assert len(instances(again.seen, spec.name)) == spec.size


@settings(max_examples=60, deadline=None)
@given(worlds(), declarations(), st.randoms(use_true_random=False))
def test_the_order_of_records_and_pools_does_not_matter(
    world: World, specs: list[VmPoolSpec], source: random.Random
) -> None:
    straight = plan(world, specs)
    shuffled = plan(world, specs[::-1], source)
    assert shuffled.lines() == straight.lines()
    saved = json.loads(json.dumps(saved_plan(straight)))
    check_saved_plan(saved, shuffled)
    assert saved_plan(shuffled) == saved


@settings(max_examples=60, deadline=None)
@given(worlds(), declarations())
def test_what_is_written_to_is_of_the_pool_and_ours(world: World, specs: list[VmPoolSpec]) -> None:
    todo = plan(world, specs)
    things = {thing.uuid: thing for kind in (todo.seen.vms, todo.seen.disks) for thing in kind.values()}
    touched: list[str] = []
    for part in todo.pools:
        for action in part.changes:
            assert all(things[uuid].labels["pool"] == part.vm_pool for uuid in action.objects()), action
            touched += action.objects()
    assert len(touched) == len(set(touched)), "two actions on one object"
    for space in (space for action in todo.actions for space in action.space()):
        assert 0 <= space.now <= space.at_most < 100 * GIB
