# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module master_image as a process of its own against a lab."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import XenAPI

from tests.support.ansible import Result, run_module
from tests.support.golden import Golden, make_golden, seal_again
from tests.support.lab import Lab
from tests.support.state import disk_names, find_disk, find_vm, names, picture, sha256_of
from tests.support.waiting import attempts
from tools.xapi_client import attach


def publish(lab: Lab, fails: bool = False, **options: Any) -> Result:
    lab.reset_calls()
    result = run_module(lab, "master_image", **{"name": "noble", "golden_vm": "noble-golden", **options})
    assert result.failed is fails, result.msg
    return result


def pool(lab: Lab, size: int = 1, **options: Any) -> Result:
    result = run_module(lab, "vm_pool", **{"name": "web", "size": size, "master": "noble", **options})
    assert not result.failed, result.msg
    return result


def change(lab: Lab, state: str, fails: bool = False, **options: Any) -> Result:
    lab.reset_calls()
    result = run_module(lab, "master_image", name="noble", state=state, **options)
    assert result.failed is fails, result.msg
    return result


def without_publishing(lab: Lab, golden: Golden) -> dict[str, Any]:
    """The golden VM and its disks as XAPI has them, but for what changes with every look."""
    records = [lab.xapi.VM.get_record(golden.vm), *(lab.xapi.VDI.get_record(d) for d in (golden.root, golden.boot))]
    fields = (
        "other_config",
        "name_label",
        "tags",
        "VBDs",
        "power_state",
        "blocked_operations",
        "read_only",
        "sharable",
    )
    return {record["uuid"]: {field: record.get(field) for field in fields} for record in records}


def test_publish_and_publish_again(lab: Lab, golden: Golden) -> None:
    before = without_publishing(lab, golden), sha256_of(lab, golden.root), sha256_of(lab, golden.boot)
    first = publish(lab)
    assert first["changed"]
    image = first["master_image"]
    assert (image["name"], image["version"], image["promoted"], image["instances"]) == ("noble", 1, True, [])
    assert (image["master_id"], image["network"]) == (golden.master_id, "netplan")
    assert (without_publishing(lab, golden), sha256_of(lab, golden.root), sha256_of(lab, golden.boot)) == before
    second = publish(lab)
    assert not second["changed"]
    assert second["master_image"] == image
    assert lab.writes() == []
    assert "diff" not in second


def test_a_version_as_xapi_sees_it(lab: Lab, golden: Golden) -> None:
    publish(lab)
    root, boot = find_disk(lab, "noble:1 root"), find_disk(lab, "noble:1 boot CD")
    record = lab.xapi.VDI.get_record(root)
    assert record["is_a_snapshot"]
    assert record["snapshot_of"] == golden.root
    assert not record["sharable"]
    assert sha256_of(lab, root) == sha256_of(lab, golden.root)
    assert sha256_of(lab, boot) == sha256_of(lab, golden.boot)
    blueprint = lab.xapi.VM.get_record(find_vm(lab, "noble:1"))
    assert blueprint["is_a_template"]
    assert {"start", "destroy"} <= set(blueprint["blocked_operations"])
    vbds = [lab.xapi.VBD.get_record(vbd) for vbd in blueprint["VBDs"]]
    assert sorted((v["userdevice"], v["type"], v["mode"], v["VDI"]) for v in vbds) == [
        ("0", "CD", "RO", root),
        ("3", "CD", "RO", boot),
    ]
    assert blueprint["HVM_boot_params"]["order"] == "d"
    assert blueprint["VIFs"] == []


def test_check_mode_publishes_nothing(lab: Lab, golden: Golden) -> None:
    result = publish(lab, check=True, diff=True)
    assert result["changed"]
    assert result["diff"]["prepared"] == (
        f"noble:1 published from VM noble-golden ({lab.xapi.VM.get_uuid(golden.vm)})\nnoble:1 promoted\n"
    )
    assert lab.writes() == []
    assert disk_names(lab, "noble:") == []


def test_a_second_seal_is_a_second_version_that_is_not_promoted(lab: Lab, golden: Golden) -> None:
    publish(lab)
    pool(lab, 1)
    seal_again(lab, golden)
    second = publish(lab)
    assert (second["master_image"]["version"], second["master_image"]["promoted"]) == (2, False)
    assert pool(lab, 2)["instances"][1]["version"] == 1
    promoted = change(lab, "promoted", version=2)
    assert promoted["changed"]
    assert promoted["master_image"]["promoted"]
    assert not change(lab, "promoted", version=2)["changed"]
    assert lab.writes() == []
    assert [i["version"] for i in pool(lab, 3)["instances"]] == [1, 1, 2]
    assert [i["version"] for i in pool(lab, 4, master="noble:1")["instances"]] == [1, 1, 2, 1]
    assert change(lab, "promoted", version=1)["changed"]
    assert pool(lab, 5)["instances"][4]["version"] == 1


def test_promoted_at_once_when_wished(lab: Lab, golden: Golden) -> None:
    assert not publish(lab, promote=False)["master_image"]["promoted"]
    refused = run_module(lab, "vm_pool", name="web", size=1, master="noble")
    assert "No version of master image 'noble' is promoted. Promote one of: noble:1." in refused.msg
    assert publish(lab, promote=True)["master_image"]["promoted"]
    seal_again(lab, golden)
    assert publish(lab, promote=True)["master_image"]["promoted"]


def test_retiring_is_refused_while_anything_uses_it(lab: Lab, golden: Golden) -> None:
    publish(lab)
    pool(lab, 1, power_state="halted")
    before = picture(lab)
    assert "noble:1 cannot be retired: 1 instance(s) use it: web-001." in change(lab, "retired", True, version=1).msg
    assert lab.writes() == []
    assert picture(lab) == before
    run_module(lab, "vm_pool", name="web", state="absent")
    other = lab.xapi.VM.clone(lab.xapi.VM.get_by_name_label("Other install media")[0], "rescue")
    lab.xapi.VM.provision(other)
    vbd = attach(lab.xapi, other, find_disk(lab, "noble:1 root"), "4", "RO")
    assert "is attached to VM 'rescue' (" in change(lab, "retired", True, version=1).msg
    lab.xapi.VBD.destroy(vbd)
    assert change(lab, "retired", version=1)["changed"]
    assert disk_names(lab, "noble:") == names(lab, "noble:") == []
    assert not change(lab, "retired", version=1)["changed"]


def test_a_version_that_is_cloned_while_it_is_retired_stays_as_it_was(lab: Lab, golden: Golden) -> None:
    publish(lab)
    before = picture(lab)
    blueprint = find_vm(lab, "noble:1")
    lab.pace(**{"VM.clone": 600.0})
    # Neither the clone nor its share of the disks is to be seen yet when the run looks who uses the version.
    task = lab.xapi.Async.VM.clone(blueprint, "a clone")
    with ThreadPoolExecutor() as threads:
        retiring = threads.submit(change, lab, "retired", True, version=1)
        assert any("clone" in lab.xapi.VM.get_blocked_operations(blueprint) for _attempt in attempts())
        lab.pace()
        refused = retiring.result()
    assert "is also attached to VM 'a clone' (" in refused.msg
    assert lab.xapi.task.get_status(task) == "success"
    lab.xapi.VM.destroy(find_vm(lab, "a clone"))
    lab.xapi.task.destroy(task)
    assert picture(lab) == before
    pool(lab, 1, power_state="halted")


def test_nobody_clones_a_version_that_is_being_retired(lab: Lab, golden: Golden) -> None:
    publish(lab)
    blueprint = find_vm(lab, "noble:1")
    lab.fault(method="Async.VDI.destroy", nth=1, error=["SR_HAS_NO_PBDS", "sr"])
    assert change(lab, "retired", True, version=1).failed
    with pytest.raises(XenAPI.Failure, match=r"OPERATION_BLOCKED.*this version is being retired"):
        lab.xapi.VM.clone(blueprint, "a clone")
    lab.clear_faults()
    assert change(lab, "retired", version=1)["changed"]
    assert disk_names(lab, "noble:") == names(lab, "noble:") == []


def test_retire_leaves_what_publish_found(lab: Lab, golden: Golden) -> None:
    before = picture(lab)
    publish(lab)
    change(lab, "retired", version=1)
    assert picture(lab) == before


def test_keep_retires_the_oldest_that_nothing_uses(lab: Lab, golden: Golden) -> None:
    publish(lab)
    for _ in range(2):
        seal_again(lab, golden)
        publish(lab)
    pool(lab, 1, master="noble:2")
    seal_again(lab, golden)
    result = publish(lab, keep=1, promote=True)
    assert result["plan_text"][1:] == ["noble:4 promoted", "noble:1 retired", "noble:3 retired"]
    assert names(lab, "noble:") == ["noble:2", "noble:4"]
    assert disk_names(lab, "noble:") == ["noble:2 boot CD", "noble:2 root", "noble:4 boot CD", "noble:4 root"]


@pytest.mark.parametrize("code", ["SR_BACKEND_FAILURE_109", "SR_OPERATION_NOT_SUPPORTED"])
def test_where_snapshots_fail_the_root_is_copied(lab: Lab, golden: Golden, code: str) -> None:
    lab.fault(method="Async.VDI.snapshot", error=[code, "", "no snapshot here", ""])
    publish(lab)
    root = find_disk(lab, "noble:1 root")
    record = lab.xapi.VDI.get_record(root)
    assert not record["is_a_snapshot"]
    assert "skinnybox:publishing" not in lab.xapi.VDI.get_other_config(golden.root)
    assert sha256_of(lab, root) == sha256_of(lab, golden.root)
    pool(lab, 1)


def test_a_publication_that_fails_is_cleared_by_the_next_one(lab: Lab, golden: Golden) -> None:
    for call in ("Async.VDI.copy", "VM.create", "VBD.create", "VDI.add_tags"):
        lab.fault(method=call, error=["INTERNAL_ERROR", "boom"])
        result = publish(lab, fails=True)
        assert "boom" in result.msg
        assert run_module(lab, "master_image_info")["master_images"] == []
    result = publish(lab)
    assert any("unfinished" in line for line in result["plan_text"])
    assert disk_names(lab, "noble:") == ["noble:1 boot CD", "noble:1 root"] or len(disk_names(lab, "noble:")) == 2
    assert len(names(lab, "noble:")) == 1


def test_a_users_snapshot_of_the_golden_vm_is_never_taken_for_ours(lab: Lab, golden: Golden) -> None:
    mine = lab.xapi.VDI.snapshot(golden.root, {})
    publish(lab)
    later = lab.xapi.VDI.snapshot(golden.root, {})
    copy = lab.xapi.VDI.clone(find_disk(lab, "noble:1 root"), {})
    seal_again(lab, golden)
    publish(lab, promote=True)
    change(lab, "retired", version=1)
    assert {mine, later, copy} <= set(lab.xapi.VDI.get_all())


def test_a_golden_vm_with_two_sealed_disks(lab: Lab, golden: Golden) -> None:
    other = make_golden(lab, "other-golden")
    attach(lab.xapi, golden.vm, other.boot, "2")
    result = publish(lab, fails=True)
    assert "has 2 disks with a Skinnybox boot CD; detach all but the current one." in result.msg
