# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module health_info, run as Ansible runs it, with stand-ins for systemctl and dpkg."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.ansible import COLLECTIONS
from tests.support.standins import write_tools

MODULE = "ansible_collections.skinnybox.xenserver.plugins.modules.health_info"


def health(tools: Path, **options: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", MODULE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
        env={**os.environ, "PATH": str(tools), "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout)


def test_problems_that_are_new_make_it_unhealthy(tmp_path: Path) -> None:
    write_tools(tmp_path, state="degraded", failed=["old.service"])
    before = health(tmp_path, units=["nginx.service"])
    assert (before["healthy"], before["problems"]) == (False, ["unit old.service has failed"])
    assert before["inactive_units"] == []
    assert health(tmp_path, known=before["problems"])["healthy"]
    write_tools(tmp_path, state="degraded", failed=["nginx.service", "old.service"], audit=["skinny-demo"])
    after = health(tmp_path, units=["nginx.service"], known=before["problems"])
    assert (after["healthy"], after["inactive_units"]) == (False, ["nginx.service"])
    assert after["new_problems"] == [
        "unit nginx.service has failed",
        "package skinny-demo is not whole (dpkg --audit)",
    ]
    assert after["boot_id"] == before["boot_id"] != ""


def test_a_system_without_systemd_is_named(tmp_path: Path) -> None:
    result = health(tmp_path)
    assert result["failed"]
    assert "systemctl cannot be run here" in result["msg"]
