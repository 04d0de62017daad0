# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VMSS: schedules of snapshots. They are checked and kept as in XAPI; the lab has no clock that runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab import generated, inner
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call, now

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MINUTES = ("0", "15", "30", "45")
#: key of a schedule -> whether a value is one, and the value when nobody says
KEYS: dict[str, tuple[Callable[[str], bool], str]] = {
    "min": (lambda text: text in MINUTES, MINUTES[0]),
    "hour": (lambda text: text.isdigit() and int(text) < 24, "0"),
    "days": (lambda text: all(day.strip() in DAYS for day in text.split(",")), DAYS[0]),
}
#: The keys that a schedule of a frequency has.
USED = {"hourly": ("min",), "daily": ("hour", "min"), "weekly": ("hour", "min", "days")}
RETAINED = range(1, 11)


def _check(schedule: dict[str, str], keys: tuple[str, ...]) -> None:
    for key, value in schedule.items():
        if key not in keys or not KEYS[key][0](value):
            raise Failure("INVALID_VALUE", f"schedule:{key}", value)


def _completed(schedule: dict[str, str], frequency: str) -> dict[str, str]:
    """The keys that the frequency has, with defaults for those that are missing."""
    return {key: schedule.get(key, KEYS[key][1]) for key in USED[frequency]}


def _require_retained(value: int) -> None:
    if value not in RETAINED:
        raise Failure("INVALID_VALUE", "retained_snapshots", value)


@implements("VMSS.create")
def create(call: Call, record: dict[str, Any]) -> str:
    _check(record["schedule"], USED[record["frequency"]])
    _require_retained(record["retained_snapshots"])
    return call.db.create("VMSS", {**record, "schedule": _completed(record["schedule"], record["frequency"])})


@implements("VMSS.destroy")
def destroy(call: Call, schedule: str) -> None:
    record = call.db.get("VMSS", schedule)
    if record["VMs"]:
        raise Failure("VMSS_HAS_VM")
    for message in call.db.where("message", obj_uuid=record["uuid"]):
        call.db.delete("message", message.ref)
    call.db.delete("VMSS", schedule)


@implements("VMSS.set_frequency")
def set_frequency(call: Call, schedule: str, value: str) -> None:
    kept = call.db.get("VMSS", schedule)["schedule"]
    call.db.set("VMSS", schedule, frequency=value, schedule=_completed(kept, value))


@implements("VMSS.set_schedule")
def set_schedule(call: Call, schedule: str, value: dict[str, str]) -> None:
    call.db.get("VMSS", schedule)
    _check(value, tuple(KEYS))
    call.db.set("VMSS", schedule, schedule=value)


@implements("VMSS.add_to_schedule")
def add_to_schedule(call: Call, schedule: str, key: str, value: str) -> None:
    call.db.get("VMSS", schedule)
    _check({key: value}, tuple(KEYS))
    generated.add_key(call, "VMSS", schedule, "schedule", key, value)


@implements("VMSS.remove_from_schedule")
def remove_from_schedule(call: Call, schedule: str, key: str) -> None:
    call.db.drop("VMSS", schedule, "schedule", key)


@implements("VMSS.set_type")
def set_type(call: Call, schedule: str, value: str) -> None:
    call.db.set("VMSS", schedule, type=value)


@implements("VMSS.set_last_run_time")
def set_last_run_time(call: Call, schedule: str, value: float) -> None:
    call.db.set("VMSS", schedule, last_run_time=value)


@implements("VMSS.set_retained_snapshots")
def set_retained_snapshots(call: Call, schedule: str, value: int) -> None:
    _require_retained(value)
    call.db.set("VMSS", schedule, retained_snapshots=value)


@implements("VMSS.snapshot_now")
async def snapshot_now(call: Call, schedule: str) -> str:
    """Snapshots of all its VMs; of each the oldest go when there are more than are to be kept."""
    record = call.db.get("VMSS", schedule)
    for vm in record["VMs"]:
        name = f"{call.db.get('VM', vm)['name_label']} {record['name_label']}"
        if record["type"] == "checkpoint":
            new = await inner.call(call, "VM.checkpoint", vm, name)
        else:
            new = await inner.call(call, "VM.snapshot", vm, name, [])
        call.db.set("VM", new, is_vmss_snapshot=True)
        await _prune(call, vm, record["retained_snapshots"])
    call.db.set("VMSS", schedule, last_run_time=now())
    return ""


async def _prune(call: Call, vm: str, kept: int) -> None:
    snapshots = call.db.where("VM", snapshot_of=vm, is_vmss_snapshot=True)
    snapshots.sort(key=lambda snapshot: snapshot.created)
    for snapshot in snapshots[:-kept]:
        links = [call.db.get("VBD", vbd) for vbd in snapshot["VBDs"]]
        await inner.call(call, "VM.destroy", snapshot.ref)
        for link in links:
            if link["type"] == "Disk":
                await inner.try_call(call, "VDI.destroy", link["VDI"])
