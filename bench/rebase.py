# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rebase of an upper of 300 MB in 5,000 files, beside a plain ``cp -a`` of it, on two processors and on one.

Needs root, for a loop mount.

python bench/rebase.py [files; 5000 unless told otherwise]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from support import Figure, report

from tests.support.rebasing import OLD, PYTHON, Scene, install, run_tool

#: How often each is run, in turn; the fastest counts, since what else a machine does only makes them slower.
ROUNDS = 5
RATIO = 1.5
MEGABYTES = 300
#: How many of the files change one of the masters', a third of them without a change of size; and how many files of
#: the masters there are beside them.
SHARED, OTHERS = 0.3, 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("files", type=int, nargs="?", default=5000)
    files = parser.parse_args().files
    if os.geteuid() != 0:
        print("Rebase: left out, since a loop mount takes root")
        return
    with tempfile.TemporaryDirectory(prefix="skinnybox-bench-") as directory:
        here = Path(directory)
        with mounted(image(here), here / "disk"):
            fill(Scene(here / "disk" / "scene"), files)
        held = report(f"Rebase of {MEGABYTES} MB in {files} files", measure(here))
    sys.exit(0 if held else 1)


def image(here: Path) -> Path:
    """An ext4 with room for the masters and three layers."""
    path = here / "disk.img"
    with path.open("wb") as file:
        file.truncate(4 << 30)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", path], check=True)
    (here / "disk").mkdir()
    return path


@contextlib.contextmanager
def mounted(disk: Path, at: Path) -> Iterator[None]:
    """The disk mounted anew, so that the kernel has nothing of it in memory but the image's own blocks."""
    subprocess.run(["mount", "-o", "loop,noatime", disk, at], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


def fill(scene: Scene, files: int) -> None:
    """Sizes as they are in systems: most files are small, few make the most of the bytes."""
    chance = random.Random(6)
    weights = [chance.paretovariate(1.2) for _file in range(files)]
    scale = MEGABYTES * 1e6 / sum(weights)
    content = chance.randbytes(1 << 20)
    for number, weight in enumerate(weights):
        name = f"usr/share/pack{number % 97}/part{number % 7}/file{number}"
        size = int(weight * scale)
        put(scene.layers / OLD / "upper" / name, content, number, size)
        if number < files * SHARED:
            before = size if number % 3 == 0 else size + 100
            put(scene.old / name, content, number + 1, before)
            if number % 2:
                put(scene.new / name, content, number + 2, before)
            else:
                keep(scene, name)
    for number in range(OTHERS):
        name = f"usr/lib/other{number % 31}/file{number}"
        put(scene.old / name, content, number, 2000)
        keep(scene, name)


def keep(scene: Scene, name: str) -> None:
    """A file that is the same inode in both masters, as in two snapshots of one golden VM's disk."""
    (scene.new / name).parent.mkdir(parents=True, exist_ok=True)
    (scene.new / name).hardlink_to(scene.old / name)


def put(path: Path, content: bytes, start: int, size: int) -> None:
    """A file whose content depends on where it starts in the given bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    turned = content[start:] + content[:start]
    path.write_bytes((turned * (size // len(turned) + 1))[:size])


def measure(here: Path) -> list[Figure]:
    """Both in turn, each on the disk as it was, to the point where all is written to the disk."""
    tool = install(here / "python")
    subprocess.run([PYTHON, "-m", "compileall", "-q", tool], check=True)  # as role overlayroot does
    figures = []
    for processors, words in ((2, "on two processors"), (1, "on one")):
        with allowed(processors):
            rounds = [(copied(here), rebased(here, tool)) for _round in range(ROUNDS)]
        copy, rebase = (min(seconds) for seconds in zip(*rounds, strict=True))
        figures += [
            Figure(f"cp -a of the upper, and sync, {words}", copy, "s"),
            Figure(f"rebase, {words}", rebase, "s"),
            Figure(f"rebase, as multiple of cp -a, {words}", rebase / copy, "times", RATIO),
        ]
    return figures


@contextlib.contextmanager
def allowed(processors: int) -> Iterator[None]:
    """At most so many processors for what is run meanwhile."""
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_of_them)[:processors])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)


def copied(here: Path) -> float:
    with mounted(here / "disk.img", here / "disk"):
        upper = here / "disk/scene/disk/layers" / OLD / "upper"
        began = time.monotonic()
        subprocess.run(["cp", "-a", upper, here / "disk/copy"], check=True)
        subprocess.run(["sync", "-f", here / "disk/copy"], check=True)
        seconds = time.monotonic() - began
        shutil.rmtree(here / "disk/copy")
    return seconds


def rebased(here: Path, tool: Path) -> float:
    with mounted(here / "disk.img", here / "disk"):
        scene = Scene(here / "disk" / "scene", make=False)
        began = time.monotonic()
        done = run_tool(scene, tool)
        seconds = time.monotonic() - began
        if done.returncode:
            raise SystemExit(done.stderr)
        shutil.rmtree(scene.layers / "master-2")
    return seconds


if __name__ == "__main__":
    main()
