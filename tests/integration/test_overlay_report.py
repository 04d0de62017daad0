# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module overlay_report finds every seeded change and nothing else, in an instance and on a mounted overlay disk."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.printable import printable
from tests.support import mounts, seeds
from tests.support.guest import run_guest_module

pytestmark = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "-")


@contextmanager
def ext4(image: Path, at: Path, *options: str) -> Iterator[Path]:
    """An overlay disk's file system, made if it is not there yet."""
    at.mkdir(exist_ok=True)
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-N", "16384", str(image)], check=True)
    with mounts.mounted("-o", ",".join(["loop", *options]), str(image), at=at):
        yield at


def found_in(rows: list[dict[str, Any]]) -> dict[str, seeds.Expected]:
    """What a report says, in the words of the seeds; paths as they are printed."""
    return {
        row["path"]: seeds.Expected(
            row["change"],
            frozenset(row["metadata"]),
            frozenset(row["hides"]),
            frozenset(row["links"]),
            row["breaks_link"],
        )
        for row in rows
    }


def printed(expected: seeds.Expected) -> seeds.Expected:
    return seeds.Expected(
        expected.change,
        expected.metadata,
        frozenset(map(printable, expected.hides)),
        frozenset(map(printable, expected.links)),
        expected.breaks_link,
    )


def test_every_seeded_change_is_found_and_nothing_else(tmp_path: Path) -> None:
    master, disk, root = (tmp_path / name for name in ("master", "disk", "root"))
    seeds.prepare(master)
    root.mkdir()
    image = tmp_path / "overlay.raw"
    with ext4(image, disk) as overlay:
        layer, identity = overlay / "layers" / "an-id", overlay / "identity"
        for made in (layer / "upper", layer / "work", identity):
            made.mkdir(parents=True)
        with mounts.joined(layer / "upper", layer / "work", [identity, master], root):
            expected = {printable(path): printed(each) for path, each in seeds.change(root).items()}
    with ext4(image, disk, "ro") as overlay:
        upper = overlay / "layers" / "an-id" / "upper"
        options = {"upper": str(upper), "lowers": [str(overlay / "identity"), str(master)]}
        result = run_guest_module("overlay_report", details="files", checksums=True, **options)
    assert not result.failed, result.msg
    found = found_in(result["files"])
    assert len(expected) >= 200
    wrong = {path for path in {*found, *expected} if found.get(path) != expected.get(path)}
    assert not wrong, {path: (found.get(path), expected.get(path)) for path in sorted(wrong)[:5]}
    assert len(result["files"]) == len(found)
