# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab in the background: started once, stopped, found again as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import PASSWORD, ROOT

from .conftest import Client, connect


class Command:
    """`python -m lab` on a state directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lab", *arguments, "--state", str(self.directory)],
            cwd=ROOT, env={**os.environ, "LAB_PASSWORD": PASSWORD}, capture_output=True, text=True, timeout=100,
            check=False,
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("status", "--json").stdout)
        return found

    def client(self) -> Client:
        return connect(self.status()["urls"][1], None)


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    pytest.importorskip("lab.storage.qcow2")
    command = Command(tmp_path / "state with a space")
    yield command
    command("down", "--destroy")


def test_up_is_safe_to_repeat(command: Command) -> None:
    first = command("up", "--without-guests")
    assert first.returncode == 0, first.stderr
    pid = command.status()["pid"]
    assert command("up", "--without-guests").returncode == 0
    assert command.status()["pid"] == pid


def test_everything_is_found_again_after_a_kill(command: Command) -> None:
    command("up", "--without-guests")
    client = command.client()
    vm, disk = client.vm(name_label="kept"), client.disk(name_label="kept disk")
    client.attach(vm, disk)
    client.start(vm)
    before = command.status()
    os.kill(before["pid"], signal.SIGTERM)
    client = _again(command)
    assert command.status()["fingerprint"] == before["fingerprint"]
    assert command.status()["urls"] == before["urls"]
    assert client.xapi.VM.get_name_label(vm) == "kept"
    assert client.xapi.VDI.get_name_label(disk) == "kept disk"
    # a simulated guest does not outlive its server
    assert client.xapi.VM.get_power_state(vm) == "Halted"
    client.start(vm)


def _again(command: Command) -> Client:
    assert command("up", "--without-guests").returncode == 0
    return command.client()


def test_down_stops_guests_and_keeps_the_rest(command: Command) -> None:
    command("up", "--without-guests")
    client = command.client()
    vm = client.vm()
    client.start(vm)
    assert command("down").returncode == 0
    assert command("status").returncode == 3
    assert _again(command).xapi.VM.get_power_state(vm) == "Halted"


def test_reset_begins_anew(command: Command) -> None:
    command("up", "--without-guests")
    vm = command.client().vm()
    assert command("reset", "--without-guests").returncode == 0
    assert vm not in command.client().xapi.VM.get_all()


def test_destroy_frees_everything(command: Command) -> None:
    command("up", "--without-guests")
    assert command("down", "--destroy").returncode == 0
    assert not command.directory.exists()


def test_destroy_does_not_remove_what_is_no_lab(command: Command) -> None:
    command.directory.mkdir()
    (command.directory / "precious").write_text("data")
    found = command("down", "--destroy")
    assert (command.directory / "precious").exists(), found.stderr
    assert found.returncode == 1
    assert "does not look like a lab" in found.stderr


def test_password_file_is_private(command: Command) -> None:
    command("up", "--without-guests")
    assert Path(command.status()["password_file"]).stat().st_mode & 0o077 == 0


def test_calls_are_shown(command: Command) -> None:
    command("up", "--without-guests")
    command.client().vm()
    assert "VM.create" in command("calls").stdout
