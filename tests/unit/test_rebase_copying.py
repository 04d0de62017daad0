# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of many files, with one processor and with two."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.files import entry_at
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase import worker
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.copying import Copy, copy_files
from tests.support.rebasing import allow_processors

NUMBER = 100  # more than are opened at once


def copies(there: Path) -> list[Copy]:
    """Files of no bytes, a few, and more than are read at once, and where their copies are to be."""
    made = []
    for name in ("source", "target"):
        (there / name).mkdir()
    for number in range(NUMBER):
        source = there / "source" / str(number)
        source.write_bytes(bytes([number]) * (number * 37 if number != 50 else 3 << 20))
        source.chmod(0o600 + number % 8)
        os.utime(source, ns=(10**18 + number, 10**18 - number))
        status = source.lstat()
        made.append(Copy(str(source), status, str(there / "target" / str(number)), entry_at(str(source), status)))
    return made


@pytest.fixture(params=[1, 2], ids=["one processor", "two processors"])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Processes that were made while so many processors may be used."""
    begun: list[int] = []
    fork = os.fork
    allow_processors(monkeypatch, request.param)
    monkeypatch.setattr(worker.os, "fork", lambda: begun.append(request.param) or fork())
    return begun


def test_copies_are_as_their_sources(tmp_path: Path, processes: list[int]) -> None:
    files = copies(tmp_path)
    copy_files(files)
    for copy in files:
        source, target = Path(copy.source), Path(copy.target)
        assert target.read_bytes() == source.read_bytes()
        assert target.stat().st_mode == source.stat().st_mode
        assert target.stat().st_mtime_ns == copy.status.st_mtime_ns
    assert processes in ([], [2])


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("missing", [0, 31, 99])
def test_a_source_that_is_gone_is_told_and_nothing_stays_open(tmp_path: Path, missing: int) -> None:
    files = copies(tmp_path)
    Path(files[missing].source).unlink()
    descriptors = Path("/proc/self/fd")
    before = set(descriptors.iterdir())
    with pytest.raises(FileNotFoundError) as caught:
        copy_files(files)
    assert caught.value.filename == files[missing].source
    assert set(descriptors.iterdir()) == before


def test_one_processor_has_one_process(tmp_path: Path, processes: list[int], request: pytest.FixtureRequest) -> None:
    copy_files(copies(tmp_path))
    assert len(processes) == (0 if "one processor" in request.node.name else 1)
