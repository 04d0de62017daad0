# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan that finds nothing to do: its calls, its time beside an empty Ansible module's, its memory.

python bench/plan_scale.py [numbers of instances; 1000 and 10000 unless told otherwise]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import ROOT, Figure, report
from support.crowded import CrowdedLab, crowded_lab

from tests.support.ansible import COLLECTIONS, ENVIRONMENT, run_module
from tests.support.golden import make_golden
from tests.support.lab import PASSWORD

LIBRARY = ROOT / "bench" / "support" / "library"
VM_POOL = COLLECTIONS / "ansible_collections" / "skinnybox" / "xenserver" / "plugins" / "modules" / "vm_pool.py"
#: How often each is run, in turn; the medians count.
ROUNDS = 5
CALLS, RATIO, MEMORY = 15, 3.0, 600.0
#: The number of instances up to which the goal of the time is set.
COMPARED = 1000


def declaration(count: int) -> dict[str, Any]:
    """Running instances on DHCP; guests are not waited for, as nothing is started."""
    return {
        "name": "web",
        "size": count,
        "master": "noble",
        "hardware": {"vcpus": 1, "memory": "512 MiB"},
        "swap": "64 MiB",
    }


def prepare(lab: CrowdedLab) -> None:
    """Make the first instance as a user does."""
    golden = make_golden(lab)
    for module, options in (
        ("master_image", {"name": "noble", "golden_vm": golden.name}),
        ("vm_pool", declaration(1)),
    ):
        result = run_module(lab, module, **options)
        if result.failed:
            raise SystemExit(result.msg)


def of_command(module: str, options: dict[str, Any]) -> float:
    """Seconds of the command ``ansible`` with one task."""
    command = ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-M", str(LIBRARY), "-m", module]
    return _seconds([*command, *(["-a", json.dumps(options)] if options else [])], "", "SUCCESS")


def of_playbook(module: str, options: dict[str, Any]) -> float:
    """Seconds of the command ``ansible-playbook`` with one task."""
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [{module: options}]}
    with tempfile.TemporaryDirectory() as directory:
        playbook = Path(directory, "play.yml")
        playbook.write_text(json.dumps([play]), encoding="utf-8")
        command = ["ansible-playbook", "-i", "localhost,", "-M", str(LIBRARY), str(playbook)]
        return _seconds(command, "", "changed=0")


def of_process(file: Path, options: dict[str, Any]) -> float:
    """Seconds of the module's process alone, as Ansible starts it."""
    return _seconds([sys.executable, str(file)], json.dumps({"ANSIBLE_MODULE_ARGS": options}), '"changed": false')


def _seconds(command: list[str], given: str, expected: str) -> float:
    began = time.monotonic()
    done = subprocess.run(
        command, input=given, env={**ENVIRONMENT, "PYTHONPATH": str(COLLECTIONS)}, capture_output=True, text=True
    )
    seconds = time.monotonic() - began
    if done.returncode or expected not in done.stdout or '"changed": true' in done.stdout:
        raise SystemExit(f"{' '.join(command)[:200]}: {(done.stdout + done.stderr)[:2000]}")
    return seconds


def medians(*works: Callable[[], float]) -> list[float]:
    """The median of each, measured in turn, so that the machine's other work meets all alike."""
    rounds = [[work() for work in works] for _round in range(ROUNDS)]
    return [statistics.median(seconds) for seconds in zip(*rounds, strict=True)]


def memory_of(options: dict[str, Any]) -> float:
    """The most memory that the module's process ever has (MiB), as it says itself at its end."""
    command = [sys.executable, "-c", _TELLING_MEMORY, str(VM_POOL)]
    done = subprocess.run(
        command,
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
        env={**ENVIRONMENT, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stderr.split()[-2]) / 1024


#: Not rusage: that knows of the process what it was before it became the module, too.
_TELLING_MEMORY = """
import atexit, pathlib, runpy, sys
def tell():
    status = pathlib.Path("/proc/self/status").read_text()
    print(next(line for line in status.splitlines() if line.startswith("VmHWM:")), file=sys.stderr)
atexit.register(tell)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def measure(lab: CrowdedLab, count: int) -> list[Figure]:
    """All figures of a plan for so many instances; how it compares with an empty module up to a thousand."""
    lab.multiply("web-001", count)
    options = {"hostname": lab.url, "password": PASSWORD, **declaration(count)}
    of_process(VM_POOL, options)  # the lab writes each record for the first time
    lab.reset_calls()
    seconds = of_process(VM_POOL, options)
    figures = [
        Figure("XAPI calls", len(lab.calls()["log"]), "", CALLS),
        Figure("memory of the module process", memory_of(options), "MiB", MEMORY),
    ]
    if count > COMPARED:
        return [*figures, Figure("module process", seconds, "s")]
    process, empty = medians(lambda: of_process(VM_POOL, options), lambda: of_process(LIBRARY / "empty.py", {}))
    command, empty_command = medians(
        lambda: of_command("skinnybox.xenserver.vm_pool", options), lambda: of_command("empty", {})
    )
    playbook, empty_playbook = medians(
        lambda: of_playbook("skinnybox.xenserver.vm_pool", options), lambda: of_playbook("empty", {})
    )
    return [
        *figures,
        # For information: Ansible does not run modules so, and most of it is what it costs to load and report.
        Figure("module process", process, "s"),
        Figure("module process, as multiple of an empty module's", process / empty, "times"),
        Figure("ansible command", command, "s"),
        Figure("ansible command, as multiple of one with an empty module", command / empty_command, "times", RATIO),
        Figure("ansible-playbook, one task", playbook, "s"),
        Figure("ansible-playbook, as multiple of one with an empty module", playbook / empty_playbook, "times", RATIO),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("instances", type=int, nargs="*", default=[1000, 10_000])
    arguments = parser.parse_args()
    with crowded_lab() as lab:
        prepare(lab)
        held = [
            report(f"Plan without changes, {count} instances", measure(lab, count))
            for count in sorted(arguments.instances)
        ]
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
