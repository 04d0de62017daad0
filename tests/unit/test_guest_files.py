# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role guest_files: what its two programs carry from the controller into a guest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lab import ROOT

FILES = ROOT / "roles/guest_files/files"


def pack(*words: str | Path) -> str:
    """What the controller sends."""
    return subprocess.run(
        [sys.executable, FILES / "pack.py", *words], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def install(target: Path, packed: str, *owned: str, mode: str = "install") -> set[str]:
    """Run it in the guest; the files of which it says that they are not as they should be."""
    command = [sys.executable, str(FILES / "install.py"), str(target), mode, *owned]
    done = subprocess.run(command, input=packed, check=True, stdout=subprocess.PIPE, text=True)
    return {str(Path(line).relative_to(target)) for line in done.stdout.splitlines()}


@pytest.fixture
def packed(tmp_path: Path) -> str:
    """A tree of the role's own, and a directory from elsewhere that gets another place."""
    for name, content in {"root/etc/conf": "ä\r\nb\n", "root/lib/own/tool": "b", "utils/code.py": "c"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content.encode())
    (tmp_path / "root/lib/own/tool").chmod(0o700)
    (tmp_path / "utils/__pycache__").mkdir()
    (tmp_path / "utils/__pycache__/code.pyc").write_text("")
    return pack(tmp_path / "root", ".", tmp_path / "utils", "lib/own/python")


ALL = {"etc/conf", "lib/own/tool", "lib/own/python/code.py"}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The guest's root."""
    (tmp_path / "guest").mkdir()
    return tmp_path / "guest"


def test_files_of_all_sources_are_installed_once(packed: str, target: Path) -> None:
    assert install(target, packed, "lib/own") == ALL
    assert (target / "lib/own/python/code.py").read_text() == "c"
    assert (target / "etc/conf").read_bytes() == "ä\r\nb\n".encode()
    assert [(target / name).stat().st_mode & 0o777 for name in ("lib/own/tool", "etc/conf")] == [0o755, 0o644]
    assert install(target, packed, "lib/own") == set()


def test_modules_in_owned_directories_are_compiled(packed: str, target: Path) -> None:
    install(target, packed, "lib/own")
    (compiled,) = (target / "lib/own/python/__pycache__").iterdir()
    compiled.unlink()
    (compiled.parent / "gone.pyc").write_text("")
    assert install(target, packed, "lib/own") == {str((compiled.parent / "gone.pyc").relative_to(target))}
    assert list(compiled.parent.iterdir()) == [compiled]


def test_links_are_installed_as_links(tmp_path: Path, target: Path) -> None:
    (tmp_path / "root/wants").mkdir(parents=True)
    (tmp_path / "root/unit").write_text("")
    (tmp_path / "root/wants/unit").symlink_to("../unit")
    packed = pack(tmp_path / "root", ".")
    assert install(target, packed) == {"unit", "wants/unit"}
    assert str((target / "wants/unit").readlink()) == "../unit"
    assert install(target, packed) == set()
    for other in ("elsewhere", None):
        (target / "wants/unit").unlink()
        (target / "wants/unit").symlink_to(other) if other else (target / "wants/unit").write_text("a file")
        assert install(target, packed) == {"wants/unit"}
        assert (target / "wants/unit").resolve() == target / "unit"


def test_a_target_that_is_not_there_is_made_for_its_owner_alone(packed: str, tmp_path: Path) -> None:
    assert install(tmp_path / "new", packed, mode="check") == ALL
    assert not (tmp_path / "new").exists()
    install(tmp_path / "new", packed)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new/etc").stat().st_mode & 0o777 == 0o755


def test_check_mode_says_the_same_and_writes_nothing(packed: str, target: Path) -> None:
    assert install(target, packed, "lib/own", mode="check") == ALL
    assert list(target.iterdir()) == []


def test_what_an_earlier_version_has_left_is_removed(packed: str, target: Path) -> None:
    install(target, packed, "lib/own")
    (target / "lib/own/old/deep").mkdir(parents=True)
    (target / "lib/own/old/deep/file").write_text("")
    (target / "lib/own/link").symlink_to("/etc")
    (target / "etc/users-own").write_text("")
    stale = {"lib/own/old/deep/file", "lib/own/old/deep", "lib/own/old", "lib/own/link"}
    assert install(target, packed, "lib/own", mode="check") == stale
    assert install(target, packed, "lib/own") == stale
    assert sorted(path.name for path in (target / "lib/own").iterdir()) == ["python", "tool"]
    assert (target / "etc/users-own").exists(), "only owned directories are cleaned"
    assert install(target, packed, "lib/own") == set()


def test_a_module_may_become_a_package_and_the_other_way_round(packed: str, target: Path) -> None:
    (target / "lib/own/tool").mkdir(parents=True)
    (target / "lib/own/tool/part").write_text("")
    (target / "lib/own/python").write_text("was a file")
    assert install(target, packed, "lib/own") == ALL | {"lib/own/tool/part", "lib/own/python"}
    assert install(target, packed, "lib/own") == set()


def test_the_role_ships_the_code_that_the_modules_have(target: Path) -> None:
    """Installed where the boot hook looks for it, the tool answers."""
    utils = ROOT / "plugins/module_utils"
    places = [(utils / name, f"python/skinnybox/{name}") for name in ("layers", "rebase")]
    install(target, pack(*(word for pair in places for word in pair)))
    for module in ("skinnybox.rebase", "skinnybox.rebase.vacuum"):
        command = ["/usr/bin/python3", "-B", "-S", "-m", module, "--help"]
        done = subprocess.run(command, cwd=target / "python", env={}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "--overlay" in done.stdout
