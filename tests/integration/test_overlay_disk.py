# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module overlay_disk against a lab."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ansible import Result, run_module
from tests.support.golden import make_golden
from tests.support.lab import Lab, new_lab
from tests.support.overlays import files, write, written
from tests.support.state import disk_names, find_disk, find_vm, names, picture, power_states

IDENTITY = [
    f"/identity/etc/{name}"
    for name in ("hostname", "hosts", "machine-id", "ssh/ssh_host_ed25519_key", "netplan/50-skinnybox.yaml")
] + ["/identity/root/.ssh/authorized_keys"]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDg0oun0cNx9t57mXtd8iZTX87LDe3iefrEISOlFCIY8 me@example"
POOL: dict[str, Any] = {
    "name": "web",
    "size": 1,
    "master": "noble",
    "overlay": {"size": "64 MiB"},
    "power_state": "halted",
    "authorized_keys": KEY,
    "networks": [{"ipv4": {"addresses": ["10.0.4.11-10.0.4.20/24"]}}],
}


def apply(lab: Lab, **options: Any) -> Result:
    result = run_module(lab, "vm_pool", **{**POOL, **options})
    assert not result.failed, result.msg
    return result


def overlay_disk(lab: Lab, state: str = "present", fails: bool = False, **options: Any) -> Result:
    lab.reset_calls()
    result = run_module(lab, "overlay_disk", **{"instance": "web-001", "state": state, **options})
    assert result.failed is fails, result.msg
    return result


@pytest.fixture
def pool(lab: Lab, master: dict[str, object]) -> dict[str, Any]:
    """web-001, halted; as the module returned it."""
    (instance,) = apply(lab)["instances"]
    found: dict[str, Any] = instance
    return found


def overlay(lab: Lab) -> str:
    return find_disk(lab, "web-001 overlay")


def test_grow(lab: Lab, pool: dict[str, Any]) -> None:
    checked = run_module(lab, "overlay_disk", instance="web-001", size="80 MiB", check=True, diff=True)
    assert "  ~ web-001  overlay 64 MiB -> 80 MiB" in checked["diff"]["prepared"]
    assert checked["overlay_disk"]["size"] == 64 << 20
    grown = overlay_disk(lab, size="80 MiB")
    assert (grown["changed"], grown["overlay_disk"]["size"]) == (True, 80 << 20)
    assert "instances" not in grown
    for size in ("80 MiB", "70 MiB", None):
        again = overlay_disk(lab, size=size)
        assert (again["changed"], again["overlay_disk"]["size"]) == (False, 80 << 20)
        assert lab.writes() == []
        assert lab.calls()["total"] <= 15


def test_reset_keeps_who_it_is_and_nothing_else(lab: Lab, pool: dict[str, Any]) -> None:
    before, clean = files(lab, overlay(lab), *IDENTITY), picture(lab)
    assert all(before)
    write(lab, overlay(lab), "what the guest wrote")
    result = overlay_disk(lab, "reset")
    assert result["changed"]
    assert result["overlay_disk"]["uuid"] != pool["overlay"]["uuid"]
    assert written(lab, overlay(lab)) == ""
    assert files(lab, overlay(lab), *IDENTITY) == before
    assert files(lab, overlay(lab), "/.skinnybox") == [
        f"format=1\ninstance={pool['instance']}\npool=web\noverlay={result['overlay_disk']['uuid']}\n"
    ]
    assert without_replaces(picture(lab)) == clean
    assert not apply(lab)["changed"]
    assert "PRIVATE KEY" not in str(result.data) + result.stderr


def without_replaces(shown: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """A picture without the label that tells of a disk which is gone."""
    disks = [(*head, [label for label in labels if label[0] != "replaces"], *rest) for *head, labels, rest in
             [(d[0], d[1], d[2], d[3], d[4:]) for d in shown["VDI"]]]  # fmt: skip
    return {**shown, "VDI": sorted((a, b, c, labels, *rest) for a, b, c, labels, *rest in disks)}


def test_snapshot_and_revert(lab: Lab, pool: dict[str, Any]) -> None:
    clean = picture(lab)
    for number in ("first", "second"):
        write(lab, overlay(lab), number)
        taken = overlay_disk(lab, "snapshot", snapshot=number)
        assert taken["changed"]
        assert not overlay_disk(lab, "snapshot", snapshot=number)["changed"]
        assert lab.writes() == []
    assert [one["name"] for one in taken["overlay_disk"]["snapshots"]] == ["first", "second"]
    assert disk_names(lab) == ["web-001 overlay", "web-001 snapshot first", "web-001 snapshot second"]
    write(lab, overlay(lab), "third")
    overlay_disk(lab, "reverted")
    assert written(lab, overlay(lab)) == "second"
    overlay_disk(lab, "reverted", snapshot="first")
    assert written(lab, overlay(lab)) == "first"
    assert not apply(lab)["changed"]
    overlay_disk(lab, "absent", snapshot="first")
    assert not overlay_disk(lab, "absent", snapshot="first")["changed"]
    assert written(lab, overlay(lab)) == "first"
    run_module(lab, "overlay_disk", instance="web-001", state="absent", snapshot="second")
    assert without_replaces(picture(lab)) == clean


def test_snapshots_go_with_their_instance(lab: Lab, master: dict[str, object]) -> None:
    untouched = picture(lab)
    apply(lab)
    overlay_disk(lab, "snapshot", snapshot="x")
    overlay_disk(lab, "reset")
    removed = run_module(lab, "vm_pool", name="web", state="absent")
    assert not removed.failed, removed.msg
    assert picture(lab) == untouched


def test_detached_and_used_again_by_the_pool(lab: Lab, pool: dict[str, Any]) -> None:
    clean = picture(lab)
    overlay_disk(lab, "snapshot", snapshot="x")
    write(lab, overlay(lab), "still here")
    detached = overlay_disk(lab, "detached")
    assert (detached["overlay_disk"]["kept"], detached["overlay_disk"]["power_state"]) == (True, None)
    assert names(lab) == []
    assert not overlay_disk(lab, "detached")["changed"]
    assert overlay_disk(lab, size="80 MiB")["overlay_disk"]["size"] == 80 << 20
    assert "has no VM. Raise the size of VM pool 'web'" in overlay_disk(lab, "reset", fails=True).msg
    assert lab.writes() == []
    (again,) = apply(lab, overlay={"size": "80 MiB"})["instances"]
    assert (again["instance"], again["macs"]) == (pool["instance"], pool["macs"])
    assert written(lab, overlay(lab)) == "still here"
    overlay_disk(lab, "absent", snapshot="x")
    assert len(picture(lab)["VDI"]) == len(clean["VDI"])


def test_absent(lab: Lab, pool: dict[str, Any]) -> None:
    overlay_disk(lab, "snapshot", snapshot="x")
    gone = overlay_disk(lab, "absent")
    assert (gone["changed"], gone["overlay_disk"]) == (True, {})
    assert disk_names(lab) == []
    assert not overlay_disk(lab, "absent")["changed"]
    assert "has lost its overlay disk" in overlay_disk(lab, "snapshot", snapshot="x", fails=True).msg


def test_an_overlay_without_identity_cannot_be_reset(lab: Lab, pool: dict[str, Any]) -> None:
    before = picture(lab)
    from tools.xapi_client import upload

    upload(lab.session, lab.url, overlay(lab), lambda: [(0, bytes(64 << 20))], lab.context)
    result = overlay_disk(lab, "reset", fails=True)
    assert "does not hold the identity of web-001" in result.msg
    assert picture(lab) == before


def test_running_instances() -> None:
    with new_lab("--agent") as lab:
        make_golden(lab)
        assert not run_module(lab, "master_image", name="noble", golden_vm="noble-golden").failed
        apply(lab, power_state="running")
        for state, options in (("present", {"size": "80 MiB"}), ("reset", {}), ("absent", {})):
            refused = overlay_disk(lab, state, fails=True, **options)
            assert "runs" in refused.msg
            assert lab.writes() == []
        assert overlay_disk(lab, "snapshot", snapshot="live")["changed"]
        grown = overlay_disk(lab, size="80 MiB", allow_restart=True)
        assert grown["plan"][0]["downtime"] == "restart"
        assert grown["overlay_disk"]["size"] == 80 << 20
        overlay_disk(lab, "reset", allow_restart=True)
        overlay_disk(lab, "reverted", allow_restart=True)
        assert power_states(lab) == {"web-001": "Running"}
        overlay_disk(lab, "absent", force=True)
        assert power_states(lab) == {"web-001": "Halted"}
        assert lab.xapi.VM.get_VBDs(find_vm(lab, "web-001"))


@pytest.mark.parametrize("drop", ["before", "after"])
def test_what_is_lost_on_the_way_is_neither_done_twice_nor_forgotten(lab: Lab, pool: dict[str, Any], drop: str) -> None:
    clean = picture(lab)
    for state, calls in (
        ("snapshot", ["Async.VDI.snapshot", "VDI.set_other_config", "VDI.remove_from_other_config"]),
        ("reverted", ["Async.VDI.clone", "VBD.create", "Async.VBD.destroy"]),
        ("reset", ["Async.VDI.create", "PUT /import_raw_vdi", "Async.VDI.destroy"]),
    ):
        for call in calls:
            lab.fault(method=call, drop=drop)
        overlay_disk(lab, state, snapshot=None if state == "reset" else "x")
        assert lab.faults() == []
    assert disk_names(lab) == ["web-001 overlay", "web-001 snapshot x"]
    overlay_disk(lab, "absent", snapshot="x")
    assert picture(lab) == clean | {"VDI": picture(lab)["VDI"]}
    assert len(picture(lab)["VDI"]) == len(clean["VDI"])
    assert not apply(lab)["changed"]
