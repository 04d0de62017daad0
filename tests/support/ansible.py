# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run modules and playbooks as a user does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .lab import PASSWORD, ROOT, Lab

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


def start_module(name: str, arguments: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a module in a process of its own, in the way in which Ansible does."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"ansible_collections.skinnybox.xenserver.plugins.modules.{name}"],
        env={**ENVIRONMENT, "PYTHONPATH": str(COLLECTIONS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    process.stdin.close()
    process.stdin = None
    return process


def run_module(
    lab: Lab, module: str, /, *, check: bool = False, diff: bool = False, hostname: str | None = None, **arguments: Any
) -> Result:
    """Run a module against a lab and return its result."""
    process = start_module(
        module,
        {
            "hostname": hostname or lab.url,
            "password": PASSWORD,
            **arguments,
            "_ansible_check_mode": check,
            "_ansible_diff": diff,
        },
    )
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err + out, err + out
    return Result(json.loads(out), err)


@dataclass
class Play:
    """How a playbook run ended."""

    status: int
    output: str

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """Counts by inventory host."""
        found = {}
        for line in self.output.partition("PLAY RECAP")[2].splitlines():
            host, _colon, counts = line.partition(" : ")
            if counts:
                found[host.strip()] = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", counts)}
        return found


def run_playbook(inventory: Path, playbook: str, *arguments: str, **environment: str) -> Play:
    """Run a playbook by its name; nothing is assumed of its success."""
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), playbook, *arguments],
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return Play(done.returncode, done.stdout + done.stderr)
