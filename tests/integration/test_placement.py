# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM pools on a host pool of three hosts: where instances go, and what is refused before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ansible import Result, run_module
from tests.support.golden import make_golden
from tests.support.lab import Lab, new_lab
from tests.support.state import find_vm, power_states


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    """Three hosts; noble:1 is on a shared SR, and is what every test of this file begins with."""
    with new_lab("--hosts", "3") as lab:
        golden = make_golden(lab)
        result = run_module(lab, "master_image", name="noble", golden_vm=golden.name)
        assert not result.failed, result.msg
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    yield shared_lab
    shared_lab.clear_faults()
    for host in shared_lab.xapi.host.get_all():
        shared_lab.xapi.host.enable(host)
        shared_lab.xapi.host.set_tags(host, [])
    result = run_module(shared_lab, "vm_pool", name="web", state="absent")
    assert not result.failed, result.msg


def apply(lab: Lab, size: int, fails: bool = False, **options: Any) -> Result:
    lab.reset_calls()
    result = run_module(lab, "vm_pool", **{"name": "web", "size": size, "master": "noble", **options})
    assert result.failed is fails, result.msg
    return result


def hosts(lab: Lab) -> dict[str, str]:
    """Names of hosts by reference."""
    return {ref: record["name_label"] for ref, record in lab.xapi.host.get_all_records().items()}


def whereabouts(lab: Lab) -> dict[str, list[str]]:
    """Names of the running instances of web by the name of their host."""
    names = hosts(lab)
    found: dict[str, list[str]] = {name: [] for name in names.values()}
    for record in lab.xapi.VM.get_all_records().values():
        if record["name_label"].startswith("web-") and record["power_state"] == "Running":
            found[names[record["resident_on"]]].append(record["name_label"])
    return {name: sorted(vms) for name, vms in sorted(found.items())}


def test_instances_are_spread_over_hosts_and_so_are_those_that_come_later(lab: Lab) -> None:
    first = apply(lab, 4, placement={"spread": "host"})
    assert sorted(len(vms) for vms in whereabouts(lab).values()) == [1, 1, 2]
    for name, vms in whereabouts(lab).items():
        for vm in vms:
            assert f"  + {vm}  on {name}, overlay 1 GiB on Shared storage" in first["plan_text"]
            assert hosts(lab)[lab.xapi.VM.get_affinity(find_vm(lab, vm))] == name
    apply(lab, 6, placement={"spread": "host"})
    assert [len(vms) for vms in whereabouts(lab).values()] == [2, 2, 2]
    again = apply(lab, 6, placement={"spread": "host"})
    assert not again["changed"]
    assert lab.writes() == []


def test_an_expression_selects_the_hosts(lab: Lab) -> None:
    second = lab.xapi.host.get_by_name_label("lab-host-2")[0]
    lab.xapi.host.set_tags(second, ["web"])
    apply(lab, 2, placement={"hosts": "[?contains(tags, 'web') && memory_free > `1073741824`]"})
    assert whereabouts(lab) == {"lab-host-1": [], "lab-host-2": ["web-001", "web-002"], "lab-host-3": []}
    names = "[?name_label == 'lab-host-1'].name_label"
    strict = apply(lab, 3, placement={"hosts": names})
    assert whereabouts(lab)["lab-host-1"] == ["web-003"]
    uuid = lab.xapi.host.get_uuid(second)
    note = f"runs on lab-host-2 ({uuid}), which placement.hosts leaves out: migrate it, or shut it down and apply"
    assert [line for line in strict["plan_text"] if "!" in line] == [
        f"  ! {vm}  {note}" for vm in ("web-001", "web-002")
    ]


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("[?", "placement.hosts: '[?' is no JMESPath expression: "),
        ("[?enabled].memory_free", "it must select host records, or their names or uuids."),
        ("[?contains(tags, 'db')]", "selects none of the hosts 'lab-host-1', 'lab-host-2', 'lab-host-3'."),
        ("[`lab-host-9`]", "there is no host 'lab-host-9' in the host pool. There are: 'lab-host-1', "),
    ],
)
def test_an_expression_that_selects_no_host_is_refused(lab: Lab, expression: str, sentence: str) -> None:
    result = apply(lab, 1, fails=True, placement={"hosts": expression})
    assert sentence in result.msg
    assert lab.writes() == []


def test_disabled_hosts_get_nothing_and_without_any_host_nothing_is_written(lab: Lab) -> None:
    xapi = lab.xapi
    *most, last = xapi.host.get_all()
    for host in most:
        xapi.host.disable(host)
    apply(lab, 2)
    assert whereabouts(lab)[hosts(lab)[last]] == ["web-001", "web-002"]
    xapi.host.disable(last)
    result = apply(lab, 3, fails=True)
    assert result.msg.startswith("VM pool 'web': web-003: no host can run it: lab-host-1 (")
    assert result.msg.count("is disabled") == 3
    assert lab.writes() == []
    xapi.VM.hard_shutdown(find_vm(lab, "web-001"))
    stuck = apply(lab, 2)
    assert "  ! web-001  cannot be started on any host: lab-host-1 (" in stuck["plan_text"][1]


def test_memory_of_all_hosts_together(lab: Lab) -> None:
    result = apply(lab, 4, fails=True, hardware={"memory": "12 GiB"})
    assert result.msg.startswith("VM pool 'web': 1 of 4 instances do not fit: each needs 12.1 GiB of a host's memory")
    assert [f"lab-host-{n} (" in result.msg for n in (1, 2, 3)] == [True] * 3
    assert lab.writes() == []
    apply(lab, 3, hardware={"memory": "12 GiB"})
    assert [len(vms) for vms in whereabouts(lab).values()] == [1, 1, 1]


def test_a_network_within_one_host_keeps_instances_together(lab: Lab) -> None:
    apply(lab, 3, networks=[{"network": "Internal"}])
    assert sorted(len(vms) for vms in whereabouts(lab).values()) == [0, 0, 3]


@pytest.mark.parametrize("pinned", [True, False])
def test_a_host_that_refuses_after_the_plan_is_replaced_unless_placement_is_declared(lab: Lab, pinned: bool) -> None:
    lab.fault(method="Async.VM.start_on", error=["HOST_DISABLED", lab.xapi.host.get_all()[0]])
    result = apply(lab, 3, fails=pinned, **({"placement": {"spread": "host"}} if pinned else {}))
    states = sorted(power_states(lab).values())
    assert states == (["Halted", "Running", "Running"] if pinned else ["Running"] * 3)
    if pinned:
        assert "created, but not started: " in result.msg
        assert "HOST_DISABLED" in result.msg


def test_racks_that_no_host_names_are_refused_and_those_that_are_named_are_used(lab: Lab) -> None:
    result = apply(lab, 2, fails=True, placement={"spread": "rack"})
    assert "placement.spread: no host names its rack. Give hosts other_config:rack=" in result.msg
    for name, rack in (("lab-host-1", "a"), ("lab-host-2", "a"), ("lab-host-3", "b")):
        lab.xapi.host.set_tags(lab.xapi.host.get_by_name_label(name)[0], [f"rack:{rack}"])
    apply(lab, 4, placement={"spread": "rack"})
    assert {name: len(vms) for name, vms in whereabouts(lab).items()} == {
        "lab-host-1": 1, "lab-host-2": 1, "lab-host-3": 2
    }  # fmt: skip


def test_overlays_go_to_the_local_srs_of_their_hosts(lab: Lab) -> None:
    """Local SRs bear one name, so they are given by uuid; the master image is on a shared one."""
    xapi = lab.xapi
    local = [ref for ref, record in xapi.SR.get_all_records().items() if record["name_label"] == "Local storage"]
    uuids = [xapi.SR.get_uuid(ref) for ref in local]
    apply(lab, 3, overlay={"sr": uuids}, placement={"spread": "host"})
    assert [len(vms) for vms in whereabouts(lab).values()] == [1, 1, 1]
    used = {xapi.VDI.get_SR(disk) for n in (1, 2, 3) for disk in xapi.VDI.get_by_name_label(f"web-00{n} overlay")}
    assert used == set(local)


def test_scale_in_takes_from_the_fullest_host_or_whom_it_is_told_to(lab: Lab) -> None:
    apply(lab, 4, placement={"spread": "host"})
    (fullest,) = [vms for vms in whereabouts(lab).values() if len(vms) == 2]
    apply(lab, 3, scale_in={"order": "host"})
    assert [len(vms) for vms in whereabouts(lab).values()] == [1, 1, 1]
    assert fullest[1] not in power_states(lab)
    result = apply(lab, 2, fails=True, scale_in={"instances": ["web-099"]})
    assert "Not there: web-099." in result.msg
    assert lab.writes() == []
    apply(lab, 2, scale_in={"instances": ["web-001"]})
    assert "web-001" not in power_states(lab)
    assert not apply(lab, 2, scale_in={"instances": ["web-001"]})["changed"]
