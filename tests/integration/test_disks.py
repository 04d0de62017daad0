# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data disks, overlays that outlive their VM and overlays that are reset at boot: module vm_pool against a lab."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ansible import Result, run_module
from tests.support.lab import Lab
from tests.support.overlays import files, write, written
from tests.support.state import disk_names, find_disk, find_vm, names, picture, sha256_of

DISKS = [{"name": "logs", "size": "64 MiB"}, {"name": "db", "size": "65 MiB"}]
SMALL = {"size": "64 MiB"}

pytestmark = pytest.mark.usefixtures("master")


def apply(lab: Lab, size: int = 1, fails: bool = False, **options: Any) -> Result:
    lab.reset_calls()
    given = {"name": "web", "size": size, "master": "noble", "overlay": SMALL, "power_state": "halted", **options}
    result = run_module(lab, "vm_pool", **given)
    assert result.failed is fails, result.msg
    return result


def attached(lab: Lab, vm: str) -> dict[str, str]:
    """Names of a VM's disks by position."""
    vbds = [lab.xapi.VBD.get_record(vbd) for vbd in lab.xapi.VM.get_VBDs(find_vm(lab, vm))]
    return {vbd["userdevice"]: lab.xapi.VDI.get_name_label(vbd["VDI"]) for vbd in vbds}


def test_data_disks_come_and_go_with_their_instance(lab: Lab) -> None:
    untouched = picture(lab)
    first = apply(lab, 2, disks=DISKS)
    assert first["plan_text"][1].endswith("disk logs 64 MiB, disk db 65 MiB")
    assert attached(lab, "web-002") == {
        "0": "noble:1 root",
        "1": "web-002 overlay",
        "3": "noble:1 boot CD",
        "4": "web-002 logs",
        "5": "web-002 db",
    }
    assert lab.xapi.VDI.get_virtual_size(find_disk(lab, "web-002 db")) == str(66 << 20)  # as the SR rounds it
    assert not apply(lab, 2, disks=DISKS)["changed"]
    assert lab.writes() == []
    apply(lab, 1, disks=DISKS)
    assert disk_names(lab) == ["web-001 db", "web-001 logs", "web-001 overlay"]
    run_module(lab, "vm_pool", name="web", state="absent")
    assert picture(lab) == untouched


def test_a_data_disk_that_was_detached_comes_back_to_its_place(lab: Lab) -> None:
    apply(lab, 1, disks=DISKS)
    before = picture(lab)
    (vbd,) = lab.xapi.VDI.get_VBDs(find_disk(lab, "web-001 db"))
    lab.xapi.VBD.destroy(vbd)
    assert apply(lab, 1, disks=DISKS)["changed"]
    assert picture(lab) == before


def test_overlays_that_are_kept_are_used_again_with_all_that_is_on_them(lab: Lab) -> None:
    options: dict[str, Any] = {"disks": DISKS, "swap": "1 MiB", "scale_in": {"overlays": "keep"}}
    (before,) = apply(lab, 2, **options)["instances"][1:]
    clean = picture(lab)
    for disk, text in (("overlay", "what the guest wrote"), ("db", "rows")):
        write(lab, find_disk(lab, f"web-002 {disk}"), text)
    hashes = [sha256_of(lab, find_disk(lab, f"web-002 {disk}")) for disk in ("overlay", "db", "logs")]
    scaled_in = apply(lab, 1, **options)
    assert scaled_in["plan_text"][1] == "  - web-002  1 declared, newest first; its overlay is kept"
    assert names(lab) == ["web-001"]
    assert disk_names(lab, "web-002") == ["web-002 db", "web-002 logs", "web-002 overlay"]
    assert not apply(lab, 1, **options)["changed"]
    assert run_module(lab, "overlay_disk_info", query="overlay_disks[?kept].instance")["result"] == ["web-002"]
    (after,) = apply(lab, 2, **options)["instances"][1:]
    same = ("instance", "macs", "ssh_host_key", "number", "version")
    assert [after[word] for word in same] == [before[word] for word in same]
    assert after["overlay"]["uuid"] == before["overlay"]["uuid"]
    assert [sha256_of(lab, find_disk(lab, f"web-002 {disk}")) for disk in ("overlay", "db", "logs")] == hashes
    assert picture(lab) == clean
    assert not apply(lab, 2, **options)["changed"]
    # Before its VM is made anew, it grows to what is declared by now.
    apply(lab, 1, **options)
    options |= {"overlay": {"size": "2 GiB"}, "disks": [{**DISKS[0], "size": "5 GiB"}, *DISKS[1:]]}
    (larger,) = apply(lab, 2, **options)["instances"][1:]
    assert (larger["overlay"]["uuid"], larger["overlay"]["size"]) == (before["overlay"]["uuid"], 2 << 30)
    assert lab.xapi.VDI.get_virtual_size(find_disk(lab, "web-002 logs")) == str(5 << 30)
    assert not apply(lab, 2, **options)["changed"]


def test_absence_deletes_kept_overlays_too(lab: Lab) -> None:
    untouched = picture(lab)
    apply(lab, 2, disks=DISKS)
    apply(lab, 1, disks=DISKS, scale_in={"overlays": "keep"})
    removed = run_module(lab, "vm_pool", name="web", state="absent")
    assert not removed.failed, removed.msg
    assert picture(lab) == untouched


def test_each_boot_of_an_ephemeral_instance_begins_from_its_fresh_overlay(lab: Lab) -> None:
    options = {"overlay": {**SMALL, "on_boot": "reset"}}
    apply(lab, 1, **options)
    overlay = find_disk(lab, "web-001 overlay")
    fresh = sha256_of(lab, overlay)
    assert lab.xapi.VDI.get_on_boot(overlay) == "reset"
    for _boot in range(2):
        write(lab, overlay, "what nobody will miss")
        assert sha256_of(lab, overlay) != fresh
        apply(lab, 1, **options, power_state="running")
        lab.xapi.VM.hard_shutdown(find_vm(lab, "web-001"))
        assert written(lab, overlay) == ""
        assert sha256_of(lab, overlay) == fresh
    assert not apply(lab, 1, **options)["changed"]
    anew = run_module(lab, "overlay_disk", instance="web-001", state="reset")
    assert not anew.failed, anew.msg
    assert anew["overlay_disk"]["on_boot"] == "reset"
    assert files(lab, find_disk(lab, "web-001 overlay"), "/identity/etc/hostname") == ["web-001\n"]
    refused = run_module(lab, "overlay_disk", instance="web-001", state="snapshot", snapshot="x")
    assert "is reset at each boot, so XAPI takes no snapshot of it" in refused.msg


def test_an_overlay_is_reset_to_what_it_held_when_that_was_declared(lab: Lab) -> None:
    apply(lab, 1)
    overlay = find_disk(lab, "web-001 overlay")
    write(lab, overlay, "before")
    options = {"overlay": {**SMALL, "on_boot": "reset"}}
    assert apply(lab, 1, **options)["plan_text"][1].endswith("overlay.on_boot persist -> reset")
    write(lab, overlay, "after")
    apply(lab, 1, **options, power_state="running")
    lab.xapi.VM.hard_shutdown(find_vm(lab, "web-001"))
    assert written(lab, overlay) == "before"
    apply(lab, 1)
    assert lab.xapi.VDI.get_on_boot(overlay) == "persist"


def test_what_cannot_be_is_refused_before_anything_is_written(lab: Lab) -> None:
    host = lab.xapi.host.get_all()[0]
    lab.xapi.SR.create(host, {"device": "/dev/sdz"}, str(1 << 30), "Thick", "", "lvm", "user", False, {})
    for disk, words in (
        ({"name": "logs", "size": "64 MiB", "sr": "Nowhere"}, "There is no SR 'Nowhere'"),
        ({"name": "logs", "size": "200 GiB", "sr": "Thick"}, "SR 'Thick' ("),
        ({"name": "Logs", "size": "64 MiB"}, "disks[0].name: 'Logs' is no name of a disk"),
    ):
        assert words in apply(lab, 1, fails=True, disks=[disk]).msg
        assert lab.writes() == []
