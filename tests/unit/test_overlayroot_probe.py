# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role overlayroot: what a golden VM must have."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.lab import ROOT


@pytest.fixture
def probe() -> ModuleType:
    """The program that the role runs in the golden VM."""
    spec = importlib.util.spec_from_file_location("probe", ROOT / "roles/overlayroot/files/probe.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def python(probe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden VM's /usr/bin/python3."""
    program = tmp_path / "python3"
    monkeypatch.setattr(probe, "_PYTHON", str(program))
    return program


@pytest.mark.parametrize(("version", "refused"), [("3 9", True), ("2 7", True), ("3 10", False), ("4 0", False)])
def test_an_old_python_is_refused(probe: ModuleType, python: Path, version: str, refused: bool) -> None:
    python.write_text(f"#!/bin/sh\necho {version}\n")
    python.chmod(0o755)
    sentence = f"Its /usr/bin/python3 is {version.replace(' ', '.')}; instances need 3.10 to be upgraded."
    assert (sentence in probe.refusals()) is refused


def test_a_missing_python_is_installed(probe: ModuleType, python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("python3" in sentence for sentence in probe.refusals())
    needs = {str(python) if need == "/usr/bin/python3" else need: package for need, package in probe._NEEDS.items()}
    monkeypatch.setattr(probe, "_NEEDS", needs)
    assert "python3" in probe.missing()
