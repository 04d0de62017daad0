# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schedules of snapshots."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Client


def schedule(client: Client, **changes: Any) -> str:
    fields = {"name_label": "nightly", "type": "snapshot", "frequency": "daily", "schedule": {"hour": "3"}, **changes}
    return str(client.xapi.VMSS.create(fields))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"schedule": {"days": "Monday"}}, ["INVALID_VALUE", "schedule:days", "Monday"]),
        ({"schedule": {"hour": "24"}}, ["INVALID_VALUE", "schedule:hour", "24"]),
        ({"frequency": "hourly", "schedule": {"min": "20"}}, ["INVALID_VALUE", "schedule:min", "20"]),
        ({"retained_snapshots": "11"}, ["INVALID_VALUE", "retained_snapshots", "11"]),
    ],
)
def test_what_create_refuses(client: Client, changes: Any, error: list[str]) -> None:
    assert client.error(lambda: schedule(client, **changes)) == error


def test_the_schedule_has_the_keys_of_its_frequency(client: Client) -> None:
    made = schedule(client)
    assert client.xapi.VMSS.get_schedule(made) == {"hour": "3", "min": "0"}
    client.xapi.VMSS.set_frequency(made, "weekly")
    assert client.xapi.VMSS.get_schedule(made) == {"hour": "3", "min": "0", "days": "Monday"}
    client.xapi.VMSS.remove_from_schedule(made, "days")
    error = client.error(client.xapi.VMSS.add_to_schedule, made, "days", "Someday")
    assert error == ["INVALID_VALUE", "schedule:days", "Someday"]
    client.xapi.VMSS.add_to_schedule(made, "days", "Monday, Friday")


def test_snapshots_are_taken_and_the_oldest_go(client: Client) -> None:
    vm, made = client.vm(), schedule(client, retained_snapshots="1")
    client.attach(vm, client.disk())
    client.xapi.VM.set_snapshot_schedule(vm, made)
    assert client.error(client.xapi.VM.set_is_a_template, vm, True) == ["VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE", vm, made]
    assert client.error(client.xapi.VMSS.destroy, made) == ["VMSS_HAS_VM"]
    client.xapi.VMSS.snapshot_now(made)
    [first] = client.xapi.VM.get_snapshots(vm)
    client.xapi.VMSS.snapshot_now(made)
    [second] = client.xapi.VM.get_snapshots(vm)
    assert first != second and client.xapi.VM.get_is_vmss_snapshot(second)
    client.xapi.VM.set_snapshot_schedule(vm, "OpaqueRef:NULL")
    client.xapi.VMSS.destroy(made)
