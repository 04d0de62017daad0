# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An overlay disk and two masters in directories, and the rebase tool as a master has it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.run import Job
from tests.support import mounts

ROOT = Path(__file__).parents[2]
#: The system's own, as in a master; other builds may be slower.
PYTHON = shutil.which("python3", path="/usr/bin") or sys.executable
OLD, NEW, REQUEST = "master-1", "master-2", "11111111-2222-3333-4444-555555555555"


class Scene:
    """``disk`` is the overlay disk's root, ``old`` and ``new`` are the masters', ``seen`` is for mounts."""

    def __init__(self, there: Path, make: bool = True) -> None:
        """In a directory, made there unless it has been made before."""
        self.there = there
        self.disk, self.old, self.new, self.seen = (there / name for name in ("disk", "old", "new", "seen"))
        self.layers = self.disk / "layers"
        self.identity = self.disk / "identity"
        if make:
            self._make()

    def _make(self) -> None:
        for directory in (self.old, self.new, self.seen, self.identity):
            directory.mkdir(parents=True)
        for name in ("upper", "work"):
            (self.layers / OLD / name).mkdir(parents=True)
        for master, master_id in ((self.old, OLD), (self.new, NEW)):
            (master / "etc/skinnybox").mkdir(parents=True)
            (master / "etc/skinnybox/master-id").write_text(f"{master_id}\n")

    @property
    def job(self) -> Job:
        return Job(self.disk, self.old, self.new, OLD, NEW, REQUEST)

    @contextlib.contextmanager
    def mounted(self, master: Path, layer: Path) -> Iterator[Path]:
        """The instance's root on a master, with a layer's upper directory."""
        for name in ("upper", "work"):
            (layer / name).mkdir(parents=True, exist_ok=True)
        with mounts.joined(layer / "upper", layer / "work", [self.identity, master], self.seen):
            yield self.seen

    @contextlib.contextmanager
    def before(self) -> Iterator[Path]:
        """The instance as it runs on the old master."""
        with self.mounted(self.old, self.layers / OLD) as seen:
            yield seen

    @contextlib.contextmanager
    def after(self) -> Iterator[Path]:
        """The instance as it runs on the new master."""
        with self.mounted(self.new, self.layers / NEW) as seen:
            yield seen


def command(scene: Scene, request: str = REQUEST) -> list[str]:
    """The tool's command line."""
    places = ["--overlay", scene.disk, "--old-master", scene.old, "--new-master", scene.new]
    ids = ["--from", OLD, "--to", NEW, "--request", request]
    return [PYTHON, "-B", "-S", "-m", "skinnybox.rebase", *map(str, places), *ids]


def install(directory: Path) -> Path:
    """Put the tool into a directory as the overlayroot role puts it into a master, and return its PYTHONPATH."""
    package = directory / "skinnybox"
    package.mkdir(parents=True)
    for name in ("layers", "rebase"):
        shutil.copytree(
            ROOT / "plugins" / "module_utils" / name, package / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    return directory


def run_tool(scene: Scene, tool: Path, request: str = REQUEST) -> subprocess.CompletedProcess[str]:
    """Run the tool as the boot hook does."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(tool)}
    arguments = command(scene, request)
    return subprocess.run(arguments, env=environment, cwd="/", capture_output=True, text=True, timeout=300, check=False)


def allow_processors(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Have a rebase of this process find so many processors: with one, it has no second process."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(number)))
