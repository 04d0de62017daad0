# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An instance moves to another master version and back, as a user has it done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ansible import Result, run_module
from tests.support.golden import make_golden, seal_again
from tests.support.guests import Guests, guests_of
from tests.support.lab import Lab, new_lab
from tests.support.state import find_disk, find_vm, picture

Options = dict[str, Any]
KEY = "vm-data/skinnybox/"


def run(lab: Lab, module: str, fails: bool = False, check: bool = False, **options: Any) -> Result:
    result = run_module(lab, module, check=check, diff=True, **options)
    assert result.failed == fails, result.msg
    return result


def instance(lab: Lab, state: str, fails: bool = False, check: bool = False, **options: Any) -> Result:
    return run(
        lab, "instance", fails, check, **{"name": "web-001", "state": state, "wait": True, "wait_timeout": 5, **options}
    )


def pool(lab: Lab, **options: Any) -> Result:
    return run(
        lab, "vm_pool", **{"name": "web", "size": 1, "master": "noble:1", "wait": True, "wait_timeout": 5, **options}
    )


def publish(lab: Lab, name: str, golden: str, **options: Any) -> Result:
    return run(lab, "master_image", name=name, golden_vm=golden, **options)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Two versions of noble, the second one promoted; one instance of the first."""
    with new_lab("--agent") as lab:
        golden = make_golden(lab)
        publish(lab, "noble", golden.name)
        seal_again(lab, golden)
        publish(lab, "noble", golden.name, promote=True)
        yield lab


@pytest.fixture
def guests(lab: Lab) -> Iterator[Guests]:
    with guests_of(lab) as guests:
        pool(lab)
        yield guests


def labels(lab: Lab, name: str = "web-001") -> dict[str, str]:
    found = lab.xapi.VM.get_other_config(find_vm(lab, name))
    return {key.removeprefix("skinnybox:"): value for key, value in found.items() if key.startswith("skinnybox:")}


def keys(lab: Lab, name: str = "web-001") -> dict[str, str]:
    found = lab.xapi.VM.get_xenstore_data(find_vm(lab, name))
    return {key.removeprefix(KEY): value for key, value in found.items() if not key.endswith(("/report", "/instance"))}


def attached(lab: Lab, name: str = "web-001") -> dict[str, str]:
    """Disks by position."""
    vbds = [lab.xapi.VBD.get_record(vbd) for vbd in lab.xapi.VM.get_VBDs(find_vm(lab, name))]
    return {vbd["userdevice"]: lab.xapi.VDI.get_name_label(vbd["VDI"]) for vbd in vbds}


BEFORE = {"0": "noble:1 root", "1": "web-001 overlay", "3": "noble:1 boot CD"}
AFTER = {"0": "noble:2 root", "1": "web-001 overlay", "3": "noble:2 boot CD"}


def test_there_and_back(lab: Lab, guests: Guests) -> None:
    before = picture(lab)
    upgraded = instance(lab, "upgraded")
    assert upgraded["plan_text"][1] == "  ~ web-001  master noble:1 -> noble:2, rebase, restart"
    assert upgraded["downtime"] > 0
    assert upgraded["outcomes"][0]["downtime"] == upgraded["downtime"]
    now = upgraded["instance"]
    assert (now["version"], now["previous"], now["moving_to"]) == (2, ["noble:1"], None)
    assert now["boot"]["layer"] == "rebased" and now["boot"]["kept"] == 3 and now["boot"]["seconds"] == 0.5
    assert attached(lab) == AFTER and keys(lab) == {}
    overlay = lab.xapi.VDI.get_other_config(find_disk(lab, "web-001 overlay"))
    assert overlay["skinnybox:version"] == "2"
    assert not instance(lab, "upgraded")["changed"]
    back = instance(lab, "rolled_back")
    assert back["plan_text"][1] == "  ~ web-001  master noble:2 -> noble:1, rolled back, restart"
    assert back["instance"]["boot"]["layer"] == "kept"
    assert attached(lab) == BEFORE
    assert labels(lab)["abandoned"]
    assert not instance(lab, "rolled_back")["changed"]
    lab.xapi.VM.remove_from_other_config(find_vm(lab, "web-001"), "skinnybox:abandoned")
    lab.xapi.VM.remove_from_xenstore_data(find_vm(lab, "web-001"), KEY + "report")
    assert without_reports(picture(lab)) == without_reports(before)


def without_reports(picture: dict[str, list[Any]]) -> str:
    return str(picture).replace("'vm-data/skinnybox/report', ", "").replace(", 'vm-data/skinnybox/report'", "")
