# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that works beside another one."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.worker import Worker


def test_the_job_is_done_when_waiting_ends(tmp_path: Path) -> None:
    worker = Worker(lambda: (tmp_path / "made").mkdir())
    worker.wait()
    assert (tmp_path / "made").is_dir()
    worker.end()


def test_nobody_waits_for_what_comes_afterwards() -> None:
    worker = Worker(lambda: None, lambda: signal.pause())
    worker.wait()
    worker.end()


def test_a_failure_is_told_with_its_file(tmp_path: Path) -> None:
    missing = tmp_path / os.fsdecode(b"odd\xff name") / "file"
    worker = Worker(lambda: missing.mkdir())
    with pytest.raises(FileNotFoundError) as caught:
        worker.wait()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(missing))
    worker.end()


@pytest.mark.parametrize("job", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: 1 / 0], ids=["killed", "fault"])
def test_a_process_that_ends_early_has_not_done_its_job(job: object) -> None:
    worker = Worker(job)  # type: ignore[arg-type]
    with pytest.raises(ChildProcessError):
        worker.wait()
    worker.end()


def test_it_ends_with_the_process_that_began_it() -> None:
    reading, writing = os.pipe()
    parent = os.fork()
    if not parent:
        Worker(lambda: signal.pause())
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(writing)
    os.waitpid(parent, 0)
    with os.fdopen(reading, "rb") as answer:  # ends when nobody has the other side any more
        assert answer.read() == b""
