# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Seeded changes: what people and programs do to a master's files, and what a report must say of each.

Every class of change has a directory of its own, in which each of the odd names is changed alike.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

NAMES = (
    "plain", ".hidden", "with blank", "new\nline", "back\\slash", "-dash", "*?[a]", "ünï", os.fsdecode(b"\xff\xfe"),
    "x" * 255,
)  # fmt: skip
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)  # net_raw, effective
_ANY = 0xFFFFFFFF
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, number)
    for tag, permissions, number in [(1, 6, _ANY), (2, 4, 33), (4, 4, _ANY), (16, 4, _ANY), (32, 4, _ANY)]
)  # fmt: skip
_GET_FLAGS, _SET_FLAGS, _IMMUTABLE = 0x80086601, 0x40086602, 0x10


@dataclass(frozen=True)
class Expected:
    """What a report must say of one path."""

    change: str
    metadata: frozenset[str] = frozenset()
    hides: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    breaks_link: bool = False


@dataclass(frozen=True)
class Seed:
    """A class of changes: what the master has, what the instance does, and by path below it what is to be found."""

    change: Callable[[Path], object]
    expected: dict[str, Expected]
    prepare: Callable[[Path], object] = field(default=lambda path: path.write_bytes(b"of the master"))


def expect(change: str, *metadata: str, **more: object) -> dict[str, Expected]:
    """One path: the seed's own."""
    return {"": Expected(change, frozenset(metadata), **more)}  # type: ignore[arg-type]


def nothing(path: Path) -> None:
    """The master has nothing there."""


def directory(path: Path) -> None:
    """A directory with a file and a directory with a file."""
    (path / "below").mkdir(parents=True)
    (path / "file").write_bytes(b"of the master")
    (path / "below" / "deep").write_bytes(b"of the master")


def linked(path: Path) -> None:
    """A file with two names."""
    path.write_bytes(b"of the master")
    os.link(path, second(path))


def second(path: Path) -> Path:
    """Another path beside one."""
    return path.parent / f"second of {path.name}"[:200]


def attributed(path: Path) -> None:
    """A file with an attribute."""
    path.write_bytes(b"of the master")
    os.setxattr(path, "user.of-the-master", b"1")


def rewritten(path: Path, content: bytes) -> None:
    """A file written beside another and renamed over it, as editors do; its metadata stay."""
    unfinished = second(path)
    unfinished.write_bytes(content)
    shutil.copystat(path, unfinished)
    unfinished.rename(path)


def append(path: Path, content: bytes) -> None:
    """More at the end of a file."""
    with path.open("ab") as file:
        file.write(content)


def sparse(path: Path) -> None:
    """A file of 1 MiB with 4 KiB in it."""
    with path.open("wb") as file:
        file.seek(1 << 19)
        file.write(b"x" * 4096)
        file.truncate(1 << 20)


def open_socket(path: Path) -> None:
    """A socket: the path is too long for its address, the directory's descriptor is not."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{descriptor}/s")
        (path.parent / "s").rename(path)
    finally:
        os.close(descriptor)


def make_immutable(path: Path) -> None:
    """What chattr +i does."""
    with path.open("rb") as file:
        flags = struct.unpack("l", fcntl.ioctl(file, _GET_FLAGS, struct.pack("l", 0)))[0]
        fcntl.ioctl(file, _SET_FLAGS, struct.pack("l", flags | _IMMUTABLE))


def remade(path: Path) -> None:
    """A directory removed and made again."""
    shutil.rmtree(path)
    path.mkdir()


def remade_with_the_same_file(path: Path) -> None:
    """A directory removed and made again, with one of its files as it was and a new one."""
    remade(path)
    (path / "file").write_bytes(b"of the master")
    (path / "new").write_bytes(b"of the instance")


def replaced_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Something else in place of what was there."""

    def change(path: Path) -> None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path)

    return change


def move_directory(path: Path) -> None:
    """mv of a directory: the kernel refuses to rename it, so mv copies it and removes it."""
    shutil.move(path, second(path))


HIDDEN = frozenset({"/file", "/below", "/below/deep"})

SEEDS: dict[str, Seed] = {
    "file added": Seed(lambda path: path.write_bytes(b"new"), expect("added"), nothing),
    "directory added": Seed(Path.mkdir, expect("added"), nothing),
    "tree added": Seed(
        directory,
        expect("added") | {name: Expected("added") for name in HIDDEN},
        nothing,
    ),
    "link added": Seed(lambda path: path.symlink_to("nowhere"), expect("added"), nothing),
    "fifo added": Seed(os.mkfifo, expect("added"), nothing),
    "device added": Seed(lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3)), expect("added"), nothing),
    "block device added": Seed(
        lambda path: os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 200)), expect("added"), nothing
    ),
    "socket added": Seed(open_socket, expect("added"), nothing),
    "sparse file added": Seed(sparse, expect("added"), nothing),
    "file rewritten, same size": Seed(lambda path: rewritten(path, b"of us, really"), expect("changed")),
    "file rewritten, other size": Seed(lambda path: rewritten(path, b"ours"), expect("changed")),
    "file emptied": Seed(lambda path: os.truncate(path, 0), expect("changed")),
    "file appended to": Seed(lambda path: append(path, b"more"), expect("changed")),
    "sparse file changed in a hole": Seed(lambda path: append(path, b"more"), expect("changed"), sparse),
    "file rewritten and its mode": Seed(
        lambda path: (rewritten(path, b"ours"), path.chmod(0o600)), expect("changed", "mode")
    ),
    "link changed": Seed(
        lambda path: (path.unlink(), path.symlink_to("there")),
        expect("changed"),
        lambda path: path.symlink_to("here"),
    ),
    "device numbers changed": Seed(
        lambda path: (path.unlink(), os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))),
        expect("changed"),
        lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3)),
    ),
    "mode": Seed(lambda path: path.chmod(0o640), expect("metadata", "mode")),
    "set-uid": Seed(lambda path: path.chmod(0o4755), expect("metadata", "mode")),
    "mode of a directory": Seed(lambda path: path.chmod(0o1777), expect("metadata", "mode"), directory),
    "owner": Seed(lambda path: os.chown(path, 33, 0), expect("metadata", "uid")),
    "group": Seed(lambda path: os.chown(path, 0, 33), expect("metadata", "gid")),
    "owner of a link": Seed(
        lambda path: os.chown(path, 33, 33, follow_symlinks=False),
        expect("metadata", "uid", "gid"),
        lambda path: path.symlink_to("here"),
    ),
    "attribute added": Seed(lambda path: os.setxattr(path, "user.ours", b"1"), expect("metadata", "user.ours")),
    "attribute changed": Seed(
        lambda path: os.setxattr(path, "user.of-the-master", b"2"),
        expect("metadata", "user.of-the-master"),
        attributed,
    ),
    "attribute removed": Seed(
        lambda path: os.removexattr(path, "user.of-the-master"), expect("metadata", "user.of-the-master"), attributed
    ),
    "capability": Seed(
        lambda path: os.setxattr(path, "security.capability", CAPABILITY), expect("metadata", "security.capability")
    ),
    "access list": Seed(
        lambda path: os.setxattr(path, "system.posix_acl_access", ACL), expect("metadata", "system.posix_acl_access")
    ),
    "default access list": Seed(
        lambda path: os.setxattr(path, "system.posix_acl_default", ACL),
        expect("metadata", "system.posix_acl_default"),
        directory,
    ),
    "immutable": Seed(make_immutable, expect("metadata", "trusted.overlay.protattr")),
    "file deleted": Seed(Path.unlink, expect("deleted")),
    "link deleted": Seed(Path.unlink, expect("deleted"), lambda path: path.symlink_to("here")),
    "tree deleted": Seed(shutil.rmtree, expect("deleted", hides=HIDDEN), directory),
    "file in a tree deleted": Seed(
        lambda path: (path / "below" / "deep").unlink(), {"/below/deep": Expected("deleted")}, directory
    ),
    "directory made anew": Seed(remade, expect("opaque", hides=HIDDEN), directory),
    "directory made anew with the same file": Seed(
        remade_with_the_same_file,
        expect("opaque", hides=frozenset({"/below", "/below/deep"}))
        | {"/file": Expected("identical"), "/new": Expected("added")},
        directory,
    ),
    "file to directory": Seed(replaced_by(Path.mkdir), expect("replaced")),
    "file to link": Seed(replaced_by(lambda path: path.symlink_to("there")), expect("replaced")),
    "file to fifo": Seed(replaced_by(os.mkfifo), expect("replaced")),
    "directory to link": Seed(
        replaced_by(lambda path: path.symlink_to("there")), expect("replaced", hides=HIDDEN), directory
    ),
    "directory to file": Seed(
        replaced_by(lambda path: path.write_bytes(b"ours")), expect("replaced", hides=HIDDEN), directory
    ),
    "opened for writing": Seed(lambda path: append(path, b""), expect("identical")),
    "touched": Seed(lambda path: os.utime(path, (1, 1)), expect("identical")),
    "written as it was": Seed(lambda path: path.write_bytes(b"of the master"), expect("identical")),
    "mode there and back": Seed(lambda path: (path.chmod(0), path.chmod(0o644)), expect("identical")),
    "moved": Seed(lambda path: path.rename(second(path)), expect("deleted") | {"second": Expected("added")}),
    "tree moved": Seed(
        move_directory,
        expect("deleted", hides=HIDDEN)
        | {f"second{name}": Expected("added") for name in ("", "/file", "/below", "/below/deep")},
        directory,
    ),
    "second name": Seed(
        lambda path: os.link(path, second(path)),
        {
            "": Expected("identical", links=frozenset({"second"})),
            "second": Expected("added", links=frozenset({""})),
        },
    ),
    "one name of two changed": Seed(lambda path: append(path, b"more"), expect("changed", breaks_link=True), linked),
    "one name of two given away": Seed(
        lambda path: os.chown(path, 33, 0), expect("metadata", "uid", breaks_link=True), linked
    ),
    "added and removed": Seed(
        lambda path: (path.write_bytes(b"new"), path.unlink()), {"/..": Expected("identical")}, nothing
    ),
    "only looked at": Seed(lambda path: path.read_bytes(), {}),
}


def prepare(master: Path) -> None:
    """What the master of all seeds has."""
    for number, seed in enumerate(SEEDS.values()):
        (master / "seeds" / str(number)).mkdir(parents=True)
        for name in NAMES:
            seed.prepare(master / "seeds" / str(number) / name)


def change(root: Path) -> dict[str, Expected]:
    """Do all changes in an instance's root, and tell what must be found, by path."""
    found: dict[str, Expected] = {}
    for number, seed in enumerate(SEEDS.values()):
        for name in NAMES:
            path = root / "seeds" / str(number) / name
            seed.change(path)
            paths = _Paths(f"/seeds/{number}/{name}", f"/seeds/{number}/{second(path).name}")
            found |= {paths(relative): _absolute(expected, paths) for relative, expected in seed.expected.items()}
    return found


@dataclass(frozen=True)
class _Paths:
    first: str
    other: str

    def __call__(self, relative: str) -> str:
        if relative == "/..":  # the directory, copied up for nothing
            return self.first.rpartition("/")[0]
        if relative.startswith("second"):
            return self.other + relative.removeprefix("second")
        return self.first + relative


def _absolute(expected: Expected, paths: _Paths) -> Expected:
    return Expected(
        expected.change,
        expected.metadata,
        frozenset(map(paths, expected.hides)),
        frozenset(map(paths, expected.links)),
        expected.breaks_link,
    )
