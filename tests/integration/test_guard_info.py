# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module guard_info against a lab in which everything that can be done by hand was done, and then mended by hand."""

from __future__ import annotations

import json
from typing import Any

from tests.support import xe
from tests.support.ansible import run_module
from tests.support.golden import Golden, make_golden
from tests.support.lab import Lab, new_lab
from tests.support.state import find_disk, find_vm, sha256_of
from tools.xapi_client import attach

ALONE = ("master-without-replica", "note", "noble:1 root")
WEB = {"name": "web", "size": 4, "master": "noble", "power_state": "unmanaged"}
DB = {"name": "db", "size": 1, "master": "noble", "power_state": "unmanaged", "swap": "64 MiB"}


def told(result: Any) -> set[tuple[str, str, str]]:
    return {(f["guard"], f["severity"], f["object"]["name"]) for f in result["findings"]}


def attachment(lab: Lab, vm: str, position: str) -> str:
    """The VBD of a VM at a position."""
    vbds = lab.xapi.VBD.get_all_records().items()
    return next(ref for ref, record in vbds if (record["VM"], record["userdevice"]) == (find_vm(lab, vm), position))


def plain_vm(lab: Lab, name: str) -> str:
    """A VM without disks, as an administrator has them."""
    vm: str = lab.xapi.VM.clone(lab.xapi.VM.get_by_name_label("Other install media")[0], name)
    lab.xapi.VM.provision(vm)
    return vm


def damage_masters(lab: Lab, golden: Golden) -> set[tuple[str, str, str]]:
    """What somebody does to noble:1 by hand; what is to be found of it."""
    xapi, root = lab.xapi, find_disk(lab, "noble:1 root")
    (blueprint,) = (ref for ref in xapi.VM.get_by_name_label("noble:1") if xapi.VM.get_is_a_template(ref))
    attach(xapi, plain_vm(lab, "writer"), root, "0")
    attach(xapi, plain_vm(lab, "reader"), root, "0", "RO")
    attach(xapi, golden.vm, root, "7", "RO")
    xapi.VBD.set_mode(attachment(lab, "web-001", "0"), "RW")
    xapi.VBD.add_to_other_config(attachment(lab, "web-002", "0"), "owner", "")
    xapi.VBD.set_type(attachment(lab, "web-003", "0"), "CD")
    xapi.VBD.set_type(attachment(lab, "noble:1", "3"), "Disk")
    xapi.VBD.destroy(attachment(lab, "noble:1", "0"))
    xapi.VM.remove_from_blocked_operations(blueprint, "start")
    xapi.VM.set_is_a_template(blueprint, False)
    xapi.VDI.set_name_label(xapi.VDI.snapshot(root, {}), "my snapshot")
    return {
        ("master-writable", "danger", "position 0 of writer"),
        ("foreign-vm-on-master", "warning", "writer"),
        ("foreign-vm-on-master", "warning", "reader"),
        ("foreign-vm-on-master", "warning", "noble-golden"),
        ("master-writable", "danger", "position 0 of web-001"),
        ("master-owner-key", "danger", "position 0 of web-002"),
        ("master-misattached", "warning", "position 0 of web-003"),
        ("blueprint-disk", "danger", "position 3 of noble:1"),
        ("blueprint-incomplete", "danger", "noble:1"),
        ("blueprint-unblocked", "warning", "noble:1"),
        ("blueprint-no-template", "danger", "noble:1"),
        ("copied-disk", "note", "my snapshot"),
    }


def damage_instances(lab: Lab) -> set[tuple[str, str, str]]:
    """What somebody does to instances by hand, and what killed runs leave."""
    xapi, web = lab.xapi, {number: find_vm(lab, f"web-00{number}") for number in (1, 2, 3, 4)}
    overlay = find_disk(lab, "web-002 overlay")
    for operation in ("snapshot", "copy", "migrate_send"):
        xapi.VM.remove_from_blocked_operations(web[4], operation)
    xapi.VM.copy(web[4], "my copy", "OpaqueRef:NULL")
    xapi.VM.snapshot(web[4], "before the update", [])
    attach(xapi, find_vm(lab, "reader"), overlay, "1")
    xapi.VDI.set_name_label(xapi.VDI.clone(overlay, {}), "my clone")
    xapi.VBD.add_to_other_config(attachment(lab, "web-002", "1"), "owner", "")
    # A VM with the same MAC address, and another one with the same name.
    (nic,) = xapi.VM.get_VIFs(web[3])
    xapi.VIF.create({**xapi.VIF.get_record(nic), "VM": plain_vm(lab, "twin")})
    plain_vm(lab, "web-003")
    return {
        ("instance-unblocked", "danger", "web-004"),
        ("instance-copy", "warning", "my copy"),
        ("foreign-vm-on-master", "warning", "my copy"),
        ("instance-snapshot", "danger", "before the update"),
        ("disk-shared", "danger", "position 1 of reader"),
        ("copied-disk", "warning", "my clone"),
        ("disk-owner-key", "warning", "position 1 of web-002"),
        ("duplicate-mac", "warning", "NIC 0 of web-003"),
        ("duplicate-name", "warning", "web-003"),
    }


def leave_behind(lab: Lab) -> set[tuple[str, str, str]]:
    """What runs that were killed leave, and VMs that are deleted by hand."""
    xapi = lab.xapi
    (pool,) = xapi.pool.get_all()
    xapi.VM.destroy(find_vm(lab, "db-001"))
    xapi.VM.clone(find_vm(lab, "noble:1"), "web-009 [skinnybox: unfinished, pool web]")
    xapi.VM.add_to_other_config(find_vm(lab, "web-001"), "skinnybox:removing", "true")
    xapi.pool.add_to_other_config(pool, "skinnybox:lock:VM pool web", json.dumps({"host": "ctl", "pid": 7, "since": 0}))
    sr = xapi.VDI.get_SR(find_disk(lab, "noble:1 root"))
    xapi.SR.add_to_other_config(sr, "gc", "false")
    return {
        ("orphan-overlay", "warning", "db-001 overlay"),
        ("leftover", "warning", "db-001 swap"),
        ("leftover", "warning", "web-009 [skinnybox: unfinished, pool web]"),
        ("removal-interrupted", "warning", "web-001"),
        ("dead-lock", "note", xapi.pool.get_name_label(pool)),
        ("coalescing-off", "warning", xapi.SR.get_name_label(sr)),
    }


def test_every_damage_is_found_and_every_remedy_helps(lab: Lab, golden: Golden, master: dict[str, object]) -> None:
    content = sha256_of(lab, find_disk(lab, "noble:1 root"))
    for options in (WEB, DB):
        assert not run_module(lab, "vm_pool", **options).failed
    well = run_module(lab, "guard_info")
    assert (told(well), well["counts"], well["changed"]) == ({ALONE}, {"danger": 0, "warning": 0, "note": 1}, False)

    expected = leave_behind(lab) | damage_masters(lab, golden) | damage_instances(lab) | {ALONE}
    lab.reset_calls()
    found = run_module(lab, "guard_info")
    assert told(found) == expected
    assert lab.writes() == []
    assert lab.calls()["total"] <= 15
    assert sum(found["counts"].values()) == len(found["findings"])

    remedies = [finding["remedy"].removeprefix("when nobody needs it: ") for finding in found["findings"]]
    by_hand = [remedy for remedy in remedies if remedy.startswith("xe ")]
    assert len(by_hand) >= 20
    # Where two findings advise the same it is done once.
    for command in dict.fromkeys(command for remedy in by_hand for command in remedy.partition(" (")[0].split("; ")):
        assert xe.run(lab.xapi, command), command
    for vm in ("twin", "writer", "reader"):
        lab.xapi.VM.destroy(find_vm(lab, vm))
    (instance,) = (f for f in found["findings"] if f["guard"] == "duplicate-name")
    for vm in lab.xapi.VM.get_by_name_label("web-003"):
        if lab.xapi.VM.get_uuid(vm) != instance["object"]["uuid"]:
            lab.xapi.VM.set_name_label(vm, "another")
    # The others say: run apply.
    for options in (WEB, DB):
        applied = run_module(lab, "vm_pool", **options)
        assert not applied.failed, applied.msg
    assert told(run_module(lab, "guard_info")) == {ALONE}
    assert sha256_of(lab, find_disk(lab, "noble:1 root")) == content


def test_one_vm_pool_one_master_a_query_and_check_mode(lab: Lab, golden: Golden, master: dict[str, object]) -> None:
    for options in (WEB, DB):
        run_module(lab, "vm_pool", **{**options, "size": 1})
    lab.xapi.VBD.add_to_other_config(attachment(lab, "web-001", "1"), "owner", "")
    for check in (False, True):
        of_web = run_module(lab, "guard_info", name="web", query="findings[].guard", check=check)
        assert of_web["result"] == ["disk-owner-key", "master-without-replica"]
    assert told(run_module(lab, "guard_info", name="db", master="noble:1")) == {ALONE}
    assert run_module(lab, "guard_info", master="jammy")["findings"] == []


def test_nothing_is_wrong_with_what_the_collection_makes(lab: Lab, golden: Golden, master: dict[str, object]) -> None:
    """Every kind of disk and label that modules make by themselves."""
    plain = {**WEB, "swap": "64 MiB", "disks": [{"name": "srv", "size": "64 MiB"}], "scale_in": {"overlays": "keep"}}
    ephemeral = {**DB, "overlay": {"size": "1 GiB", "on_boot": "reset"}}
    for module, options in (
        ("vm_pool", {**plain, "size": 3}),
        ("vm_pool", {**ephemeral, "size": 2}),
        ("vm_pool", {**plain, "size": 2}),
        ("overlay_disk", {"instance": "web-001", "state": "snapshot", "snapshot": "before"}),
        ("overlay_disk", {"instance": "web-001", "state": "reverted"}),
        ("overlay_disk", {"instance": "web-002", "state": "reset"}),
        ("instance", {"name": "db-001", "state": "rebuilt"}),
    ):
        result = run_module(lab, module, **options)
        assert not result.failed, result.msg
    assert told(run_module(lab, "guard_info")) == {ALONE, ("kept-overlay", "note", "web-003 overlay")}


def test_copies_of_a_master_are_guarded_as_it_is() -> None:
    with new_lab("--hosts", "2") as lab:
        make_golden(lab)
        run_module(lab, "master_image", name="noble", golden_vm="noble-golden", replicas=["Local storage"])
        made = run_module(lab, "vm_pool", name="web", size=2, master="noble", placement={"spread": "host"})
        assert not made.failed, made.msg
        well = {("master-uncached", "note", "noble:1 on Local storage root")}
        assert told(run_module(lab, "guard_info")) == well
        (replica, *_others) = (
            (ref, record)
            for ref, record in lab.xapi.VM.get_all_records().items()
            if "skinnybox:replica" in record["other_config"]
        )
        lab.xapi.VM.remove_from_blocked_operations(replica[0], "start")
        found = run_module(lab, "guard_info", name="web", master="noble:1")
        assert told(found) == well | {("blueprint-unblocked", "warning", replica[1]["name_label"])}
        (finding,) = (finding for finding in found["findings"] if finding["guard"] == "blueprint-unblocked")
        assert finding["object"]["uuid"] == replica[1]["uuid"]
        assert xe.run(lab.xapi, finding["remedy"])
        assert told(run_module(lab, "guard_info")) == well
