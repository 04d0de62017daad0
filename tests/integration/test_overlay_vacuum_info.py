# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a vacuum would remove is told while the instance runs, and nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.guest import Instance
from tests.support.mounts import why_not
from tests.support.pictures import picture

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


def test_what_would_go(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    for path in ("etc", "var/cache/apt/archives"):
        (instance.master / path).mkdir(parents=True)
    (instance.master / "etc/conf").write_text("conf")
    with instance.running() as root:
        (root / "etc/conf").write_text("conf")
        (root / "var/cache/apt/archives/x.deb").write_text("x" * 5000)
    os.mknod(instance.upper / "gone", 0o020000, os.makedev(0, 0))
    before = picture(instance.overlay)
    with instance.running():
        done = instance.run("overlay_vacuum_info")
    found = {name: done["found"][name] for name in ("copies", "caches", "whiteouts", "directories")}
    assert found == {"copies": 1, "caches": 1, "whiteouts": 1, "directories": 5}
    assert done["found"]["bytes"] >= 5000
    assert (done["requested"], done["last"], done["changed"]) == (False, {}, False)
    assert picture(instance.overlay) == before
