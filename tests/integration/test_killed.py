# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kill matrix: a module dies before and after each of its writes and is run again, as if nothing had happened.

A first round, undisturbed, tells which writes there are: so many calls of each name. Each of them is then a point,
before the lab carries it out and after that: none is left out, and which of the instances that are worked on side by
side makes it is left to chance. Tests go in circles through states of a VM pool, dying once on each way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pytest

from tests.conftest import MATRIX
from tests.support.ansible import arguments_of, run_module, zygote
from tests.support.gate import NEVER, Gate, Point, gate_of
from tests.support.golden import Golden, make_golden
from tests.support.lab import Lab, new_lab
from tests.support.state import find_disk, picture, sha256_of

pytestmark = pytest.mark.matrix

KILLED = -9
Options = dict[str, Any]
Record = Callable[[str, object], None]


@pytest.fixture
def gate(lab: Lab) -> Iterator[Gate]:
    with gate_of(lab) as gate:
        yield gate


def run(lab: Lab, module: str, options: Options) -> dict[str, Any]:
    result = run_module(lab, module, **options)
    assert not result.failed, result.msg
    return result.data


def kill(gate: Gate, point: Point, module: str, options: Options) -> None:
    """Run a module through the gate and kill it at that point, which has to come; NEVER lets it end well."""
    process = gate.arm(point)
    process.set_result(zygote().start(module, arguments_of(gate.lab, gate.url, False, False, options)))
    status, out, err = zygote().wait()
    assert status == (0 if point == NEVER else KILLED), f"{point}: {out}{err}"
    gate.settle()


def points_of(gate: Gate, when: str, module: str, options: Options) -> list[Point]:
    """Run a module undisturbed; all points at which it could have died."""
    kill(gate, NEVER, module, options)
    return [Point(call, nth, when) for call, count in gate.writes.items() for nth in range(1, count + 1)]


@dataclass
class Way:
    """One way of the circle: what is run, all its points, and what is there at its end."""

    options: Options
    module: str = "vm_pool"
    is_killed: bool = True  # otherwise it only leads back, and is killed elsewhere
    points: list[Point] = field(default_factory=list)
    clean: dict[str, list[Any]] = field(default_factory=dict)


def kill_everywhere(gate: Gate, when: str, ways: list[Way], idempotent: bool = True) -> list[Point]:
    """Go round and round, until the module has died at each point of every way; the points."""
    lab = gate.lab
    run(lab, ways[-1].module, ways[-1].options)
    for way in ways:
        points = points_of(gate, when, way.module, way.options)
        way.points = points if way.is_killed else []
        way.clean = picture(lab)
    for number in range(max(len(way.points) for way in ways)):
        for way in ways:
            point = way.points[number] if number < len(way.points) else None
            if point:
                kill(gate, point, way.module, way.options)
            run(lab, way.module, way.options)
            assert picture(lab) == way.clean, f"killed {point or 'never'} on the way to {way.options}"
    if idempotent:
        lab.reset_calls()
        run(lab, ways[-1].module, ways[-1].options)
        assert lab.writes() == []
    return list(chain.from_iterable(way.points for way in ways))


def pool(size: int) -> Options:
    if size == 0:
        return {"name": "web", "state": "absent"}
    return {"name": "web", "size": size, "master": "noble", "swap": "1 MiB"}


MADE = {
    "pool.add_to_other_config", "Async.VM.clone", "VIF.create", "VM.set_other_config", "VBD.set_type",
    "Async.VDI.create", "PUT /import_raw_vdi", "VBD.create", "VDI.add_to_other_config", "VM.add_to_other_config",
    "Async.VM.start_on", "pool.remove_from_other_config",
}  # fmt: skip
REMOVED = {"VM.add_to_other_config", "Async.VM.hard_shutdown", "Async.VDI.destroy", "Async.VM.destroy"}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("sizes", [[3, 0], [2, 3]], ids=["made-and-demolished", "scaled-in-and-out"])
def test_vm_pool(
    lab: Lab, gate: Gate, golden: Golden, master: Options, when: str, sizes: list[int], record_property: Record
) -> None:
    disks = [golden.root, golden.boot, find_disk(lab, "noble:1 root"), find_disk(lab, "noble:1 boot CD")]
    hashes = [sha256_of(lab, disk) for disk in disks]
    points = kill_everywhere(gate, when, [Way(pool(size)) for size in sizes])
    assert {point.call for point in points} >= MADE | REMOVED
    assert [sha256_of(lab, disk) for disk in disks] == hashes
    record_property(MATRIX + "kill", len(points))


@pytest.fixture
def able(lab_of_able: Lab) -> Iterator[Gate]:
    """A gate to a lab whose guests follow: they shut down and take devices while they run."""
    with gate_of(lab_of_able) as gate:
        yield gate


@pytest.fixture
def lab_of_able() -> Iterator[Lab]:
    with new_lab("--agent") as lab:
        golden = make_golden(lab)
        run(lab, "master_image", {"name": "noble", "golden_vm": golden.name})
        lab.xapi.network.create({"name_label": "Storage", "other_config": {}})
        yield lab


#: What a change of an instance's hardware, NICs and swap disk writes, with the restart that it takes.
CHANGED = {
    "VM.add_to_other_config", "Async.VM.clean_shutdown", "VM.set_VCPUs_max", "VM.set_memory_limits",
    "VM.add_to_platform", "VIF.create", "VDI.add_to_other_config", "Async.VDI.create", "PUT /import_raw_vdi",
    "VBD.create", "Async.VM.start_on", "Async.VIF.destroy", "Async.VDI.destroy", "VM.remove_from_other_config",
}  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
def test_changes(able: Gate, when: str, record_property: Record) -> None:
    here = able.lab.xapi.network.get_name_label(able.lab.xapi.VIF.get_all_records().popitem()[1]["network"])
    common = {"name": "web", "size": 1, "master": "noble", "allow_restart": True}
    ways = [
        Way(common | {
            "hardware": {"vcpus": 2, "memory": "2 GiB", "cores_per_socket": 2},
            "networks": [{"network": here}, {"network": "Storage"}],
            "swap": "1 MiB",
        }),
        Way(common | {
            "hardware": {"vcpus": 1, "vcpus_max": 1, "memory": "1 GiB", "memory_max": "1 GiB", "cores_per_socket": 1},
            "networks": [{"network": here}],
        }),
    ]  # fmt: skip
    points = kill_everywhere(able, when, ways)
    assert {point.call for point in points} >= CHANGED
    record_property(MATRIX + "kill", len(points))


@pytest.mark.parametrize("when", ["before", "after"])
def test_rebuild(able: Gate, when: str, record_property: Record) -> None:
    run(able.lab, "vm_pool", {"name": "web", "size": 1, "master": "noble", "swap": "1 MiB"})
    rebuilt = Way({"name": "web-001", "state": "rebuilt"}, "instance")
    points = kill_everywhere(able, when, [rebuilt], idempotent=False)
    assert {"Async.VDI.create", "Async.VDI.destroy", "Async.VBD.destroy", "VBD.create"} <= {p.call for p in points}
    record_property(MATRIX + "kill", len(points))


def numberless(lab: Lab, number: int) -> str:
    """What is in the host pool, with the version's number taken out: an interrupted one is not given again."""
    text = json.dumps(picture(lab))
    return text.replace(f"noble:{number}", "noble:N").replace(f'["version", "{number}"]', '["version", "N"]')


@pytest.mark.parametrize("when", ["before", "after"])
def test_publish_and_retire(lab: Lab, gate: Gate, golden: Golden, when: str, record_property: Record) -> None:
    untouched = picture(lab)
    hashes = [sha256_of(lab, disk) for disk in (golden.root, golden.boot)]
    publication = {"name": "noble", "golden_vm": golden.name}

    def publish() -> int:
        return int(run(lab, "master_image", publication)["master_image"]["version"])

    def retirement(number: int) -> Options:
        return {"name": "noble", "state": "retired", "version": number}

    publishing = points_of(gate, when, "master_image", publication)
    published = numberless(lab, 1)
    retiring = points_of(gate, when, "master_image", retirement(1))
    assert picture(lab) == untouched
    for point in publishing:
        kill(gate, point, "master_image", publication)
        number = publish()
        assert numberless(lab, number) == published, f"publishing killed {point}"
        run(lab, "master_image", retirement(number))
        assert picture(lab) == untouched, f"publishing killed {point}"
    for point in retiring:
        number = publish()
        kill(gate, point, "master_image", retirement(number))
        run(lab, "master_image", retirement(number))
        assert picture(lab) == untouched, f"retiring killed {point}"
    died = {point.call for point in (*publishing, *retiring)}
    assert died >= {"Async.VDI.snapshot", "Async.VDI.copy", "Async.VDI.destroy", "Async.VM.destroy"}
    assert [sha256_of(lab, disk) for disk in (golden.root, golden.boot)] == hashes
    record_property(MATRIX + "kill", len(publishing) + len(retiring))
