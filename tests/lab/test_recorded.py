# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's answers against recorded ones of a real XAPI: an optional input that only this test knows.

The recording is a folder with `replay.py` and `scenarios/`, named by SKINNYBOX_XAPI_REPLAY or lying in a sibling of
the checkout. Without it the test is skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lab import PASSWORD, ROOT, Lab

DEFAULT = ROOT.parent / "shared" / "facts" / "xapi-replay"
FOLDER = Path(os.environ.get("SKINNYBOX_XAPI_REPLAY", "") or DEFAULT)

#: (scenario, call) -> why the lab answers something else.
KNOWN = {
    ("tasks-async", "task.get_record"): "XAPI's own debugging count in other_config",
}


@pytest.mark.skipif(not (FOLDER / "replay.py").exists(), reason="no recording of a real XAPI is there")
@pytest.mark.parametrize("wire", ["http", "https"], indirect=True)
def test_answers_agree_with_the_recording(server: tuple[Lab, Path | None]) -> None:
    lab, _authority = server
    command = [
        sys.executable,
        "replay.py",
        "check",
        "--json",
        "--quiet",
        "--url",
        lab.url,
        "--password",
        PASSWORD,
        "scenarios",
    ]
    run = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=600, check=False)
    found = json.loads(run.stdout)
    unexpected = [failure for failure in found["failed"] if not _is_known(failure)]
    shown = "\n".join(f"{f['file']} step {f['step']} {f['call']}: {f['differences'][:3]}" for f in unexpected)
    assert not unexpected, f"{found['agree']} of {found['of']} agree; new differences:\n{shown}"


def _is_known(failure: dict[str, str]) -> bool:
    scenario, call = Path(failure["file"]).stem, failure["call"] or ""
    return (scenario, call) in KNOWN
