# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest of a master's tree: a header and then one JSON object a line, by path.

    {"format": 2, "master_id", "volatile_trees": [path], "volatile_files": [glob]}
    {"path", "type": "file" | "directory" | "link" | "character" | "block" | "fifo" | "socket", "mode", "uid", "gid",
     "size" and "sha256" of files, "target" of links, "device": [major, minor], "xattrs": {name: hex},
     "package" and "version" of what dpkg installed, "text" of files that a rebase merges}

``mode`` holds the permission bits as a number. Bytes of names, targets and texts that are no UTF-8 are written as
\\udcXX, as Python's surrogateescape reads them. What changes by itself while a system runs is left out. ``text`` is
there only of what everybody may read on the master.
"""

from __future__ import annotations

import concurrent.futures
import fnmatch
import gzip
import hashlib
import json
import os
import pathlib
import re
import stat
import typing

_FORMAT = 2
_DPKG = pathlib.Path("/var/lib/dpkg")
#: Entries that one process takes at a time.
_CHUNK = 256
#: Directories whose contents are left out; they themselves are in.
VOLATILE_TREES = {
    "/boot/efi", "/dev", "/lost+found", "/proc", "/root/.ansible", "/run", "/sys", "/tmp", "/var/backups",
    "/var/cache", "/var/lib/apt/lists", "/var/lib/cloud", "/var/lib/dhcp", "/var/lib/NetworkManager",
    "/var/lib/skinnybox", "/var/lib/systemd", "/var/log", "/var/spool", "/var/tmp",
}  # fmt: skip
VOLATILE_FILES = (
    "/etc/.pwd.lock", "/etc/.updated", "/etc/adjtime", "/etc/machine-id", "/etc/mtab", "/etc/resolv.conf",
    "/etc/skinnybox/master-id", "/etc/ssh/ssh_host_*", "/root/.*_history", "/var/.updated",
    "/var/lib/dbus/machine-id", "/var/lib/logrotate/status",
)  # fmt: skip
_VOLATILE = re.compile("|".join(fnmatch.translate(glob) for glob in VOLATILE_FILES))
#: Files whose text is in the manifest: those below a directory up to a size in bytes, and those with which accounts
#: and the package database are merged.
_TEXT_TREE, _TEXT_LIMIT = "/etc/", 64 << 10
_TEXT_FILES = {
    "/etc/group", "/etc/passwd", "/var/lib/apt/extended_states",
    "/var/lib/dpkg/diversions", "/var/lib/dpkg/statoverride", "/var/lib/dpkg/status",
}  # fmt: skip
#: What a merged /usr has made one directory has two names in dpkg's lists.
_MERGED = ("/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/")

Entry = dict[str, typing.Any]


def write_manifest(output: pathlib.Path, master_id: str) -> int:
    """Write the manifest of the root file system, compressed, and return its number of entries."""
    owners = _package_owners()
    header = {"format": _FORMAT, "master_id": master_id}
    header |= {"volatile_trees": sorted(VOLATILE_TREES), "volatile_files": list(VOLATILE_FILES)}
    temporary = output.with_name(output.name + ".new")
    count = 0
    with concurrent.futures.ProcessPoolExecutor() as pool, temporary.open("wb") as raw:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as compressed:
            compressed.write(_line(header))
            for entry in pool.map(_with_content, _entries("/", pathlib.Path("/").stat().st_dev), chunksize=_CHUNK):
                if entry["type"] != "directory":  # many packages have the same directories
                    entry.update(owners.get(entry["path"], {}))
                compressed.write(_line(entry))
                count += 1
        raw.flush()
        os.fsync(raw.fileno())
    temporary.replace(output)
    return count


def _line(content: Entry) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _entries(directory: str, device: int, public: bool = True) -> typing.Iterator[tuple[Entry, bool]]:
    """Yield the entries below a directory in the order of their names, without other file systems.

    With each comes whether everybody may read it; ``public`` says whether everybody comes as far as the directory.
    """
    with os.scandir(directory) as scan:
        children = sorted(scan, key=lambda child: child.name)
    for child in children:
        status = child.stat(follow_symlinks=False)
        if status.st_dev != device or _VOLATILE.match(child.path):
            continue
        yield _entry(child.path, status), public and bool(status.st_mode & stat.S_IROTH)
        if stat.S_ISDIR(status.st_mode) and child.path not in VOLATILE_TREES:
            yield from _entries(child.path, device, public and bool(status.st_mode & stat.S_IXOTH))


def _entry(path: str, status: os.stat_result) -> Entry:
    entry: Entry = {"path": path, "type": _type(status.st_mode), "mode": stat.S_IMODE(status.st_mode)}
    entry |= {"uid": status.st_uid, "gid": status.st_gid}
    if entry["type"] == "file":
        entry["size"] = status.st_size
    elif entry["type"] == "link":
        entry["target"] = os.readlink(path)  # noqa: PTH115 (pathlib tidies what it reads)
    elif entry["type"] in ("character", "block"):
        entry["device"] = [os.major(status.st_rdev), os.minor(status.st_rdev)]
    return entry


def _type(mode: int) -> str:
    tests = {"file": stat.S_ISREG, "directory": stat.S_ISDIR, "link": stat.S_ISLNK, "fifo": stat.S_ISFIFO}
    tests |= {"socket": stat.S_ISSOCK, "character": stat.S_ISCHR, "block": stat.S_ISBLK}
    return next(name for name, test in tests.items() if test(mode))


def _with_content(found: tuple[Entry, bool]) -> Entry:
    entry, public = found
    if entry["type"] == "file" and public and _has_text(entry):
        content = pathlib.Path(entry["path"]).read_bytes()
        entry["sha256"] = hashlib.sha256(content).hexdigest()
        if b"\0" not in content:
            entry["text"] = content.decode(errors="surrogateescape")
    elif entry["type"] == "file":
        with pathlib.Path(entry["path"]).open("rb", buffering=0) as file:
            digest = hashlib.sha256()
            while data := file.read(1 << 20):
                digest.update(data)
        entry["sha256"] = digest.hexdigest()
    if entry["type"] != "link":
        attributes = {name: os.getxattr(entry["path"], name).hex() for name in os.listxattr(entry["path"])}
        if attributes:
            entry["xattrs"] = attributes
    return entry


def _has_text(entry: Entry) -> bool:
    path = entry["path"]
    return path in _TEXT_FILES or (path.startswith(_TEXT_TREE) and entry["size"] <= _TEXT_LIMIT)


def _package_owners() -> dict[str, dict[str, str]]:
    """Return path -> package and version for everything that dpkg's lists name and that is no directory."""
    versions = _package_versions()
    owners: dict[str, dict[str, str]] = {}
    for listing in sorted((_DPKG / "info").glob("*.list")):
        owner = {"package": listing.stem, "version": versions.get(listing.stem.split(":")[0], "")}
        for path in listing.read_text(encoding="utf-8", errors="surrogateescape").split("\n"):
            owners[f"/usr{path}" if path.startswith(_MERGED) else path] = owner
    return owners


def _package_versions() -> dict[str, str]:
    versions: dict[str, str] = {}
    package = ""
    with (_DPKG / "status").open(encoding="utf-8", errors="surrogateescape") as status:
        for line in status:
            if line.startswith("Package: "):
                package = line.split()[1]
            elif line.startswith("Version: "):
                versions[package] = line.split()[1]
    return versions
