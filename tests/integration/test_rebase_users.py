# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users that an instance and the new master made, and whose files are whose afterwards: real overlay mounts."""

from __future__ import annotations

import itertools
import os
from typing import Iterator

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.run import Job, rebase

from ..support.debian import NEW, OLD, Root, Upgrade
from ..support.mounts import memory, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

_ACL = "system.posix_acl_access"


def acl(uid: int) -> bytes:
    """rw for the owner and for one more user."""
    rows = [(1, 6, 0xFFFFFFFF), (2, 6, uid), (4, 4, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF), (32, 4, 0xFFFFFFFF)]
    parts = [
        tag.to_bytes(2, "little") + mode.to_bytes(2, "little") + who.to_bytes(4, "little") for tag, mode, who in rows
    ]
    return b"\2\0\0\0" + b"".join(parts)


def add_user(root: Root, name: str, number: int, password: str = "!") -> None:
    lines = {
        "passwd": f"{name}:x:{number}:{number}::/home/{name}:/bin/sh",
        "group": f"{name}:x:{number}:",
        "shadow": f"{name}:{password}:19000:0:99999:7:::",
        "subuid": f"{name}:{100000 + (number - 1000) * 65536}:65536",
    }
    for kind, line in lines.items():
        with (root / "etc" / kind).open("a") as file:
            file.write(line + "\n")
    home = root / "home" / name
    home.mkdir(parents=True)
    for path in (home, home / "file"):
        if path != home:
            path.write_text(name)
        os.chown(path, number, number)


def edit(root: Root, path: str, old: str, new: str) -> None:
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def rebased() -> Iterator[Root]:
    with memory() as directory:
        upgrade = Upgrade(directory)
        upgrade.make_old()
        (upgrade.old / "etc/shadow").write_text("root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n")
        (upgrade.old / "etc/shadow").chmod(0o600)
        add_user(upgrade.old, "ops", 1000, "$y$old")
        new = upgrade.make_new()
        add_user(new, "theirs", 1001)
        add_user(new, "both", 1002)
        (new / "srv").mkdir()
        (new / "srv/shared").write_text("shared")
        os.setxattr(new / "srv/shared", _ACL, acl(1001))
        edit(new, "etc/shadow", "root:*:19000:0:99999", "root:*:19000:0:90")
        edit(new, "etc/group", "adm:x:4:", "adm:x:4:theirs")
        with upgrade.running() as root:
            add_user(root, "mine", 1001)
            add_user(root, "both", 1003)
            edit(root, "etc/shadow", "ops:$y$old", "ops:$y$mine")
            edit(root, "etc/group", "adm:x:4:", "adm:x:4:mine")
        rebase(Job(upgrade.overlay, upgrade.old.path, upgrade.new.path, OLD, NEW, "request"))
        with upgrade.upgraded() as root:
            yield root


def lines(root: Root, kind: str) -> dict[str, list[str]]:
    rows = [line.split(":") for line in (root / "etc" / kind).read_text().splitlines()]
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: row[1:] for row in rows}


def test_users_of_both_sides_exist_and_no_number_is_there_twice(rebased: Root) -> None:
    for kind in ("passwd", "group"):
        numbers = {name: fields[1] for name, fields in lines(rebased, kind).items()}
        assert len(set(numbers.values())) == len(numbers)
        assert {"ops": "1000", "mine": "1001", "both": "1003"}.items() <= numbers.items()
        assert numbers["theirs"] == "1004"
    assert lines(rebased, "group")["adm"][2] == "mine,theirs"


def test_passwords_and_their_ages_are_those_of_who_changed_them(rebased: Root) -> None:
    shadow = lines(rebased, "shadow")
    assert shadow["ops"][0] == "$y$mine"
    assert shadow["root"][:4] == ["*", "19000", "0", "90"]
    assert set(shadow) == set(lines(rebased, "passwd"))
    assert (rebased / "etc/shadow").stat().st_mode & 0o7777 == 0o600


def test_files_belong_to_whom_they_belonged(rebased: Root) -> None:
    for name, number in {"ops": 1000, "mine": 1001, "both": 1003, "theirs": 1004}.items():
        for path in (f"home/{name}", f"home/{name}/file"):
            status = (rebased / path).stat()
            assert (status.st_uid, status.st_gid) == (number, number), path
        assert (rebased / f"home/{name}/file").read_text() == name
    assert os.getxattr(rebased / "srv/shared", _ACL) == acl(1004)


def test_ranges_for_containers_do_not_overlap(rebased: Root) -> None:
    ranges = sorted((int(start), int(count)) for start, count in lines(rebased, "subuid").values())
    assert len(ranges) == 4
    assert all(start + count <= following for (start, count), (following, _) in itertools.pairwise(ranges))
