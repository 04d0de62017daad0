# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kill matrix of changes of a whole VM pool: while its instances run, while they are halted, and of disks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import MATRIX
from tests.integration.test_killed import Way, kill_everywhere, run
from tests.support.gate import gate_of
from tests.support.golden import make_golden
from tests.support.lab import new_lab
from tests.support.state import find_disk, sha256_of

pytestmark = pytest.mark.matrix

Options = dict[str, Any]


def pool(size: int, power_state: str, **options: Any) -> Way:
    common = {"name": "web", "size": size, "master": "noble", "power_state": power_state, "allow_restart": True}
    return Way({**common, "overlay": {"size": "64 MiB"}, **options})


def hardware(vcpus: int, memory: str, **more: Any) -> Options:
    return {"vcpus": vcpus, "memory": memory, **more}


LIVE: Options = {"vcpus_max": 4, "memory_max": "1 GiB"}
SMALL = pool(1, "halted", disks=[{"name": "data", "size": "2 MiB"}])
GROWN = pool(1, "halted", disks=[{"name": "data", "size": "4 MiB"}], overlay={"size": "80 MiB"})
GONE = Way({"name": "web", "state": "absent"}, is_killed=False)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("ways", "died"),
    [
        (
            [
                pool(3, "running", hardware=hardware(1, "256 MiB", **LIVE)),
                pool(3, "running", hardware=hardware(2, "512 MiB", **LIVE)),
            ],
            {"Async.VM.set_VCPUs_number_live", "Async.VM.set_memory_dynamic_range"},
        ),
        (
            [
                pool(3, "halted", hardware=hardware(1, "256 MiB"), networks=[{}]),
                pool(3, "halted", hardware=hardware(3, "512 MiB"), networks=[{}, {"network": "Internal"}]),
            ],
            {"VM.set_VCPUs_at_startup", "VM.set_memory_limits", "VIF.create", "Async.VIF.destroy"},
        ),
        ([GROWN, GONE, SMALL], {"Async.VDI.resize", "Async.VDI.create", "VBD.create"}),
    ],
    ids=["live", "halted", "disks"],
)
def test_changes_of_a_vm_pool(
    when: str, ways: list[Way], died: set[str], record_property: Callable[[str, object], None]
) -> None:
    with new_lab("--agent") as lab, gate_of(lab) as gate:
        run(lab, "master_image", {"name": "noble", "golden_vm": make_golden(lab).name})
        disks = [find_disk(lab, "noble:1 root"), find_disk(lab, "noble:1 boot CD")]
        hashes = [sha256_of(lab, disk) for disk in disks]
        points = kill_everywhere(gate, when, ways)
        assert {point.call for point in points} >= died
        assert [sha256_of(lab, disk) for disk in disks] == hashes
    record_property(MATRIX + "kill", len(points))
