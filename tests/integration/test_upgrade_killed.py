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
from tests.integration.test_killed import Way, kill, kill_everywhere, points_of, run
from tests.support.gate import Gate, gate_of
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
    """A lab with two versions of noble, and an instance whose guest reports."""

    gate: Gate
    guests: Guests

    def run(self, options: Options) -> dict[str, Any]:
        return run(self.gate.lab, "vm_pool" if "size" in options else "instance", options)

    def look(self) -> dict[str, list[Any]]:
        return picture(self.gate.lab)


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
def old(site: Site) -> dict[str, list[Any]]:
    """How the host pool looks with the instance rolled back to the old version, where it is."""
    site.run(to("upgraded"))
    site.run(to("rolled_back"))
    return site.look()


Record = Callable[[str, object], None]
#: What an upgrade writes.
WRITTEN = {
    "VM.add_to_other_config", "Async.VM.clean_shutdown", "VM.set_xenstore_data",
    "Async.VBD.destroy", "VBD.create", "VDI.add_to_other_config", "Async.VM.start_on", "Async.VBD.unplug",
}  # fmt: skip


@pytest.mark.usefixtures("old")
def test_the_same_run_again(site: Site, record_property: Record) -> None:
    ways = [Way(to("upgraded"), "instance"), Way(to("rolled_back"), "instance")]
    points = kill_everywhere(site.gate, "after", ways)
    assert {point.call for point in points} >= WRITTEN
    record_property(MATRIX + "kill", len(points))


def test_an_upgrade_is_rolled_back_from_wherever_it_is(
    site: Site, old: dict[str, list[Any]], record_property: Record
) -> None:
    points = points_of(site.gate, "after", "instance", to("upgraded"))
    site.run(to("rolled_back"))
    for point in points:
        kill(site.gate, point, "instance", to("upgraded"))
        site.run(to("rolled_back", master="noble:1"))
        assert site.look() == old, f"killed {point}"
    record_property(MATRIX + "kill", len(points))


@pytest.mark.parametrize("state", ["upgraded", "rolled_back"])
def test_apply_goes_on(site: Site, old: dict[str, list[Any]], state: str, record_property: Record) -> None:
    """At some of the points: it does what the module itself would do next."""
    other = {"upgraded": "rolled_back", "rolled_back": "upgraded"}[state]
    if other == "upgraded":
        site.run(to(other))
    points = points_of(site.gate, "after", "instance", to(state))[::5]
    clean = site.look()
    for point in points:
        site.run(to(other))
        kill(site.gate, point, "instance", to(state))
        site.run(POOL)
        assert site.gate.lab.xapi.VM.get_power_state(find_vm(site.gate.lab, "web-001")) == "Running"
        site.run(to(state))
        assert site.look() == clean, f"killed {point}"
    record_property(MATRIX + "kill", len(points))
