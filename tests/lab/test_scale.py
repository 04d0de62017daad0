# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many VMs: large answers are whole and right, on every wire. How fast it is, bench/lab_scale.py measures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.lab import Lab, new_lab

from .conftest import Client, connect

COUNT = 1000


@pytest.fixture(scope="module")
def crowd() -> Iterator[Lab]:
    with new_lab("--vms", str(COUNT)) as lab:
        yield lab


@pytest.fixture(params=["http", "json"])
def client(crowd: Lab, request: pytest.FixtureRequest) -> Client:
    return connect(crowd.url, wire=request.param)


def test_all_records_come(client: Client) -> None:
    records = client.xapi.VM.get_all_records()
    names = sorted(record["name_label"] for record in records.values() if record["name_label"].startswith("vm-"))
    assert names == [f"vm-{number:05d}" for number in range(1, COUNT + 1)]
    sample = next(iter(records))
    assert records[sample] == client.xapi.VM.get_record(sample)


def test_events_tell_of_all_and_then_only_of_what_changed(client: Client) -> None:
    event_from = getattr(client.xapi.event, "from")
    answer = event_from(["vm", "vbd"], "", 0.0)
    snapshots = {event["ref"]: event["snapshot"] for event in answer["events"] if event["class"] == "vm"}
    assert snapshots == client.xapi.VM.get_all_records()
    assert int(answer["valid_ref_counts"]["vbd"]) >= COUNT
    vm = client.xapi.VM.get_by_name_label("vm-00007")[0]
    client.xapi.VM.set_name_description(vm, f'<&"é> {len(answer["token"])}')
    later = event_from(["vm"], answer["token"], 5.0)["events"]
    assert [(event["ref"], event["operation"]) for event in later] == [(vm, "mod")]
    client.xapi.VM.set_name_description(vm, "")


def test_one_of_many_is_like_any_other_vm(client: Client) -> None:
    vm = client.xapi.VM.get_by_name_label(f"vm-{COUNT:05d}")[0]
    made = client.vm()
    allowed = set(client.xapi.VM.get_allowed_operations(made))
    assert set(client.xapi.VM.get_allowed_operations(vm)) == allowed
    client.start(vm)
    assert client.xapi.VM.get_power_state(vm) == "Running"
    client.xapi.VM.hard_shutdown(vm)
    client.xapi.VM.destroy(client.xapi.VM.clone(vm, "clone"))
    client.xapi.VM.destroy(made)
