# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same VMs by community.general.xenserver_guest and by skinnybox.xenserver.vm_pool: calls and wall time of both.

python bench/side_by_side.py [number of VMs; 50 unless told otherwise]

Both make so many running VMs out of one golden VM in labs that are alike, with one NIC each and the same hardware, and
wait until all of them report an address; then both are run once more, to find nothing to do. xenserver_guest is
looped over the names in one task, as its documentation shows, with linked_clone, which is its fastest way. Latencies
are a tenth of bench/support/latencies.py: what the tools themselves cost shows ten times as much as it would.

The collection community.general is taken out of the Python package ansible, into bench/.cache, for this only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from support import ROOT, Figure, report
from support.latencies import scaled

from tests.support.ansible import COLLECTIONS, ENVIRONMENT, run_module
from tests.support.golden import make_golden
from tests.support.lab import PASSWORD, Lab, new_lab

CACHE = ROOT / "bench" / ".cache"
PACKAGE = "ansible==12.3.0"
INSIDE = "ansible_collections/community/general/"
HARDWARE = {"vcpus": 1, "memory": "512 MiB"}


def community_general() -> Path:
    """Where the collection is, after fetching it if need be."""
    there = CACHE / "collections"
    if not (there / INSIDE).exists():
        with tempfile.TemporaryDirectory() as directory:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, PACKAGE]
            subprocess.run(pip, check=True)
            (wheel,) = Path(directory).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(there, [name for name in archive.namelist() if name.startswith(INSIDE)])
    return there


@dataclass(frozen=True)
class Cost:
    """What a run came to."""

    calls: int
    seconds: float


def play(lab: Lab, task: dict[str, Any], expected: str) -> Cost:
    """Run one task as a playbook, which must end with so many changes (a part of Ansible's recap)."""
    with tempfile.TemporaryDirectory() as directory:
        book = Path(directory, "play.yml")
        plays = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]
        book.write_text(yaml.safe_dump(plays), encoding="utf-8")
        paths = f"{COLLECTIONS}:{community_general()}"
        lab.reset_calls()
        began = time.monotonic()
        done = subprocess.run(
            ["ansible-playbook", "-i", "localhost,", str(book)],
            env={**ENVIRONMENT, "ANSIBLE_COLLECTIONS_PATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
    if done.returncode or expected not in done.stdout:
        raise SystemExit((done.stdout + done.stderr)[-3000:])
    return Cost(len(lab.calls()["log"]), seconds)


def of_xenserver_guest(lab: Lab, count: int) -> tuple[Cost, Cost]:
    """Make the VMs with xenserver_guest, twice; the golden VM is a template, as it wants it."""
    golden = make_golden(lab)
    lab.xapi.VM.set_is_a_template(golden.vm, True)
    task = {
        "community.general.xenserver_guest": {
            "hostname": lab.url,
            "username": "root",
            "password": PASSWORD,
            "name": "{{ item }}",
            "state": "poweredon",
            "template": golden.name,
            "linked_clone": True,
            "hardware": {"num_cpus": HARDWARE["vcpus"], "memory_mb": 512},
            "wait_for_ip_address": True,
        },
        "loop": [f"web-{number:03d}" for number in range(1, count + 1)],
    }
    lab.pace(**scaled(0.1))
    costs = play(lab, task, "changed=1"), play(lab, task, "changed=0")
    check(lab, count)
    return costs


def of_skinnybox(lab: Lab, count: int) -> tuple[Cost, Cost]:
    """Make the VMs with vm_pool, twice; the golden VM is published, as it wants it."""
    golden = make_golden(lab)
    published = run_module(lab, "master_image", name="noble", golden_vm=golden.name)
    if published.failed:
        raise SystemExit(published.msg)
    task = {
        "skinnybox.xenserver.vm_pool": {
            "hostname": lab.url,
            "username": "root",
            "password": PASSWORD,
            "name": "web",
            "size": count,
            "master": "noble",
            "hardware": HARDWARE,
            "wait": True,
        }
    }
    lab.pace(**scaled(0.1))
    costs = play(lab, task, "changed=1"), play(lab, task, "changed=0")
    check(lab, count)
    return costs


def check(lab: Lab, count: int) -> None:
    """Raise SystemExit unless so many VMs run with a NIC and an address."""
    records = lab.xapi.VM_guest_metrics.get_all_records()
    found = [
        vm["name_label"]
        for vm in lab.xapi.VM.get_all_records().values()
        if vm["power_state"] == "Running" and len(vm["VIFs"]) == 1
        and records.get(vm["guest_metrics"], {}).get("networks")
    ]  # fmt: skip
    if sorted(found) != [f"web-{number:03d}" for number in range(1, count + 1)]:
        raise SystemExit(f"not what was asked for: {sorted(found)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("vms", type=int, nargs="?", default=50)
    count = parser.parse_args().vms
    costs = {}
    for name, work in (("xenserver_guest", of_xenserver_guest), ("vm_pool", of_skinnybox)):
        with new_lab("--agent", "--memory", "64") as lab:
            costs[name] = work(lab, count)
    figures = []
    for what, theirs, ours in zip(("making", "again"), costs["xenserver_guest"], costs["vm_pool"], strict=True):
        figures += [
            Figure(f"xenserver_guest, {what}: calls", theirs.calls),
            Figure(f"vm_pool, {what}: calls", ours.calls, "", theirs.calls - 1),
            Figure(f"xenserver_guest, {what}: wall time", theirs.seconds, "s"),
            Figure(f"vm_pool, {what}: wall time", ours.seconds, "s", theirs.seconds),
        ]
    raise SystemExit(not report(f"Side by side, {count} VMs", figures))


if __name__ == "__main__":
    main()
