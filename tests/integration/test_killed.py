# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module that is killed at any of its writes, and run again: the host pool is as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ansible import arguments_of, run_module, zygote
from tests.support.gate import Gate, gate_of
from tests.support.golden import Golden
from tests.support.lab import Lab
from tests.support.state import find_disk, picture, sha256_of

KILLED = -9
Options = dict[str, Any]


@pytest.fixture
def gate(lab: Lab) -> Iterator[Gate]:
    with gate_of(lab) as gate:
        yield gate


def kill(lab: Lab, gate: Gate, point: int, mode: str, module: str, options: Options) -> str:
    """Run a module and kill it; the call at which it died, empty when it has fewer writes."""
    process = gate.arm(point, mode)
    process.set_result(zygote().start(module, arguments_of(lab, gate.url, False, False, options)))
    status, out, err = zygote().wait()
    assert status == (KILLED if gate.killed_at else 0), out + err
    gate.settle()
    return gate.killed_at


def run(lab: Lab, module: str, options: Options) -> None:
    result = run_module(lab, module, **options)
    assert not result.failed, result.msg


def pool(size: int) -> Options:
    if size == 0:
        return {"name": "web", "state": "absent"}
    return {"name": "web", "size": size, "master": "noble", "swap": "1 MiB"}


def kill_everywhere(lab: Lab, gate: Gate, mode: str, sizes: list[int]) -> dict[int, list[str]]:
    """Go through sizes of a VM pool round and round, killed one write later in each round; where it died, by size."""
    clean: dict[int, dict[str, list[Any]]] = {}
    run(lab, "vm_pool", pool(sizes[-1]))
    for size in sizes:
        run(lab, "vm_pool", pool(size))
        clean[size] = picture(lab)
    died: dict[int, list[str]] = {size: [] for size in sizes}
    going_on = set(sizes)
    point = 0
    while going_on:
        point += 1
        for size in sizes:
            where = kill(lab, gate, point, mode, "vm_pool", pool(size)) if size in going_on else ""
            run(lab, "vm_pool", pool(size))
            assert picture(lab) == clean[size], f"killed {mode} write {point}, {where}, on the way to size {size}"
            if where:
                died[size].append(where)
            else:
                going_on.discard(size)
    lab.reset_calls()
    run(lab, "vm_pool", pool(sizes[-1]))
    assert lab.writes() == []
    return died


@pytest.mark.parametrize("mode", ["before", "after"])
@pytest.mark.parametrize("sizes", [[2, 0], [3, 1, 2]])
def test_vm_pool(lab: Lab, gate: Gate, golden: Golden, master: dict[str, Any], mode: str, sizes: list[int]) -> None:
    disks = [golden.root, golden.boot, find_disk(lab, "noble:1 root"), find_disk(lab, "noble:1 boot CD")]
    hashes = [sha256_of(lab, disk) for disk in disks]
    died = kill_everywhere(lab, gate, mode, sizes)
    assert "Async.VDI.destroy" in died[sizes[1]]
    if sizes[0] == 3:
        # From 2 to 3 one instance is made, so every write has its turn; two at once take turns by chance.
        made = {"Async.VM.clone", "Async.VDI.create", "PUT", "Async.VM.start"}
        if mode == "before":
            made |= {"pool.add_to_other_config", "VIF.create", "VM.set_other_config", "VBD.set_type", "VBD.create"}
            made |= {"VDI.add_to_other_config", "VM.add_to_other_config", "pool.remove_from_other_config"}
        assert made <= set(died[3])
    assert [sha256_of(lab, disk) for disk in disks] == hashes


def numberless(lab: Lab, number: int) -> str:
    """What is in the host pool, with the version's number taken out: an interrupted one is not given again."""
    text = json.dumps(picture(lab))
    return text.replace(f"noble:{number}", "noble:N").replace(f'["version", "{number}"]', '["version", "N"]')


@pytest.mark.parametrize("mode", ["before", "after"])
def test_publish_and_retire(lab: Lab, gate: Gate, golden: Golden, mode: str) -> None:
    untouched = picture(lab)
    hashes = [sha256_of(lab, disk) for disk in (golden.root, golden.boot)]
    publication = {"name": "noble", "golden_vm": golden.name}
    retirement = {"name": "noble", "state": "retired", "version": 1}
    run(lab, "master_image", publication)
    published = numberless(lab, 1)
    run(lab, "master_image", retirement)
    assert picture(lab) == untouched
    died: list[str] = []
    for options in (publication, retirement):
        point = 0
        while True:
            point += 1
            if options is retirement:
                retirement["version"] = publish(lab, publication)
            where = kill(lab, gate, point, mode, "master_image", options)
            number = publish(lab, publication) if options is publication else 0
            if number:
                assert numberless(lab, number) == published, f"killed {mode} write {point}, {where}"
            run(lab, "master_image", {**retirement, "version": number} if number else retirement)
            assert picture(lab) == untouched, f"killed {mode} write {point}, {where}"
            if not where:
                break
            died.append(where)
    assert {"Async.VDI.snapshot", "Async.VDI.copy", "Async.VDI.destroy", "Async.VM.destroy"} <= set(died)
    assert [sha256_of(lab, disk) for disk in (golden.root, golden.boot)] == hashes


def publish(lab: Lab, publication: Options) -> int:
    result = run_module(lab, "master_image", **publication)
    assert not result.failed, result.msg
    return int(result["master_image"]["version"])
