# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Figures over time: the archives themselves, and what clients read over HTTP."""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from lab.rrd import updates
from lab.rrd.archive import RESOLUTIONS, Archive, resolution
from tests.support.lab import Lab, new_lab

from .conftest import Client, connect


@pytest.fixture(scope="module")
def pool() -> Iterator[Lab]:
    with new_lab("--agent", "--hosts", "2", "--memory", "8", "--cpus", "2") as started:
        yield started


@pytest.fixture
def client(pool: Lab) -> Client:
    return connect(pool.url)


def get(client: Client, path: str, url: str = "", **query: Any) -> str:
    query.setdefault("session_id", client.session.handle)
    where = f"{url or client.url}{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(where, timeout=20) as answer:
        return str(answer.read().decode())


def newest(text: str) -> dict[str, float]:
    """The newest row of an answer to /rrd_updates, read as the SDK's example reads it: legend and columns."""
    root = ElementTree.fromstring(text)
    legend = [entry.text or "" for entry in root.iterfind("meta/legend/entry")]
    assert root.findtext("meta/columns") == str(len(legend))
    assert root.findtext("meta/rows") == str(len(root.findall("data/row")))
    row = root.find("data/row")
    assert row is not None
    assert int(row.findtext("t") or 0) == int(root.findtext("meta/end") or 0)
    return {name: float(cell.text or "nan") for name, cell in zip(legend, row.iterfind("v"), strict=True)}


# ---- archives


def filled(count: int) -> Archive:
    """Samples 0, 1, 2 ... of a figure, from time 1000000 on, 5 seconds apart."""
    archive = Archive()
    for number in range(count):
        archive.add(1_000_000 + number * 5, {"figure": float(number)})
    return archive


def test_rows_are_told_newest_first() -> None:
    found = updates.collect([("host:x:", filled(200))], 1_000_000 + 900, 5, "AVERAGE")
    assert (found.step, found.end, found.legend) == (5, 1_000_995, ["AVERAGE:host:x:figure"])
    assert found.rows[:2] == [(1_000_995, [199.0]), (1_000_990, [198.0])]
    assert found.rows[-1] == (1_000_900, [180.0])
    assert found.start == 1_000_905


def test_longer_rows_hold_average_minimum_and_maximum() -> None:
    archive = filled(200)
    found = updates.collect([("", archive)], 1_000_000, 60, "")
    assert (found.step, found.end) == (60, 1_000_980)
    assert found.legend == ["AVERAGE:figure", "MIN:figure", "MAX:figure"]
    assert found.rows[0] == (1_000_980, [190.5, 185.0, 196.0])


def test_a_gap_is_unknown() -> None:
    archive = Archive()
    archive.add(1_000_000, {"figure": 1.0})
    archive.add(1_000_015, {"figure": 2.0, "new": 3.0})
    rows = updates.collect([("", archive)], 1_000_000, 5, "MAX").rows
    assert [time for time, _values in rows] == [1_000_015, 1_000_010, 1_000_005, 1_000_000]
    assert rows[0][1] == [2.0, 3.0]
    assert all(math.isnan(value) for _time, values in rows[1:3] for value in values)


@pytest.mark.parametrize(
    ("ago", "interval", "samples"),
    [(60, 0, 1), (590, 5, 1), (700, 0, 12), (60, 60, 12), (8000, 0, 720), (60, 3600, 720), (10**9, 0, 17280)],
)
def test_the_finest_resolution_that_reaches_back_is_chosen(ago: int, interval: int, samples: int) -> None:
    assert resolution(2_000_000_000, 2_000_000_000 - ago, interval) == samples


# ---- over HTTP


def test_host_figures(client: Client) -> None:
    uuid = client.xapi.host.get_uuid(client.host)
    found = newest(get(client, "/rrd_updates", start=int(time.time()) - 10, host="true", cf="AVERAGE", interval=5))
    own = {name.removeprefix(f"AVERAGE:host:{uuid}:"): value for name, value in found.items() if uuid in name}
    assert own["memory_total_kib"] == 8 * 1024**2
    assert own["memory_free_kib"] * 1024 == int(client.xapi.host.compute_free_memory(client.host))
    assert {"cpu0", "cpu1", "cpu_avg", "loadavg", "pif_eth0_rx"} <= set(own)


def test_each_host_tells_of_itself_and_its_guests(client: Client) -> None:
    hosts = client.xapi.host.get_all_records()
    other = next(host for host in hosts if host != client.host)
    vm = client.vm()
    client.xapi.VM.start_on(vm, other, False, False)
    uuid, port = client.xapi.VM.get_uuid(vm), urllib.parse.urlsplit(client.url).port
    start = int(time.time()) - 10
    there = newest(get(client, "/rrd_updates", f"http://{hosts[other]['address']}:{port}", start=start, cf="MAX"))
    assert there[f"MAX:vm:{uuid}:memory"] == 268435456.0
    assert f"MAX:vm:{uuid}:cpu0" in there
    here = get(client, "/rrd_updates", start=start)
    assert uuid not in here
    # the redirect is followed
    document = ElementTree.fromstring(get(client, "/vm_rrd", uuid=uuid))
    assert "memory" in [name.text for name in document.iterfind("ds/name")]


def test_repositories_and_one_vm_only(client: Client) -> None:
    vm = client.vm()
    client.xapi.VM.start_on(vm, client.host, False, False)
    uuid, sr = client.xapi.VM.get_uuid(vm), client.xapi.SR.get_record(client.sr)
    start = int(time.time()) - 10
    found = newest(get(client, "/rrd_updates", start=start, vm_uuid=uuid, sr_uuid=sr["uuid"], cf="AVERAGE"))
    assert {name.split(":")[2] for name in found} == {uuid, sr["uuid"]}
    assert found[f"AVERAGE:sr:{sr['uuid']}:physical_size"] == float(sr["physical_size"])


def test_json(client: Client) -> None:
    found = json.loads(get(client, "/rrd_updates", start=-10, host="true", json="true"))
    assert found["meta"]["columns"] == len(found["meta"]["legend"])
    assert found["meta"]["rows"] == len(found["data"])
    assert [len(row["values"]) for row in found["data"]] == [found["meta"]["columns"]] * found["meta"]["rows"]
    assert {name.split(":")[0] for name in found["meta"]["legend"]} == {"AVERAGE", "MIN", "MAX"}
    float(found["data"][0]["values"][0])


@pytest.mark.parametrize("path", ["/host_rrd", "/sr_rrd"])
def test_a_whole_archive(client: Client, path: str) -> None:
    root = ElementTree.fromstring(get(client, path, uuid=client.xapi.SR.get_uuid(client.sr)))
    shapes = [(rra.findtext("pdp_per_row"), len(rra.findall("database/row"))) for rra in root.iterfind("rra")]
    assert shapes == [(str(samples), kept) for samples, kept in RESOLUTIONS.items()] * 3
    assert root.findtext("step") == "5"


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/rrd_updates", {}, 400),
        ("/rrd_updates", {"start": "soon"}, 500),
        ("/rrd_updates", {"start": "0", "session_id": "none"}, 401),
        ("/vm_rrd", {}, 400),
        ("/sr_rrd", {}, 400),
        ("/sr_rrd", {"uuid": "none"}, 500),
    ],
)
def test_what_is_refused(client: Client, path: str, query: dict[str, Any], status: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(client, path, **query)
    assert refused.value.code == status
    refused.value.close()


def test_no_task_is_made(client: Client) -> None:
    before = set(client.xapi.task.get_all())
    get(client, "/rrd_updates", start=0, host="true")
    assert set(client.xapi.task.get_all()) == before
