# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of a master version on the local SRs of two hosts, and instances that are made from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ansible import Result, arguments_of, run_module, zygote
from tests.support.gate import NEVER, Gate, Point, gate_of
from tests.support.golden import Golden, make_golden
from tests.support.lab import Lab, new_lab
from tests.support.state import disk_names, find_vm, names, picture, sha256_of

KILLED = -9
LOCAL = "Local storage"
PUBLICATION: dict[str, Any] = {"name": "noble", "golden_vm": "noble-golden"}
REPLICATION: dict[str, Any] = {**PUBLICATION, "replicas": [LOCAL]}


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Two hosts, each with an SR of its own; the golden VM is on the shared one."""
    with new_lab("--hosts", "2") as lab:
        yield lab


@pytest.fixture
def golden(lab: Lab) -> Golden:
    return make_golden(lab)


def run(lab: Lab, module: str = "master_image", fails: bool = False, **options: Any) -> Result:
    lab.reset_calls()
    result = run_module(lab, module, **options)
    assert result.failed is fails, result.msg
    return result


def local_srs(lab: Lab) -> dict[str, str]:
    """The host of each local SR, by references."""
    records = lab.xapi.PBD.get_all_records().values()
    return {r["SR"]: r["host"] for r in records if lab.xapi.SR.get_name_label(r["SR"]) == LOCAL}


def disk_at(lab: Lab, vm: str, position: str) -> str:
    vbds = [lab.xapi.VBD.get_record(vbd) for vbd in lab.xapi.VM.get_VBDs(find_vm(lab, vm))]
    return str(next(vbd["VDI"] for vbd in vbds if vbd["userdevice"] == position))


def test_copies_on_the_srs_of_all_hosts_and_instances_that_boot_from_them(lab: Lab, golden: Golden) -> None:
    nothing = picture(lab)
    made = run(lab, **REPLICATION)
    image = made["master_image"]
    uuids = sorted(lab.xapi.SR.get_uuid(sr) for sr in local_srs(lab))
    assert made["plan_text"][1:] == [*(f"noble:1 copied to SR {LOCAL} ({uuid})" for uuid in uuids), "noble:1 promoted"]
    assert [copy["root"]["sr"] for copy in image["replicas"]] == [LOCAL, LOCAL]
    for copy in image["replicas"]:
        assert sha256_of(lab, lab.xapi.VDI.get_by_uuid(copy["root"]["uuid"])) == sha256_of(lab, golden.root)
        blueprint = lab.xapi.VM.get_record(lab.xapi.VM.get_by_uuid(copy["blueprint"]))
        assert blueprint["is_a_template"]
        assert {"start", "destroy"} <= set(blueprint["blocked_operations"])
    assert not run(lab, **REPLICATION)["changed"]
    assert lab.writes() == []
    assert [version["version"] for version in run_module(lab, "master_image_info")["master_images"]] == [1]

    web = {"name": "web", "size": 4, "master": "noble", "overlay": {"sr": LOCAL}, "placement": {"spread": "host"}}
    run(lab, "vm_pool", **web)
    srs = local_srs(lab)
    homes = []
    for number in range(1, 5):
        name = f"web-00{number}"
        home = lab.xapi.VM.get_resident_on(find_vm(lab, name))
        homes.append(home)
        assert [srs[lab.xapi.VDI.get_SR(disk_at(lab, name, position))] for position in "013"] == [home] * 3
    assert sorted(map(homes.count, srs.values())) == [2, 2]
    assert not run(lab, "vm_pool", **web)["changed"]
    assert "4 instance(s) use it" in run(lab, fails=True, name="noble", state="retired", version=1).msg
    run(lab, "vm_pool", name="web", state="absent")
    run(lab, name="noble", state="retired", version=1)
    assert picture(lab) == nothing


def test_a_copy_may_be_the_last_one(lab: Lab, golden: Golden) -> None:
    """The first copy's root is deleted by hand while nobody runs: the others serve, and can be copied from."""
    run(lab, **REPLICATION)
    lab.xapi.VDI.destroy(disk_at(lab, "noble:1", "0"))
    run(lab, "vm_pool", name="web", size=1, master="noble")
    assert lab.xapi.VDI.get_SR(disk_at(lab, "web-001", "0")) in local_srs(lab)
    run(lab, "vm_pool", name="web", state="absent")
    run(lab, name="noble", state="retired", version=1)
    assert names(lab, "noble:") == disk_names(lab, "noble:") == []


def kill(gate: Gate, point: Point, options: dict[str, Any]) -> None:
    process = gate.arm(point)
    process.set_result(zygote().start("master_image", arguments_of(gate.lab, gate.url, False, False, options)))
    status, out, err = zygote().wait()
    assert status == (0 if point == NEVER else KILLED), f"{point}: {out}{err}"
    gate.settle()


def test_a_copy_that_is_killed_anywhere_is_made_by_the_next_run(lab: Lab, golden: Golden) -> None:
    run(lab, **PUBLICATION)
    run(lab, "vm_pool", name="web", size=1, master="noble")  # the version is in use all the time
    options = {**PUBLICATION, "replicas": [lab.xapi.SR.get_uuid(min(local_srs(lab)))]}
    with gate_of(lab) as gate:
        kill(gate, NEVER, options)
        points = [Point(call, nth, "after") for call, count in gate.writes.items() for nth in range(1, count + 1)]
        clean = picture(lab)
        assert {"Async.VDI.create", "Async.VDI.copy", "VM.create", "VBD.create"} <= {point.call for point in points}
        for point in points:
            remove_copies(lab)
            kill(gate, point, options)
            run(lab, **options)
            assert picture(lab) == clean, f"killed {point}"
    assert not run(lab, **options)["changed"]


def remove_copies(lab: Lab) -> None:
    """What an administrator does who wants a copy no more: its blueprint and its disks are deleted."""
    for vm in lab.xapi.VM.get_by_name_label(f"noble:1 on {LOCAL}"):
        lab.xapi.VM.set_blocked_operations(vm, {})
        lab.xapi.VM.destroy(vm)
    for what in ("root", "boot CD"):
        for vdi in lab.xapi.VDI.get_by_name_label(f"noble:1 on {LOCAL} {what}"):
            lab.xapi.VDI.destroy(vdi)
