# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small roots with a real package database: packages made and installed by dpkg itself."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator, Mapping

from .guest import Instance
from .mounts import joined

OLD, NEW = "11111111", "22222222"
#: What a master must have, or nothing is carried to it.
TOOLS = ("usr/bin/diff3", "usr/lib/skinnybox/python/skinnybox/rebase/__main__.py")
_PASSWD = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n"
_DATABASE = ("info", "updates", "triggers")
_GROUP = "root:x:0:\nadm:x:4:\nnogroup:x:65534:\n"


@dataclass(frozen=True)
class Deb:
    """A package: contents by path, those below /etc are configuration files."""

    name: str
    version: str
    files: Mapping[str, str]
    control: Mapping[str, str] = field(default_factory=dict)

    def build(self, directory: Path) -> Path:
        """The package's file; made once."""
        file = directory / f"{self.name}_{self.version}.deb"
        if file.exists():
            return file
        tree = directory / file.stem
        for path, content in self.files.items():
            place = tree / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
            place.chmod(0o755 if "/bin/" in path else 0o644)
        control = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": "all",
            "Maintainer": "Somebody <a@b.c>",
        }
        conffiles = [path for path in self.files if path.startswith("/etc/")]
        control |= {**self.control, "Description": f"package {self.name}"}
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text("".join(f"{key}: {value}\n" for key, value in control.items()))
        (tree / "DEBIAN" / "conffiles").write_text(
            "".join(f"{path}\n" for path in self.files if path.startswith("/etc/"))
        )
        sums = "".join(
            f"{_output('md5sum', tree / path.lstrip('/')).split()[0]}  {path.lstrip('/')}\n"
            for path in self.files if path not in conffiles
        )  # fmt: skip
        (tree / "DEBIAN" / "md5sums").write_text(sums)
        _output("dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, file)
        return file


@dataclass(frozen=True)
class Root:
    """A root directory with dpkg's database."""

    path: Path
    debs: Path

    def __truediv__(self, inside: str) -> Path:
        return self.path / inside.lstrip("/")

    def make(self) -> None:
        """Begin it."""
        for directory in (
            "etc/skinnybox",
            "usr/bin",
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/triggers",
        ):
            (self.path / directory).mkdir(parents=True, exist_ok=True)
        if (self / "etc/passwd").exists():
            return
        for path, text in {"var/lib/dpkg/status": "", "etc/passwd": _PASSWD, "etc/group": _GROUP}.items():
            (self.path / path).write_text(text)

    def install(self, *debs: Deb) -> None:
        """dpkg --install."""
        self.dpkg("--force-confold", "--install", *(deb.build(self.debs) for deb in debs))

    def dpkg(self, *arguments: str | Path, check: bool = True, text: str = "") -> str:
        """Run dpkg on this root; what it prints."""
        command = ["dpkg", f"--root={self.path}", "--force-depends", "--force-unsafe-io", "--log=/dev/null", *arguments]
        environment = {**os.environ, "LC_ALL": "C"}
        run = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, check=False)
        assert run.returncode == 0 or not check, run.stdout + run.stderr
        return run.stdout + run.stderr

    def divert(self, *arguments: str) -> None:
        """dpkg-divert or dpkg-statoverride, the first argument."""
        _output(arguments[0], f"--root={self.path}", *arguments[1:])

    def versions(self) -> dict[str, str]:
        """Version of every installed package; of others their state."""
        shown = _output("dpkg-query", f"--root={self.path}", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n")
        rows = [line.split() for line in shown.splitlines()]
        return {name: version if state[1] == "i" else state for name, version, state in rows}


class Upgrade:
    """Two masters, and an instance of the old one."""

    def __init__(self, directory: Path) -> None:
        self.debs = directory / "debs"
        self.debs.mkdir()
        self.instance = Instance(directory, OLD)
        self.old = Root(self.instance.master, self.debs)
        self.new = Root(directory / "next", self.debs)

    @property
    def overlay(self) -> Path:
        """The instance's disk."""
        return self.instance.overlay

    def make_old(self, *debs: Deb) -> None:
        """The old master."""
        self.old.make()
        (self.old / "etc/skinnybox/master-id").write_text(OLD + "\n")
        if debs:
            self.old.install(*debs)

    def make_new(self) -> Root:
        """The new master, equal to the old one for now but for the rebase tool."""
        _output("cp", "-a", self.old.path, self.new.path)
        (self.new / "etc/skinnybox/master-id").write_text(NEW + "\n")
        for path in TOOLS:
            (self.new / path).parent.mkdir(parents=True, exist_ok=True)
            (self.new / path).write_text("")
        return self.new

    @contextlib.contextmanager
    def running(self) -> Iterator[Root]:
        """The instance as it is seen from inside."""
        with self.instance.running() as path:
            yield Root(path, self.debs)

    @contextlib.contextmanager
    def upgraded(self) -> Iterator[Root]:
        """The instance on the new master."""
        layer = self.overlay / "layers" / NEW
        lowers = [self.instance.identity, self.new.path]
        with joined(layer / "upper", layer / "work", lowers, self.instance.point) as there:
            yield Root(there.merged, self.debs)


def _output(*command: str | Path) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
