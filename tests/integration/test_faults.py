# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fault matrix: each error that XAPI may answer to a call, once, and each call's connection cut before and after.

All errors of a call befall one VM pool at once, that has an instance for each of them: so each is reported for one
instance, the others are finished, and what passes or is no failure leaves no trace. Then the next run ends right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.retry import PASSING
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.words import explain
from tests.conftest import MATRIX
from tests.support.ansible import Result, run_module
from tests.support.failures import ANY, OF, Error
from tests.support.golden import make_golden
from tests.support.lab import Lab, new_lab
from tests.support.state import disk_names, find_disk, find_vm, names, picture, power_states, sha256_of

pytestmark = pytest.mark.matrix

Record = Callable[[str, object], None]

#: Answers to an asynchronous call itself; all others are its task's.
IMMEDIATE = {
    "SESSION_INVALID", "MESSAGE_PARAMETER_COUNT_MISMATCH", "MESSAGE_METHOD_UNKNOWN", "TOO_MANY_PENDING_TASKS",
    "HOST_STILL_BOOTING",
}  # fmt: skip
#: After these the same call is made again, and nobody hears of it.
PASSES = PASSING | {"SESSION_INVALID"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab with room for many, whose guests obey; noble:1 is published."""
    with new_lab("--agent", "--memory", "64") as lab:
        golden = make_golden(lab)
        assert not run_module(lab, "master_image", name="noble", golden_vm=golden.name).failed
        yield lab


@pytest.fixture(autouse=True)
def untouched(lab: Lab) -> Iterator[None]:
    """Every test begins and ends with the master alone, which stays as it is, bit by bit."""
    before, root = picture(lab), find_disk(lab, "noble:1 root")
    content = sha256_of(lab, root)
    yield
    lab.clear_faults()
    apply(lab, 0)
    assert picture(lab) == before
    assert sha256_of(lab, root) == content


def apply(lab: Lab, size: int, fails: bool = False, **options: Any) -> Result:
    """Bring VM pool web to a size; 0 removes it."""
    asked = {"size": size, "master": "noble", "power_state": "halted", "swap": "1 MiB", "hardware": HARDWARE}
    result = run_module(lab, "vm_pool", name="web", **({**asked, **options} if size else {"state": "absent"}))
    assert result.failed is fails, result.msg
    return result


HARDWARE = {"vcpus": 2, "memory": "256 MiB"}


def injected(lab: Lab, call: str, errors: list[Error], asynchronous: bool) -> None:
    """Have each of the errors befall one call."""
    for nth, error in enumerate(errors, 1):
        immediate = asynchronous and error[0] in IMMEDIATE
        lab.fault(method=f"Async.{call}" if immediate else call, nth=nth, error=list(error))


def is_told(result: Result, errors: list[Error], uuids: dict[str, str]) -> None:
    """Each error is told of one instance: what failed, why in plain words, what is left, what to do."""
    failed = {outcome["instance"]: outcome["msg"] for outcome in result["outcomes"] if outcome["failed"]}
    assert len(failed) == len(errors), result.msg
    left = dict(failed)
    for code, *params in errors:
        told = f"{explain(code, params)} ({code} from "
        name = next((name for name, message in left.items() if told.lower() in message.lower()), None)
        assert name, f"{told!r} is not said: {left}"
        message = left.pop(name)
        assert message.startswith(f"{name} (VM {uuids[name]}): " if name in uuids else f"{name}: ")
        assert message.endswith(" Mend the cause and run apply again.")
        assert message in result.msg
    assert f"{len(errors)} of {len(result['outcomes'])} actions failed" in result.msg


def uuids(lab: Lab) -> dict[str, str]:
    return {name: lab.xapi.VM.get_uuid(find_vm(lab, name)) for name in names(lab)}


def errors_of(call: str) -> list[Error]:
    return [*OF.get(call, ()), *ANY]


def fatal(errors: list[Error]) -> list[Error]:
    return [error for error in errors if error[0] not in PASSES]


ASYNC = {
    "VM.clone", "VDI.create", "VDI.destroy", "VM.clean_shutdown", "VM.hard_shutdown", "VM.destroy",
}  # fmt: skip
MAKING = [
    "VM.clone", "VM.set_other_config", "VM.set_is_a_template", "VM.set_memory_limits", "VM.set_VCPUs_max",
    "VM.set_VCPUs_at_startup", "VM.set_xenstore_data", "VM.set_blocked_operations", "VIF.create", "VBD.set_type",
    "VDI.create", "VDI.add_to_other_config", "VBD.create", "VM.set_name_label", "VM.add_to_other_config",
]  # fmt: skip


@pytest.mark.parametrize("call", MAKING)
def test_making(lab: Lab, call: str, record_property: Record) -> None:
    errors = errors_of(call)
    injected(lab, call, errors, call in ASYNC)
    result = apply(lab, len(errors), fails=True)
    assert lab.faults() == []
    is_told(result, fatal(errors), {})
    assert len(names(lab)) == len(errors) - len(fatal(errors))
    # Nothing is left of those that could not be made, and nothing of them is in the way.
    assert len(disk_names(lab)) == 2 * len(names(lab))
    again = apply(lab, len(errors))
    assert sorted({action["action"] for action in again["plan"]}) == ["create"]
    assert len(names(lab)) == len(errors)
    assert not apply(lab, len(errors))["changed"]
    record_property(MATRIX + "fault", len(errors))


#: Refusals of a host after which another one may do.
OF_THE_HOST = {
    "HOST_NOT_ENOUGH_FREE_MEMORY", "HOST_DISABLED", "HOST_NOT_LIVE", "HOST_OFFLINE", "VM_REQUIRES_SR",
    "VM_REQUIRES_NETWORK",
}  # fmt: skip


@pytest.mark.parametrize(
    ("call", "placement", "passes"),
    [
        ("VM.start_on", {"spread": "host"}, set()),
        ("VM.start_on", None, OF_THE_HOST),
        ("VM.start", None, set()),
    ],
    ids=["where-it-is-declared", "where-it-was-planned", "wherever-XAPI-likes"],
)
def test_starting(lab: Lab, call: str, placement: object, passes: set[str], record_property: Record) -> None:
    errors = errors_of(call)
    bad = [error for error in fatal(errors) if error[0] not in passes]
    apply(lab, len(errors))
    known = uuids(lab)
    if call == "VM.start":
        lab.fault(method="VM.start_on", error=["HOST_DISABLED", "x"], always=True)
    injected(lab, call, errors, True)
    result = apply(lab, len(errors), fails=True, power_state="running", placement=placement)
    assert [fault for fault in lab.faults() if not fault["always"]] == []
    lab.clear_faults()
    is_told(result, bad, known)
    assert sorted(power_states(lab).values()).count("Halted") == len(bad)
    apply(lab, len(errors), power_state="running", placement=placement)
    assert set(power_states(lab).values()) == {"Running"}
    record_property(MATRIX + "fault", len(errors))


def test_stopping(lab: Lab, record_property: Record) -> None:
    errors = errors_of("VM.clean_shutdown")
    apply(lab, len(errors), power_state="running")
    known = uuids(lab)
    injected(lab, "VM.clean_shutdown", errors, True)
    result = apply(lab, len(errors), fails=True)
    assert lab.faults() == []
    is_told(result, fatal(errors), known)
    assert sorted(power_states(lab).values()).count("Running") == len(fatal(errors))
    apply(lab, len(errors))
    assert set(power_states(lab).values()) == {"Halted"}
    record_property(MATRIX + "fault", len(errors))


@pytest.mark.parametrize("call", ["VM.add_to_other_config", "VM.hard_shutdown", "VDI.destroy", "VM.destroy"])
def test_removing(lab: Lab, call: str, record_property: Record) -> None:
    errors = errors_of(call)
    running = call == "VM.hard_shutdown"
    apply(lab, len(errors), power_state="running" if running else "halted")
    known = uuids(lab)
    if running:
        lab.fault(method="VM.clean_shutdown", error=["VM_LACKS_FEATURE", "x"], always=True)
    injected(lab, call, errors, call in ASYNC)
    result = run_module(lab, "vm_pool", name="web", state="absent")
    assert result.failed
    lab.clear_faults()
    is_told(result, fatal(errors), known)
    assert len(names(lab)) == len(fatal(errors))
    apply(lab, 0)
    assert names(lab) == disk_names(lab) == []
    record_property(MATRIX + "fault", len(errors))


def test_a_guest_that_cannot_be_shut_down_is_switched_off_when_it_is_removed(lab: Lab, record_property: Record) -> None:
    errors = errors_of("VM.clean_shutdown")
    apply(lab, len(errors), power_state="running")
    injected(lab, "VM.clean_shutdown", errors, True)
    apply(lab, 0)
    assert lab.faults() == []
    assert names(lab) == disk_names(lab) == []
    record_property(MATRIX + "fault", len(errors))


@pytest.mark.parametrize("call", ["VBD.create", "VIF.create"])
def test_repairing(lab: Lab, call: str, record_property: Record) -> None:
    errors = errors_of(call)
    apply(lab, len(errors))
    whole, known = picture(lab), uuids(lab)
    for name in names(lab):
        xapi, vm = lab.xapi, find_vm(lab, name)
        if call == "VIF.create":
            for vif in xapi.VM.get_VIFs(vm):
                xapi.VIF.destroy(vif)
        else:
            (vbd,) = [vbd for vbd in xapi.VM.get_VBDs(vm) if xapi.VBD.get_userdevice(vbd) == "1"]
            xapi.VBD.destroy(vbd)
    injected(lab, call, errors, False)
    result = apply(lab, len(errors), fails=True)
    assert lab.faults() == []
    is_told(result, fatal(errors), known)
    apply(lab, len(errors))
    assert picture(lab) == whole
    record_property(MATRIX + "fault", len(errors))


UPLOAD = "PUT /import_raw_vdi"


def test_uploading(lab: Lab, record_property: Record) -> None:
    """Of an upload only its task tells how it ended; here the request itself fails, or is cut."""
    faults = [{"error": ["VDI_IO_ERROR", "x"]}, {"drop": "before"}, {"drop": "after"}]
    for nth, fault in enumerate(faults, 1):
        lab.fault(method=UPLOAD, nth=nth, **fault)
    result = run_module(lab, "vm_pool", name="web", size=3, master="noble", power_state="halted")
    assert lab.faults() == []
    failed = [outcome for outcome in result["outcomes"] if outcome["failed"]]
    assert all(f"{outcome['instance']}: not created: " in outcome["msg"] for outcome in failed)
    assert len(disk_names(lab)) == len(names(lab)) == 3 - len(failed)
    apply(lab, 3, swap=None)
    assert not apply(lab, 3, swap=None)["changed"]
    assert len(names(lab)) == 3
    record_property(MATRIX + "fault", len(faults))


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("work", ["made", "removed"])
def test_the_connection_is_cut_at_each_write(lab: Lab, work: str, drop: str, record_property: Record) -> None:
    """Whether a call ran is looked up in the host pool: one run is enough, and nothing is made twice."""
    empty = picture(lab)
    apply(lab, 1, power_state="running")
    whole = picture(lab)
    lab.reset_calls()
    apply(lab, 0)
    writes = {"removed": lab.writes()}
    lab.reset_calls()
    apply(lab, 1, power_state="running")
    writes["made"] = lab.writes()
    apply(lab, 0)
    # The lab counts an upload's own task among the writes; it is cut in test_uploading.
    calls = sorted({call for call in writes[work] if not call.startswith(("task.", "PUT ", "session."))})
    for call in calls:
        if work == "removed":
            apply(lab, 1, power_state="running")
        lab.fault(method=call, drop=drop)
        apply(lab, int(work == "made"), power_state="running")
        assert lab.faults() == [], call
        assert picture(lab) == (whole if work == "made" else empty), f"{call} was cut {drop} it ran"
        apply(lab, 0)
    record_property(MATRIX + "fault", len(calls))


READS = ["VM", "VDI", "SR", "host", "pool"]


@pytest.mark.parametrize("call", [*(f"{cls}.get_all_records" for cls in READS), "session.login_with_password"])
def test_looking(lab: Lab, call: str, record_property: Record) -> None:
    """What cannot even be planned is one message, and nothing is written."""
    errors = [error for error in fatal(errors_of(call)) if error[0] != "HOST_IS_SLAVE"]
    for error in errors:
        lab.reset_calls()
        lab.fault(method=call, error=list(error), always=True)
        result = run_module(lab, "vm_pool", name="web", size=1, master="noble")
        lab.clear_faults()
        assert result.failed
        if error[0] != "SESSION_AUTHENTICATION_FAILED":  # which has its own words, with the user's name
            assert f"{explain(error[0], error[1:])} ({error[0]} from {call})" in result.msg
        assert lab.writes() == ["session.login_with_password"] * lab.writes().count("session.login_with_password")
    record_property(MATRIX + "fault", len(errors))


def test_taking_turns(lab: Lab, record_property: Record) -> None:
    """The lock: somebody was quicker and is done already; it cannot be taken; it cannot be given back."""
    lab.fault(method="pool.add_to_other_config", error=["MAP_DUPLICATE_KEY", "pool", "other_config", "x", "key"])
    apply(lab, 1)
    for error in fatal(list(ANY)):
        lab.fault(method="pool.add_to_other_config", error=list(error))
        result = run_module(lab, "vm_pool", name="web", size=2, master="noble")
        assert result.failed
        assert f"{explain(error[0], error[1:])} ({error[0]} from pool.add_to_other_config)" in result.msg
        assert names(lab) == ["web-001"]
    lab.fault(method="pool.remove_from_other_config", error=["INTERNAL_ERROR", "x"])
    apply(lab, 2)
    apply(lab, 3)
    record_property(MATRIX + "fault", len(fatal(list(ANY))) + 2)


def test_listening(lab: Lab, record_property: Record) -> None:
    """Events that fail once are asked for again."""
    errors = [error for error in errors_of("event.from") if error[0] not in ("RBAC_PERMISSION_DENIED",)]
    for size, error in enumerate(errors, 1):
        lab.fault(method="event.from", error=list(error))
        apply(lab, size, swap=None)
    assert lab.faults() == []
    record_property(MATRIX + "fault", len(errors))


LIVE = {**HARDWARE, "vcpus_max": 4, "memory_max": "512 MiB"}
CHANGES: list[tuple[str, bool, dict[str, Any], dict[str, Any]]] = [
    ("VM.set_VCPUs_number_live", True, {"hardware": LIVE}, {"hardware": {**LIVE, "vcpus": 3}}),
    ("VM.set_memory_dynamic_range", True, {"hardware": LIVE}, {"hardware": {**LIVE, "memory": "300 MiB"}}),
    ("VM.set_memory_limits", False, {}, {"hardware": {**HARDWARE, "memory": "300 MiB"}}),
    ("VM.set_VCPUs_max", False, {}, {"hardware": {**HARDWARE, "vcpus": 4}}),
    ("VM.set_VCPUs_at_startup", False, {}, {"hardware": {**HARDWARE, "vcpus": 4}}),
    ("VDI.resize", True, {"overlay": {"size": "64 MiB"}}, {"overlay": {"size": "80 MiB"}}),
    ("VDI.set_on_boot", True, {}, {"overlay": {"on_boot": "reset"}}),
    ("VDI.create", True, {"swap": None}, {"swap": "2 MiB"}),
]  # fmt: skip


@pytest.mark.parametrize(("call", "asynchronous", "before", "after"), CHANGES, ids=[change[0] for change in CHANGES])
def test_changing(
    lab: Lab, call: str, asynchronous: bool, before: dict[str, Any], after: dict[str, Any], record_property: Record
) -> None:
    errors = errors_of(call)
    state = "running" if "live" in call or "dynamic" in call else "halted"
    apply(lab, len(errors), power_state=state, **before)
    known = uuids(lab)
    injected(lab, call, errors, asynchronous)
    result = apply(lab, len(errors), fails=True, power_state=state, **after)
    assert lab.faults() == []
    is_told(result, fatal(errors), known)
    again = apply(lab, len(errors), power_state=state, **after)
    assert sorted(action["instance"] for action in again["plan"]) == sorted(
        outcome["instance"] for outcome in result["outcomes"] if outcome["failed"]
    )
    assert not apply(lab, len(errors), power_state=state, **after)["changed"]
    record_property(MATRIX + "fault", len(errors))
