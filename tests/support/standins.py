# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-ins for guests, where there are none: directories in which Ansible runs what an instance is asked to run.

The connection is tests/support/connection/standin.py. What boots is tests.support.guests; here is what it finds then.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .guests import Guests
from .lab import ROOT, Lab

_SYSTEMCTL = """\
#!/bin/sh
case $1 in
    is-system-running) echo {state} ;;
    list-units) for unit in {failed}; do echo "$unit loaded failed failed Words"; done ;;
    is-active)
        shift 2
        for unit; do case " {failed} " in *" $unit "*) echo failed ;; *) echo active ;; esac; done ;;
esac
"""
_DPKG = """\
#!/bin/sh
for package in {audit}; do echo " $package  Words"; done
"""


def write_tools(
    directory: Path, *, state: str = "running", failed: Sequence[str] = (), audit: Sequence[str] = ()
) -> None:
    """Write ``systemctl`` and ``dpkg`` into a directory: all units are active but those that have failed."""
    directory.mkdir(parents=True, exist_ok=True)
    tools = {"systemctl": _SYSTEMCTL, "dpkg": _DPKG}
    for name, text in tools.items():
        path = directory / name
        path.write_text(text.format(state=state, failed=" ".join(failed), audit=" ".join(audit)))
        path.chmod(0o755)


CONNECTIONS = ROOT / "tests" / "support" / "connection"

#: What a boot leaves where modules look for it, and what a command sees instead of this machine's own.
_ENTER = """\
#!/bin/sh
exec unshare --mount --propagation private sh -ec '
mount --bind {directory}/run /run
mount --bind {directory}/overlay /run/initramfs/skinnybox/overlay
mount --bind {directory}/master /run/initramfs/skinnybox/master
mount -t overlay -o lowerdir={directory}/etc:/etc skinnybox-test /etc
export PATH={directory}/tools-$1:{directory}/tools:$PATH
exec sh -c "$2"' sh "$@"
"""


class Standins(Guests):
    """Guests of a lab with a directory for each instance, by name below one."""

    def __init__(self, lab: Lab, directory: Path, master: Mapping[str, str]) -> None:
        self.directory, self.files = directory, master
        super().__init__(lab)

    def of(self, name: str) -> Path:
        """The directory of an instance; it is made when it is asked for."""
        directory = self.directory / name
        if not directory.exists():
            for path in ("run/skinnybox", "run/initramfs/skinnybox/overlay", "run/initramfs/skinnybox/master"):
                (directory / path).mkdir(parents=True)
            for path in ("overlay/identity", "overlay/layers", "etc/skinnybox", "master"):
                (directory / path).mkdir(parents=True)
            write_tree(directory / "master", self.files)
            write_tools(directory / "tools")
            (directory / "enter").write_text(_ENTER.format(directory=directory))
            (directory / "enter").chmod(0o755)
            (directory / "run/skinnybox/instance").write_text("0b0c5a7e-95a3-4a4c-8f44-5d0b6a1f0017\n")
        return directory

    def upper(self, name: str, master_id: str) -> Path:
        """The upper directory of an instance on a master version."""
        return self.of(name) / "overlay/layers" / master_id / "upper"

    def _report(self, vm: str, text: str) -> None:
        words = dict(word.partition("=")[::2] for word in text.split(";"))
        name, master_id = self.xapi.VM.get_name_label(vm), words["master"]
        if words["state"] == "running":
            directory, upper = self.of(name), self.upper(name, master_id)
            before = directory / "master-id"
            if not upper.exists():
                (upper.parent / "work").mkdir(parents=True)
                if before.exists():
                    shutil.copytree(self.upper(name, before.read_text()), upper, symlinks=True)
                upper.mkdir(exist_ok=True)
            (directory / "etc/skinnybox/master-id").write_text(f"{master_id}\n")
            (directory / "run/skinnybox/report").write_text(f"{text}\n")
            before.write_text(master_id)
        super()._report(vm, text)


@contextmanager
def standins_of(lab: Lab, directory: Path, master: Mapping[str, str]) -> Iterator[Standins]:
    """Guests with directories for all VMs that start meanwhile; ``master`` has the texts of its files by path."""
    standins = Standins(lab, directory, master)
    try:
        yield standins
    finally:
        standins.close()


def write_tree(root: Path, files: Mapping[str, str]) -> None:
    """Write files by their paths."""
    for path, text in files.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def manifest_of(master_id: str, files: Mapping[str, str]) -> bytes:
    """The compressed manifest of a master with these files, as role seal writes it."""
    header = {"format": 2, "master_id": master_id, "volatile_trees": ["/run"], "volatile_files": []}
    owner = {"uid": 0, "gid": 0}
    parents = {str(parent) for path in files for parent in Path(path).parents} - {"/"}
    entries = [{"path": path, "type": "directory", "mode": 0o755, **owner} for path in parents]
    for path, text in files.items():
        digest = hashlib.sha256(text.encode()).hexdigest()
        content = {"size": len(text.encode()), "sha256": digest, "text": text}
        entries.append({"path": path, "type": "file", "mode": 0o644, **owner, **content})
    lines = [header, *sorted(entries, key=lambda entry: str(entry["path"]))]
    return gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
