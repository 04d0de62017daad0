# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fault matrix of moves: each error that XAPI may answer while attachments are changed, for one instance each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import MATRIX
from tests.integration.test_faults import errors_of, fatal, injected, is_told, uuids
from tests.support.ansible import Result, run_module
from tests.support.golden import make_golden, seal_again
from tests.support.guests import Guests, guests_of
from tests.support.lab import Lab, new_lab
from tests.support.state import find_vm, names, power_states

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    """A lab with room for many, and two versions of noble."""
    with new_lab("--agent", "--memory", "64") as lab, guests_of(lab) as guests:
        golden = make_golden(lab)
        assert not run_module(lab, "master_image", name="noble", golden_vm=golden.name).failed
        seal_again(lab, golden)
        assert not run_module(lab, "master_image", name="noble", golden_vm=golden.name, promote=True).failed
        yield guests


def apply(lab: Lab, size: int, fails: bool = False, **options: Any) -> Result:
    asked = {"size": size, "master": "noble", "overlay": {"size": "64 MiB"}, "hardware": {"memory": "256 MiB"}}
    result = run_module(lab, "vm_pool", name="web", **{**asked, **options})
    assert result.failed is fails, result.msg
    return result


@pytest.mark.parametrize(("call", "asynchronous"), [("VBD.create", False), ("VBD.destroy", True)])
def test_moving(guests: Guests, call: str, asynchronous: bool, record_property: Callable[[str, object], None]) -> None:
    lab, errors = guests.lab, errors_of(call)
    apply(lab, len(errors), power_state="halted", master="noble:1")
    known = uuids(lab)
    versions = run_module(lab, "master_image_info", name="noble")["master_images"]
    (target,) = (one["master_id"] for one in versions if one["version"] == 2)
    for name in names(lab):
        lab.xapi.VM.add_to_other_config(find_vm(lab, name), "skinnybox:upgrade_to", target)
    injected(lab, call, errors, asynchronous)
    result = apply(lab, len(errors), fails=True, wait=True)
    assert lab.faults() == []
    is_told(result, fatal(errors), known)
    again = apply(lab, len(errors), wait=True)
    assert {one["version"] for one in again["instances"]} == {2}
    assert {one["boot"]["state"] for one in again["instances"]} == {"running"}
    assert set(power_states(lab).values()) == {"Running"}
    assert apply(lab, len(errors), wait=True)["plan"] == []
    assert not run_module(lab, "vm_pool", name="web", state="absent").failed
    record_property(MATRIX + "fault", len(errors))
