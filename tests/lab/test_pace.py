# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operations that last: what runs side by side, and what one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.lab import Lab

from .conftest import VDI, Client

FOREVER = 3600.0


def running(client: Client, cls: str, operation: str) -> list[str]:
    """The objects on which the operation is held now."""
    records = getattr(client.xapi, cls).get_all_records()
    return [ref for ref, record in records.items() if operation in record["current_operations"].values()]


def finished(client: Client, tasks: list[str]) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [client.xapi.task.get_record(task) for task in tasks]


def all_done(records: list[dict[str, Any]]) -> bool:
    return all(record["status"] != "pending" for record in records)


def test_disks_of_one_repository_are_made_one_after_the_other(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    lab.pace(vdi_create=FOREVER)
    first = client.xapi.Async.VDI.create({**VDI, "SR": client.sr})
    client.wait(lambda: running(client, "SR", "vdi_create"), lambda found: found == [client.sr])
    second = client.xapi.Async.VDI.create({**VDI, "SR": client.sr})
    other = client.xapi.SR.get_by_name_label("Shared storage")[0]
    third = client.xapi.Async.VDI.create({**VDI, "SR": other})
    client.wait(lambda: running(client, "SR", "vdi_create"), lambda found: set(found) == {client.sr, other})
    held = client.xapi.SR.get_current_operations(client.sr)
    assert list(held) == [first]
    lab.pace()
    records = client.wait(finished(client, [first, second, third]), all_done)
    assert [record["status"] for record in records] == ["success"] * 3


def test_a_host_does_four_vm_operations_at_a_time(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    vms = [client.vm(name_label=f"vm{number}", HVM_boot_policy="BIOS order") for number in range(6)]
    lab.pace(**{"VM.start": 0.5})
    tasks = [client.xapi.Async.VM.start(vm, False, False) for vm in vms]
    client.wait(lambda: states(client, vms).count("Running"), lambda found: found > 0)
    assert states(client, vms).count("Running") <= 4
    client.wait(finished(client, tasks), all_done)
    assert states(client, vms) == ["Running"] * 6


def states(client: Client, vms: list[str]) -> list[str]:
    records = client.xapi.VM.get_all_records()
    return [records[vm]["power_state"] for vm in vms]


def test_a_hard_shutdown_does_not_wait_for_a_worker(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    vms = [client.vm(name_label=f"vm{number}") for number in range(5)]
    client.start(vms[0])
    lab.pace(start=FOREVER)
    tasks = [client.xapi.Async.VM.start(vm, False, False) for vm in vms[1:]]
    client.wait(lambda: running(client, "VM", "start"), lambda found: len(found) == 4)
    client.xapi.VM.hard_shutdown(vms[0])
    assert states(client, vms[:1]) == ["Halted"]
    lab.pace()
    client.wait(finished(client, tasks), all_done)


def test_pace_is_read_as_it_was_set(fresh: tuple[Client, Lab]) -> None:
    _client, lab = fresh
    assert lab.pace(vdi_clone=1, **{"VM.start": 2.5}) == {"vdi_clone": 1.0, "VM.start": 2.5}
