# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that programs make from those of all packages, when both sides have made them anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator

from ..layers.entry import Type
from .decision import Decision, Severity
from .dpkg_database import Databases, unchanged
from .globs import matches
from .outcome import ours_wins, theirs_wins


@dataclass(frozen=True)
class Generated:
    """A kind of generated files."""

    glob: str
    command: str  # makes it anew
    of_packages: bool = True  # of nothing but packages' files, so the new master's is right where no package is kept
    of_master: bool = False  # only what belongs to the master's kernel and hardware is in it


_KINDS = (
    Generated("/boot/initrd.img*", "update-initramfs -u", of_master=True),
    Generated("/etc/ssl/certs/java/cacerts", "update-ca-certificates -f", of_packages=False),
    Generated("/etc/udev/hwdb.bin", "systemd-hwdb update", of_master=True),
    Generated("/usr/lib/*/gdk-pixbuf-2.0/*/loaders.cache", "dpkg-reconfigure libgdk-pixbuf-2.0-0"),
    Generated("/usr/lib/*/gio/modules/giomodule.cache", "dpkg-reconfigure libglib2.0-0"),
    Generated("/usr/lib/*/gtk-*/*/immodules.cache", "dpkg-reconfigure libgtk-3-0"),
    Generated("/usr/lib/locale/locale-archive", "locale-gen", of_packages=False),
    Generated("/usr/lib/modules/*/modules.*", "depmod", of_master=True),
    Generated("/usr/lib/udev/hwdb.bin", "systemd-hwdb update", of_master=True),
    Generated("/usr/share/glib-2.0/schemas/gschemas.compiled", "glib-compile-schemas /usr/share/glib-2.0/schemas"),
    Generated("/usr/share/info/dir", "update-info-dir"),
)
_GLOBS = tuple(kind.glob for kind in _KINDS)


def decide_generated(databases: Databases) -> Iterator[Decision]:
    """One side's is taken; where the other one's packages are in it, too, it is said how to make it anew."""
    sides = databases.sides
    keeps = any(verdict.keep and verdict.winner and verdict.winner.unpacked for verdict in databases.verdicts)
    for path in sides.touched:
        kind = _kind_of(path)
        if kind is None:
            continue
        entries = [tree.entry(path) for tree in (sides.ours, sides.theirs)]
        if any(entry is None or entry.type is not Type.FILE for entry in entries):
            continue
        if any(unchanged(sides.base, tree, path) for tree in (sides.ours, sides.theirs)):
            continue
        if unchanged(sides.ours, sides.theirs, path):
            continue
        if kind.of_master or (kind.of_packages and not keeps):
            yield theirs_wins(sides, path, "generated")
        else:
            reason = f"made from other files on both sides; make it anew in the instance: {kind.command}"
            yield ours_wins(sides, path, "generated", Severity.NOTE, reason)


def _kind_of(path: str) -> Generated | None:
    """All globs are tried as one first: almost no path is of any kind."""
    if not matches(path, _GLOBS):
        return None
    return next((kind for kind in _KINDS if matches(path, (kind.glob,))), None)
