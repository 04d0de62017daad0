# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rebase that is killed anywhere, and run again, ends as one that was not; the old layer never changes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.files import is_whiteout
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase import place
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.run import rebase
from tests.support import mounts
from tests.support.pictures import picture
from tests.support.rebase_changes import lively, write
from tests.support.rebasing import OLD, Scene, allow_processors

pytestmark = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "-")

#: What writes, by the module that has it.
WRITES: tuple[tuple[Any, str], ...] = (
    *((os, name) for name in ("mkdir", "mknod", "symlink", "link", "rename", "unlink", "rmdir", "write", "sendfile")),
    *((os, name) for name in ("lchown", "chmod", "setxattr", "utime")),
    *((place, name) for name in ("sync_file_system", "sync_directory")),
)
POINTS = 20


def run_until(scene: Scene, last: int) -> tuple[int, int]:
    """Rebase in a process that is killed before its ``last``-th write; return its status, and its writes when done."""
    reading, writing = os.pipe()
    numbers = multiprocessing.Value("i", 0)  # its workers write, too, and are not killed but end with it
    process = os.fork()
    if not process:
        tool = os.getpid()

        def counted(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                with numbers.get_lock():
                    numbers.value += 1
                    if numbers.value == last:
                        os.kill(tool, signal.SIGKILL)
                return function(*arguments, **options)

            return call

        tell, status = os.write, 1
        try:
            for module, name in WRITES:
                setattr(module, name, counted(getattr(module, name)))
            rebase(scene.job)
            tell(writing, numbers.value.to_bytes(4, "little"))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read()
    return os.waitpid(process, 0)[1], int.from_bytes(told, "little")


def layers(scene: Scene) -> dict[str, object]:
    """All layers, with the times that a mount shows; what the report says of how long it took is left out."""
    found = {}
    for path, seen in picture(scene.layers, links=True).items():
        status = (scene.layers / path[1:]).lstat()
        shown = "/upper" in path and not is_whiteout(status)
        if not path.endswith("/rebase.json"):
            found[path] = (seen, status.st_mtime_ns if shown else 0)
    return found


@pytest.fixture
def scene() -> Iterator[Scene]:
    with mounts.memory() as there:
        scene = Scene(there)
        lively(scene)
        yield scene


@pytest.fixture(params=[1, 2], ids=["one processor", "two processors"])
def processors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many for the tool."""
    allow_processors(monkeypatch, request.param)


@pytest.mark.matrix
@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize("abandoned", [False, True], ids=["first time", "after a rollback"])
def test_a_rebase_that_is_killed_anywhere_ends_the_same(scene: Scene, abandoned: bool) -> None:
    def begin() -> None:
        for path in scene.layers.iterdir():
            if path.name != OLD:
                shutil.rmtree(path)
        if abandoned:
            write(scene.layers / "master-2/upper/etc/abandoned", "long ago\n")

    old = picture(scene.layers / OLD, links=True)
    begin()
    status, writes = run_until(scene, 0)
    assert status == 0 and writes > 3 * POINTS
    wanted = layers(scene)
    for number in range(POINTS):
        begin()
        last = 1 + number * (writes - 1) // (POINTS - 1)
        assert run_until(scene, last)[0] == signal.SIGKILL, f"write {last} of {writes}"
        assert picture(scene.layers / OLD, links=True) == old
        assert not (scene.layers / "master-2").exists() or is_whole(scene.layers / "master-2", abandoned)
        rebase(scene.job)
        assert layers(scene) == wanted, f"killed at write {last} of {writes}"


def is_whole(layer: Path, abandoned: bool) -> bool:
    """Whether a layer at its place is a complete one: the new one, or what was abandoned."""
    if (layer / "rebase.json").exists():
        return (layer / "origin").exists() and (layer / "upper/srv/app/data").exists()
    return abandoned and (layer / "upper/etc/abandoned").exists()
