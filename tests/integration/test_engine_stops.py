# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that is asked to stop, or killed: how it ends, and what the next one finds."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.ansible import Result, arguments_of, run_module, zygote
from tests.support.lab import Lab
from tests.support.state import disk_names, names, power_states
from tests.support.waiting import wait_for

WEB = {"name": "web", "size": 12, "master": "noble"}


def start(lab: Lab, **options: object) -> int:
    """Start a run; its process id."""
    return zygote().start("vm_pool", arguments_of(lab, None, False, False, {**WEB, **options}))


def locks(lab: Lab) -> list[str]:
    (pool,) = lab.xapi.pool.get_all_records().values()
    return [key for key in pool["other_config"] if key.startswith("skinnybox:lock:")]


def own_tasks(lab: Lab) -> list[str]:
    return [
        record["name_label"]
        for record in lab.xapi.task.get_all_records().values()
        if record["name_label"].startswith("Skinnybox")
    ]


def has_heard(process: int) -> bool:
    """Whether a module has taken notice of a signal: from then on it does not handle SIGTERM itself."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    handled = next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1]
    return not int(handled, 16) >> (signal.SIGTERM - 1) & 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_in_good_order(lab: Lab, master: dict[str, object], number: signal.Signals) -> None:
    lab.fault(method="VDI.create", nth=4, hang=True)
    process = start(lab, concurrency={"per_host": 1, "per_sr": 1})
    wait_for(lambda: list(power_states(lab).values()).count("Running") == 3)
    os.kill(process, number)
    wait_for(lambda: has_heard(process))
    lab.clear_faults()
    status, out, err = zygote().wait()
    assert status == 1, out + err
    result = json.loads(out)
    assert result["failed"]
    assert result["changed"]
    assert result["msg"].startswith("VM pool 'web': stopped by a signal; 0 of 12 actions failed, ")
    states = [outcome["state"] for outcome in result["outcomes"]]
    assert states.count("done") == 3
    assert states.count("stopped") >= 1
    assert states.count("untried") >= 1
    assert len(states) == 12
    # What was under way has ended, and nothing is begun any more.
    lab.reset_calls()
    assert locks(lab) == own_tasks(lab) == []
    assert not [call for call in lab.writes() if not call.startswith("task.")]
    again = run_module(lab, "vm_pool", **WEB)
    assert not again.failed, again.msg
    assert set(power_states(lab).values()) == {"Running"}
    assert len(names(lab)) == len(disk_names(lab)) == 12


def test_a_signal_while_another_run_holds_the_lock(lab: Lab, master: dict[str, object]) -> None:
    (pool,) = lab.xapi.pool.get_all()
    lab.xapi.pool.add_to_other_config(pool, "skinnybox:lock:VM pool web", json.dumps({"since": 4102444800}))
    lab.reset_calls()
    process = start(lab)
    wait_for(lambda: "pool.add_to_other_config" in lab.writes())
    os.kill(process, signal.SIGTERM)
    status, out, _err = zygote().wait()
    assert status == 1
    assert json.loads(out)["msg"].startswith("Stopped by a signal")
    assert names(lab) == []


def test_what_a_killed_run_had_begun_is_waited_for(lab: Lab, master: dict[str, object]) -> None:
    """A disk that comes to be after its run has died, and after the next one has begun, is not left behind."""
    lab.fault(method="VDI.create", hang=True)
    lab.reset_calls()
    process = start(lab, size=1)
    wait_for(lambda: "Async.VDI.create" in lab.writes())
    os.kill(process, signal.SIGKILL)
    zygote().wait()
    assert locks(lab)
    lab.reset_calls()
    start(lab, size=1)
    wait_for(lambda: "task.get_all_records" in [entry["method"] for entry in lab.calls()["log"]])
    assert disk_names(lab) == []
    lab.clear_faults()
    _status, out, err = zygote().wait()
    result = Result(json.loads(out), err)
    assert not result.failed, result.msg
    assert [action["action"] for action in result["plan"]] == ["tidy", "create"]
    assert disk_names(lab) == ["web-001 overlay"]
    assert locks(lab) == own_tasks(lab) == []


def test_a_dead_runs_lock_goes_though_there_is_nothing_to_do(lab: Lab, master: dict[str, object]) -> None:
    assert not run_module(lab, "vm_pool", **{**WEB, "size": 1}).failed
    (pool,) = lab.xapi.pool.get_all()
    lab.xapi.pool.add_to_other_config(pool, "skinnybox:lock:VM pool web", "{}")
    result = run_module(lab, "vm_pool", **{**WEB, "size": 1})
    assert not result.failed
    assert not result["changed"]
    assert locks(lab) == []
