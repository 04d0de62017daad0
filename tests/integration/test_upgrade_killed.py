# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kill matrix of moves: the module dies after each of its writes, and whatever is run next finishes or undoes it.

What it leaves when it dies before one is what it leaves when it dies after the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import MATRIX
from tests.integration.test_killed import kill, points_of, run
from tests.support.gate import Gate, Point, gate_of
from tests.support.golden import make_golden, seal_again
from tests.support.guests import Guests, guests_of
from tests.support.lab import new_lab
from tests.support.state import find_disk, find_vm, picture, sha256_of

pytestmark = pytest.mark.matrix

Options = dict[str, Any]
POOL: Options = {"name": "web", "size": 1, "master": "noble:1", "swap": "1 MiB", "wait": True}


def to(state: str, **options: Any) -> Options:
    return {"name": "web-001", "state": state, "wait": True, **options}


@dataclass
class Site:
    """A lab with two versions of noble, an instance that has been on both, and how it looks on each."""

    gate: Gate
    guests: Guests

    def run(self, options: Options) -> dict[str, Any]:
        return run(self.gate.lab, "vm_pool" if "size" in options else "instance", options)

    def look(self) -> dict[str, list[Any]]:
        return picture(self.gate.lab)

    def die(self, point: Point, options: Options) -> None:
        kill(self.gate, point, "instance", options)

    def points(self, options: Options) -> list[Point]:
        return points_of(self.gate, "after", "instance", options)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with new_lab("--agent") as lab, guests_of(lab) as guests, gate_of(lab) as gate:
        golden = make_golden(lab)
        run(lab, "master_image", {"name": "noble", "golden_vm": golden.name})
        seal_again(lab, golden)
        run(lab, "master_image", {"name": "noble", "golden_vm": golden.name, "promote": True})
        run(lab, "vm_pool", POOL)
        disks = [find_disk(lab, f"noble:{number} {what}") for number in (1, 2) for what in ("root", "boot CD")]
        hashes = [sha256_of(lab, disk) for disk in disks]
        yield Site(gate, guests)
        assert [sha256_of(lab, disk) for disk in disks] == hashes


@pytest.fixture
def pictures(site: Site) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """How the host pool looks with the instance on the new version, and after it was rolled back, where it is."""
    site.run(to("upgraded"))
    site.run(to("rolled_back"))
    site.run(to("upgraded"))
    new = site.look()
    site.run(to("rolled_back"))
    return new, site.look()


#: What an upgrade writes.
WRITTEN = {
    "VM.add_to_other_config", "Async.VM.clean_shutdown", "VM.add_to_xenstore_data", "VM.remove_from_xenstore_data",
    "Async.VBD.destroy", "VBD.create", "VDI.add_to_other_config", "Async.VM.start_on", "Async.VBD.unplug",
}  # fmt: skip


#: What is run after the death, and at which share of the points.
THEN = [("again", 1), ("back", 1), ("apply", 3)]


@pytest.mark.parametrize(("then", "every"), THEN)
def test_upgrade(
    site: Site, pictures: tuple[Any, Any], then: str, every: int, record_property: Callable[[str, object], None]
) -> None:
    new, old = pictures
    points = site.points(to("upgraded"))[::every]
    assert every > 1 or {point.call for point in points} >= WRITTEN
    site.run(to("rolled_back"))
    for point in points:
        site.die(point, to("upgraded"))
        if then == "apply":
            site.run(POOL)
            assert site.gate.lab.xapi.VM.get_power_state(find_vm(site.gate.lab, "web-001")) == "Running"
        if then != "back":
            site.run(to("upgraded"))
            assert site.look() == new, f"upgrade killed {point}, then {then}"
        site.run(to("rolled_back", master="noble:1"))
        assert site.look() == old, f"upgrade killed {point}, then {then}"
    record_property(MATRIX + "kill", len(points))


@pytest.mark.parametrize(("then", "every"), [("again", 1), ("apply", 3)])
def test_rollback(
    site: Site, pictures: tuple[Any, Any], then: str, every: int, record_property: Callable[[str, object], None]
) -> None:
    _new, old = pictures
    site.run(to("upgraded"))
    points = site.points(to("rolled_back"))[::every]
    for point in points:
        site.run(to("upgraded"))
        site.die(point, to("rolled_back"))
        if then == "apply":
            site.run(POOL)
        site.run(to("rolled_back", master="noble:1"))
        assert site.look() == old, f"rollback killed {point}, then {then}"
    record_property(MATRIX + "kill", len(points))
