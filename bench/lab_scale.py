# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the lab bears 10,000 VMs, each with a disk and a NIC: start, big answers, small changes, memory.

python bench/lab_scale.py [number of VMs]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import XenAPI

ROOT = Path(__file__).resolve().parents[1]
MIB = 1024**2
#: What each figure may be at most for 10,000 VMs.
GOALS = {
    "start": 5.0, "VM.get_all_records, first": 4.0, "VM.get_all_records": 1.0, "event.from of all": 4.0,
    "event.from of all, again": 2.0, "event.from after a change": 0.5, "VM.clone": 1.0, "memory": 500.0,
}  # fmt: skip
UNITS = {"memory": "MiB"}


def start(count: int) -> tuple[subprocess.Popen[str], str, float]:
    """The lab, its address, and the seconds until it answered."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "serve", "--without-guests", "--vms", str(count)],
        cwd=ROOT,
        env={**os.environ, "LAB_PASSWORD": "bench"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    line = process.stdout.readline()
    if not line.startswith("READY "):
        raise SystemExit("the lab did not start")
    return process, line.split()[1], time.monotonic() - began


def memory(pid: int) -> float:
    """The most memory that a process ever had (MiB)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def raw(url: str, method: str, *parameters: Any) -> float:
    """Seconds until all of an answer is there, without the client's work of reading it."""
    import http.client
    import urllib.parse
    import xmlrpc.client

    where = urllib.parse.urlsplit(url)
    link = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)
    body = xmlrpc.client.dumps(parameters, method)
    began = time.monotonic()
    link.request("POST", "/", body)
    answer = link.getresponse().read()
    seconds = time.monotonic() - began
    link.close()
    assert b"<value>Success</value>" in answer[:500], answer[:500]
    return seconds


def timed(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def processor(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Figures:
    """Seconds by the clock and of the lab's processor time, by name; memory in MiB."""

    def __init__(self, pid: int) -> None:
        self.pid, self._before = pid, 0.0
        self.values: dict[str, float] = {}
        self.processor: dict[str, float] = {}

    def note(self, name: str, value: float) -> None:
        self.values[name] = value
        now = processor(self.pid)
        self.processor[name], self._before = now - self._before, now


def measure(count: int) -> Figures:
    """Start a lab and measure it."""
    process, url, seconds = start(count)
    figures = Figures(process.pid)
    figures.note("start", seconds)
    try:
        session = XenAPI.Session(url)
        session.xenapi.login_with_password("root", "bench", "1.0", "bench")
        handle, xapi = session.handle, session.xenapi
        event_from = getattr(xapi.event, "from")
        figures.note("VM.get_all_records, first", raw(url, "VM.get_all_records", handle))
        figures.note("VM.get_all_records", raw(url, "VM.get_all_records", handle))
        figures.note("event.from of all", raw(url, "event.from", handle, ["*"], "", 0.0))
        figures.note("event.from of all, again", raw(url, "event.from", handle, ["*"], "", 0.0))
        token = event_from(["task"], "", 0.0)["token"]
        vm = xapi.VM.get_by_name_label("vm-00001")[0]
        xapi.VM.add_to_other_config(vm, "bench", "1")
        figures.note("event.from after a change", timed(lambda: event_from(["*"], token, 5.0)))
        figures.note("VM.clone", timed(lambda: xapi.VM.clone(vm, "clone")))
        figures.note("memory", memory(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=30)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("vms", type=int, nargs="?", default=10_000)
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results.json")
    arguments = parser.parse_args()
    figures = measure(arguments.vms)
    results = json.loads(arguments.results.read_text(encoding="utf-8")) if arguments.results.exists() else {}
    print(f"The lab with {arguments.vms} VMs (load of this machine: {os.getloadavg()[0]:.1f})")
    for name, value in figures.values.items():
        holds, unit = value <= GOALS[name], UNITS.get(name, "s")
        processor_time = "" if name in UNITS else f"processor {figures.processor[name]:6.2f} s"
        goal = f"{'at most' if holds else 'MORE than'} {GOALS[name]:g}"
        print(f"  {name:28} {value:8.2f} {unit:4} {goal:14} {processor_time}")
        results[f"lab, {arguments.vms} VMs: {name}"] = {
            "value": round(value, 3), "unit": unit, "goal": GOALS[name], "holds": holds,
        }  # fmt: skip
    arguments.results.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(any(value > GOALS[name] for name, value in figures.values.items()))


if __name__ == "__main__":
    main()
