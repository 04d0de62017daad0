# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two processes work on VM pools at once: one waits or refuses, and the end is what one after the other gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ansible import Result, arguments_of, run_module, zygote
from tests.support.lab import Lab
from tests.support.state import names, picture
from tests.support.waiting import attempts

LOCK = "skinnybox:lock:VM pool web"
Options = dict[str, Any]


def pool(size: int, name: str = "web", **options: Any) -> Options:
    return {"name": name, "size": size, "master": "noble", "swap": "1 MiB", "overlay": {"size": "64 MiB"}, **options}


@pytest.fixture(autouse=True)
def under_way(lab: Lab) -> Iterator[None]:
    """What a test that failed has left going is ended, too."""
    _under_way.clear()
    yield
    lab.clear_faults()
    for controller in sorted(_under_way):
        zygote(controller).wait()


_under_way: set[int] = set()


def start(lab: Lab, controller: int, options: Options, check: bool = False) -> None:
    zygote(controller).start("vm_pool", arguments_of(lab, None, check, False, options))
    _under_way.add(controller)


def end(controller: int) -> Result:
    _status, out, err = zygote(controller).wait()
    _under_way.discard(controller)
    assert "Traceback" not in err + out, err + out
    return Result(json.loads(out), err)


def run(lab: Lab, options: Options) -> dict[str, list[Any]]:
    """Bring the VM pool there, undisturbed, and say how that looks."""
    result = run_module(lab, "vm_pool", **options)
    assert not result.failed, result.msg
    return picture(lab)


def wait_for_the_lock(lab: Lab) -> None:
    (ref,) = lab.xapi.pool.get_all()
    assert any(LOCK in lab.xapi.pool.get_other_config(ref) for _attempt in attempts())


def wait_for_a_refusal(lab: Lab) -> None:
    """Until somebody has tried to take the lock that another one holds."""
    assert any(call["outcome"] == "MAP_DUPLICATE_KEY" for _attempt in attempts() for call in lab.calls()["log"]), (
        "nobody wanted the lock"
    )


def begin_and_hang(lab: Lab, options: Options) -> None:
    """Controller 0 begins, and is held up in the middle of its work until the faults are cleared."""
    lab.reset_calls()
    lab.fault(method="VDI.create", hang=True)
    start(lab, 0, options)
    wait_for_the_lock(lab)


def test_the_second_waits_and_finds_the_work_done(lab: Lab, master: Options) -> None:
    clean = run(lab, pool(3))
    run_module(lab, "vm_pool", name="web", state="absent")
    begin_and_hang(lab, pool(3))
    start(lab, 1, pool(3))
    wait_for_a_refusal(lab)
    lab.clear_faults()
    first, second = end(0), end(1)
    assert (first.failed, first["changed"]) == (False, True)
    assert (second.failed, second["changed"], second["plan"]) == (False, False, [])
    assert picture(lab) == clean


def test_the_second_refuses_when_it_may_not_wait(lab: Lab, master: Options) -> None:
    begin_and_hang(lab, pool(2))
    start(lab, 1, pool(1, lock_timeout=0))
    refused = end(1)
    assert refused.failed
    assert "VM pool web is being changed by process " in refused.msg
    # Who only looks need not wait.
    start(lab, 1, pool(1, lock_timeout=0), check=True)
    assert end(1)["changed"]
    lab.clear_faults()
    assert not end(0).failed
    assert names(lab) == ["web-001", "web-002"]


def test_in_opposite_directions_the_last_one_is_right(lab: Lab, master: Options) -> None:
    clean = run(lab, pool(1))
    run(lab, pool(2))
    begin_and_hang(lab, pool(4))
    start(lab, 1, pool(1))
    wait_for_a_refusal(lab)
    lab.clear_faults()
    first, second = end(0), end(1)
    assert not first.failed and not second.failed
    # Planned anew when its turn came: it removed what the first one had just made.
    assert [action["instance"] for action in second["plan"]] == ["web-002", "web-003", "web-004"]
    assert picture(lab) == clean


def test_at_once_and_unhindered(lab: Lab, master: Options) -> None:
    """Whoever is second decides; there is never anything in between, and nothing is left."""
    clean = [run(lab, pool(size)) for size in (1, 2)]
    for _round in range(4):
        start(lab, 0, pool(1))
        start(lab, 1, pool(2))
        first, second = end(0), end(1)
        assert not first.failed, first.msg
        assert not second.failed, second.msg
        assert picture(lab) in clean


def test_two_vm_pools_do_not_wait_for_each_other(lab: Lab, master: Options) -> None:
    """Each is finished while the other one is held up."""
    begin_and_hang(lab, pool(1))
    start(lab, 1, pool(1, name="db", lock_timeout=0))
    other = end(1)
    assert not other.failed, other.msg
    assert names(lab, "db-") == ["db-001"]
    lab.clear_faults()
    assert not end(0).failed
    assert names(lab) == ["web-001"]
