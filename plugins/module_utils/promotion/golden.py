# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A promotion as a whole: read the archive, see that this is the right golden VM, plan, write, and remember how far."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterator

from ..layers.directory import DirectoryTree
from ..layers.durable import sync_file_system, write_durably
from ..rebase.numbers import Numbers
from .apply import Import, path_of
from .index import NAME, ArchiveUnusable, Index, from_json, to_json
from .plan import Answer, Plan, make_plan

#: Which archive is being imported: while this is there, the golden VM is neither one thing nor the other.
BEGUN = "var/lib/skinnybox/promotion.json"
_LOCKS = ("var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock", "etc/.pwd.lock")
_LIBRARIES = ("/lib", "/usr/lib", "/usr/local/lib", "/etc/ld.so.conf")


class ImportRefused(Exception):
    """The archive cannot be imported here; nothing was written. The message says why."""


@dataclass(frozen=True)
class Prepared:
    """An archive that can be imported, and what that would do."""

    root: str
    archive: Path
    checksum: str
    index: Index
    plan: Plan
    numbers: Numbers
    goes_on: bool  # an import of the same archive was interrupted

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.goes_on or bool(self.plan.place or self.plan.delete or self.plan.accounts)


def prepare(archive: Path, root: str, answer: Answer, force: bool) -> Prepared:
    """Look at an archive and a golden VM's root. Raises ImportRefused, ArchiveUnusable, Conflicts, Refusal, OSError."""
    root = root.rstrip("/")
    if not root and Path("/run/skinnybox/instance").exists():
        raise ImportRefused("This is an instance. A promotion is imported into the golden VM.")
    index, checksum = read_archive(archive)
    master_id = _line(Path(f"{root}/etc/skinnybox/master-id"))
    if master_id != index.master_id and not force:
        raise ImportRefused(
            f"The archive is of an instance of master {index.master_id}, but this golden VM was last sealed as "
            f"{master_id or 'nothing at all'}: upgrade the instance to its version first, or use force."
        )
    begun = _begun(Path(root or "/", BEGUN))
    if begun and begun != checksum and not force:
        raise ImportRefused(
            "The import of another archive was interrupted here, or the instance has changed since. Run that one again "
            "first, or use force, and on_conflict=instance."
        )
    plan, accounts = make_plan(index, DirectoryTree(root or "/"), answer, goes_on=begun == checksum)
    _check_room(root, plan)
    return Prepared(root, archive, checksum, index, plan, accounts.theirs, begun == checksum)


def carry_out(prepared: Prepared) -> None:
    """Write. Killed in between, the same archive is prepared and carried out again. Raises ImportRefused, OSError."""
    marker = Path(prepared.root or "/", BEGUN)
    with _locked(prepared.root):
        marker.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_durably(marker, json.dumps({"sha256": prepared.checksum}))
        Import(prepared.root, prepared.archive, prepared.index, prepared.plan, prepared.numbers).run()
        if any(path.startswith(_LIBRARIES) for path in (*prepared.plan.place, *prepared.plan.delete)):
            _make_library_cache(prepared.root)
        sync_file_system(marker.parent)
        marker.unlink()


def read_archive(archive: Path) -> tuple[Index, str]:
    """The index of an archive, read whole, and a checksum of what it brings. Raises ArchiveUnusable, OSError."""
    text, paths = b"", []
    try:
        with gzip.open(archive) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
            for member in tar:
                if path := path_of(member):
                    paths.append(path)
                elif member.name == NAME and (file := tar.extractfile(member)):
                    text = file.read()
            while packed.read(1 << 20):  # to its end, where its checksum is
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno:
            raise
        raise ArchiveUnusable(f"{archive} is no archive of a promotion, or it is damaged: {problem}.") from problem
    if not text:
        raise ArchiveUnusable(f"{archive} is no archive of a promotion: it has no index.")
    index = from_json(text)
    if paths != list(index.items) or any(not _is_plain(path) for path in (*paths, *index.deletions)):
        raise ArchiveUnusable(f"{archive} is damaged: its index and its content disagree.")
    return index, _checksum(index)


def _checksum(index: Index) -> str:
    """The same for archives that bring the same.

    What was scrubbed does not count: logs, and the directories that Ansible itself makes, are others with each archive.
    """
    return hashlib.sha256(to_json(replace(index, scrubbed={}))).hexdigest()


def _is_plain(path: str) -> bool:
    return path == "/" or (path.startswith("/") and not {"", ".", ".."} & set(path[1:].split("/")))


def _check_room(root: str, plan: Plan) -> None:
    room = os.statvfs(root or "/")
    free = room.f_bavail * room.f_frsize
    if plan.bytes > free:
        raise ImportRefused(
            f"The golden VM's root file system has {free >> 20} MiB free, {plan.bytes >> 20} MiB are needed: grow it."
        )


@contextlib.contextmanager
def _locked(root: str) -> Iterator[None]:
    """Keep dpkg and the tools for accounts out meanwhile. Raises ImportRefused when one is at work."""
    with contextlib.ExitStack() as stack:
        for name in _LOCKS:
            path = Path(root or "/", name)
            if not path.exists():
                continue
            file = stack.enter_context(path.open("r+"))
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ImportRefused(f"Somebody is changing packages or accounts just now: {path} is locked.") from None
        yield


def _make_library_cache(root: str) -> None:
    if Path(root or "/", "etc/ld.so.cache").exists() and (program := shutil.which("ldconfig", path="/sbin:/usr/sbin")):
        subprocess.run([program, "-r", root or "/"], check=False, capture_output=True, timeout=600)


def _begun(marker: Path) -> str:
    try:
        return str(json.loads(marker.read_text())["sha256"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError):
        return "unknown"


def _line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
