# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run modules and playbooks as a user does."""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .lab import PASSWORD, ROOT, Lab
from .zygote import Zygote

COLLECTIONS = ROOT / ".venv" / "collections"

ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
    "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_HOST_KEY_CHECKING": "true",
    "ANSIBLE_RETRY_FILES_ENABLED": "false",
    # one connection to a guest for a task, not four: it emulates each byte of their encryption
    "ANSIBLE_PIPELINING": "true",
}


@dataclass
class Result:
    """What a module said."""

    data: dict[str, Any]
    stderr: str

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def __contains__(self, name: str) -> bool:
        return name in self.data

    @property
    def failed(self) -> bool:
        return bool(self.data.get("failed"))

    @property
    def msg(self) -> str:
        return str(self.data.get("msg", ""))


@functools.cache
def zygote(controller: int = 0) -> Zygote:
    """The process from which modules are forked, one at a time; another controller has its own."""
    made = Zygote({**ENVIRONMENT, "PYTHONPATH": f"{COLLECTIONS}:{ROOT}"})
    atexit.register(made.close)
    return made


def arguments_of(lab: Lab, hostname: str | None, check: bool, diff: bool, options: dict[str, Any]) -> dict[str, Any]:
    """What Ansible hands to a module."""
    connection = {"hostname": hostname or lab.url, "password": PASSWORD}
    return {**connection, **options, "_ansible_check_mode": check, "_ansible_diff": diff}


def run_module(
    lab: Lab, module: str, /, *, check: bool = False, diff: bool = False, hostname: str | None = None, **options: Any
) -> Result:
    """Run a module against a lab, in a process of its own, and return its result."""
    zygote().start(module, arguments_of(lab, hostname, check, diff, options))
    _status, out, err = zygote().wait()
    assert "Traceback" not in err + out, err + out
    return Result(json.loads(out), err)


@dataclass
class Play:
    """How a playbook run ended."""

    status: int
    output: str

    @property
    def changes(self) -> list[str]:
        """The tasks that changed something, as `role : task`, in order; once for each host."""
        task, found = "", []
        for line in self.output.splitlines():
            if line.startswith(("TASK [", "RUNNING HANDLER [")):
                task = line.partition("[")[2].rpartition("]")[0]
            elif line.startswith("changed: ["):
                found.append(task)
        return found

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """Counts by inventory host."""
        found = {}
        for line in self.output.partition("PLAY RECAP")[2].splitlines():
            host, _colon, counts = line.partition(" : ")
            if counts:
                found[host.strip()] = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", counts)}
        return found


def start_playbook(inventory: Path, playbook: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start a playbook by its name."""
    return subprocess.Popen(
        ["ansible-playbook", "-i", str(inventory), playbook, *arguments],
        env={**ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_playbook(inventory: Path, playbook: str, *arguments: str, **environment: str) -> Play:
    """Run a playbook by its name; nothing is assumed of its success."""
    process = start_playbook(inventory, playbook, *arguments, **environment)
    output, _nothing = process.communicate(timeout=2400)
    return Play(process.returncode, output)


def list_inventory(source: Path) -> dict[str, Any]:
    """What ansible-inventory makes of an inventory source. Raises CalledProcessError, with its output."""
    done = subprocess.run(
        ["ansible-inventory", "-i", str(source), "--list"],
        env={**ENVIRONMENT, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    # What hosts say of themselves is never a template; ansible-inventory marks it so.
    return json.loads(done.stdout, object_hook=lambda found: found.get("__ansible_unsafe", found))
