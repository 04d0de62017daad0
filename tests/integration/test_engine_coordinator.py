# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run whose session ends, and whose coordinator hands over or dies, while instances are being made."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.ansible import Result, arguments_of, run_module, zygote
from tests.support.golden import make_golden
from tests.support.lab import Lab, new_lab
from tests.support.state import disk_names, names, power_states
from tests.support.waiting import wait_for

WEB = {"name": "web", "size": 4, "master": "noble", "swap": "1 MiB"}


@pytest.fixture
def hosts() -> Iterator[Lab]:
    """A lab of three hosts with noble:1."""
    with new_lab("--hosts", "3") as lab:
        assert not run_module(lab, "master_image", name="noble", golden_vm=make_golden(lab).name).failed
        yield lab


def begin(lab: Lab) -> None:
    """Start a run and wait until it makes disks."""
    lab.pace(vdi_create=0.3)
    lab.reset_calls()
    zygote().start("vm_pool", arguments_of(lab, None, False, False, WEB))
    wait_for(lambda: "PUT /import_raw_vdi" in lab.writes())


def end() -> Result:
    """Wait for it."""
    _status, out, err = zygote().wait()
    assert "Traceback" not in out + err
    return Result(json.loads(out), err)


def assert_whole(lab: Lab) -> None:
    """Four instances run, and there is nothing else."""
    assert power_states(lab) == dict.fromkeys([f"web-00{number}" for number in (1, 2, 3, 4)], "Running")
    assert len(names(lab)) == 4
    assert len(disk_names(lab)) == 8


def test_a_session_that_expires_again_and_again(lab: Lab, master: dict[str, object]) -> None:
    lab.fault(method="VDI.create", nth=8, hang=True)  # it does not end before the third time
    begin(lab)
    for _time in range(3):
        lab.reset_calls()
        lab.expire_sessions("skinnybox")
        wait_for(lambda: "session.login_with_password" in [entry["method"] for entry in lab.calls()["log"]])
    lab.clear_faults()
    result = end()
    assert not result.failed, result.msg
    assert_whole(lab)


def assert_mended(lab: Lab) -> None:
    """The next run leaves nothing to be done, whatever was lost with the coordinator's memory."""
    lab.session = None
    lab.pace()
    result = run_module(lab, "vm_pool", **WEB)
    assert not result.failed, result.msg
    assert_whole(lab)
    assert not run_module(lab, "vm_pool", **WEB)["changed"]


def test_a_coordinator_that_hands_over(hosts: Lab) -> None:
    begin(hosts)
    second = hosts.hosts()[1]
    hosts.xapi.pool.designate_new_master(hosts.xapi.host.get_by_uuid(second["uuid"]))
    result = end()
    assert not result.failed, result.msg
    hosts.url = hosts.at(second["address"])
    # Its tasks were forgotten. A disk that came to be after it was looked for was made twice.
    assert_mended(hosts)


def test_a_coordinator_that_dies_and_comes_back(hosts: Lab) -> None:
    begin(hosts)
    hosts.kill_host(hosts.hosts()[0]["uuid"], seconds=1)
    # Guests on that host have died; what of the run failed with it is told, and mended by the next one.
    end()
    assert_mended(hosts)
