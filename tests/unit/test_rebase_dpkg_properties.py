# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever versions three sides have: in the end every package is there whole, in one version, or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.accounts import read
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.decision import Action
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.engine import decide

from ..support.trees import MemoryTree, three_sides

DPKG = "/var/lib/dpkg"
NAMES = ("one", "two", "three")
Versions = Mapping[str, int]  # 0 is not installed

versions = st.fixed_dictionaries({name: st.integers(0, 3) for name in NAMES})


def files(name: str, version: int) -> dict[str, bytes]:
    """Files of a package: some in every version, some only in one; a configuration file; a shared directory."""
    paths = [f"/usr/bin/{name}", f"/usr/share/shared/{name}", f"/usr/lib/{name}/{version}/data", f"/etc/{name}.conf"]
    if version % 2:
        paths += [f"/usr/lib/{name}/odd/data", f"/etc/{name}-odd.conf"]
    found = {path: f"{path} {version}\n".encode() for path in paths}
    found[f"/usr/share/shared/{name}-same"] = b"the same in all versions\n"
    return found


def tree(side: Versions) -> dict[str, bytes]:
    """A root with these packages."""
    contents, status = {f"{DPKG}/info/format": b"1\n"}, ""
    for name, version in side.items():
        if not version:
            continue
        own = files(name, version)
        conffiles = {path: hashlib.md5(text).hexdigest() for path, text in own.items() if path.startswith("/etc/")}
        rows = "".join(f"\n {path} {md5}" for path, md5 in conffiles.items())
        status += f"Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: {version}\n"
        status += f"Conffiles:{rows}\n\n"
        contents |= own
        contents[f"{DPKG}/info/{name}.list"] = "".join(f"{path}\n" for path in ["/.", *own]).encode()
        if version > 1:
            contents[f"{DPKG}/info/{name}.triggers"] = f"interest {version}\n".encode()
    return {**contents, f"{DPKG}/status": status.encode()}


def final(base: int, ours: int, theirs: int) -> int:
    """The version in the end, by the rule in words."""
    if ours == base:
        return theirs  # the instance did nothing
    if not ours or not theirs:
        return ours  # removed stays removed, the instance's own stay
    return max(ours, theirs)


def seen(base: dict[str, bytes], ours: dict[str, bytes], theirs: dict[str, bytes]) -> dict[str, bytes]:
    """Files of the rebased instance."""
    sides = three_sides(base, ours, theirs)
    accounts = read(sides.base, sides.ours, sides.theirs)
    result = dict(theirs)
    for decision in decide(sides, accounts):
        path = decision.path
        if decision.action is Action.DELETE:
            result = {
                other: text for other, text in result.items() if other != path and not other.startswith(f"{path}/")
            }
        elif decision.action is Action.KEEP and path in ours:
            result[path] = ours[path]
        elif decision.action is Action.WRITE:
            assert decision.content is not None
            result[path] = decision.content
        elif decision.action is Action.TAKE and isinstance(sides.theirs, MemoryTree) and path in theirs:
            result[path] = theirs[decision.source or path]
    return result


class Manifest(MemoryTree):
    """A tree of which only texts below /etc and the package database are known, and no list of dpkg's."""

    def __init__(self, side: Versions) -> None:
        contents = tree(side)
        public = {path for path in contents if path.startswith("/etc/") or path == f"{DPKG}/status"}
        super().__init__(contents, unknown=set(contents) - public)
        self.listings = {name: list(files(name, version)) for name, version in side.items() if version}


@settings(deadline=None, max_examples=100)
@given(versions, versions, versions)
def test_a_manifest_is_enough_to_tell(base: Versions, ours: Versions, theirs: Versions) -> None:
    sides = three_sides(tree(base), tree(ours), tree(theirs))
    manifest = Manifest(theirs)
    previewed = dataclasses.replace(sides, theirs=manifest, lower=manifest)
    real = decide(sides, read(sides.base, sides.ours, sides.theirs))
    assert decide(previewed, read(sides.base, sides.ours, manifest)).by_path == real.by_path


def by_stanza(status: bytes) -> set[str]:
    return {stanza for stanza in status.decode().split("\n\n") if stanza}


@settings(deadline=None, max_examples=200)
@given(versions, versions, versions)
def test_every_package_is_whole_in_one_version(base: Versions, ours: Versions, theirs: Versions) -> None:
    expected = tree({name: final(base[name], ours[name], theirs[name]) for name in NAMES})
    found = seen(tree(base), tree(ours), tree(theirs))
    status = f"{DPKG}/status"
    assert by_stanza(found.pop(status)) == by_stanza(expected.pop(status))
    assert found == expected
