# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package database of a tree, as dpkg keeps it below /var/lib/dpkg."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterable, Iterator, Mapping

from .entry import Type
from .tree import ContentUnknown, Tree

DATABASE = "/var/lib/dpkg"
#: What a list of files begins with and ends in.
_NO_PATHS = ("", "/", "/.")
_FIELD = re.compile(r"^([!-9;-~]+):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_STANZA_END = re.compile(r"\n(?:[ \t]*\n)+")
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32")


@dataclass(frozen=True, slots=True)
class Conffile:
    """A configuration file of a package, by the database."""

    path: str
    md5: str  # of the file as the package brought it; "newconffile" while dpkg has not decided
    obsolete: bool = False  # the installed version has it no more


@dataclass(frozen=True, slots=True)
class Package:
    """A package that the database knows, whether it is installed or only its configuration is left."""

    key: str  # by which dpkg names its files: the name, and the architecture where several may be installed at once
    name: str
    architecture: str
    version: str  # "" where there is none
    status: str  # three words, such as "install ok installed"
    conffiles: tuple[Conffile, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)  # of its stanza, as written, in their order

    @property
    def installed(self) -> bool:
        """Whether its files are there and it is set up."""
        return self.status.endswith(" installed")

    @property
    def unpacked(self) -> bool:
        """Whether it has files at all: everything but not-installed and config-files."""
        return self.status.split()[-1] not in ("not-installed", "config-files")

    @property
    def depends(self) -> str:
        """What must be there first, as the stanza says it."""
        return self.fields.get("Depends", "")


@dataclass(frozen=True, slots=True)
class Diversion:
    """A file that dpkg puts elsewhere, whoever brings it but one package."""

    path: str
    to: str
    package: str  # ":" where an administrator made it: nobody's file stays at the path


class Packages:
    """Packages of a tree and their files. The tree is read when it is asked the first time."""

    def __init__(self, tree: Tree, listings: Mapping[str, Iterable[str]] | None = None) -> None:
        """Listings by key stand in for dpkg's lists of files where the tree cannot show them.

        A tree that was made from a manifest has them as ``listings`` itself.
        """
        self._tree = tree
        self._by_key = {package.key: package for package in parse_status(_text(tree, f"{DATABASE}/status"))}
        self._given = listings if listings is not None else getattr(tree, "listings", None)
        self._listings: dict[str, tuple[str, ...]] = {}
        self._owners: dict[str, tuple[str, ...]] | None = None
        self._merged = _merged_directories(tree)
        self.diversions = parse_diversions(_text(tree, f"{DATABASE}/diversions"))

    def __iter__(self) -> Iterator[Package]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def get(self, key: str) -> Package | None:
        """The package of a key such as bash or libc6:amd64; None when the database does not know it."""
        return self._by_key.get(key)

    def files(self, key: str) -> tuple[str, ...]:
        """Paths of a package, directories among them, as the tree has them: /usr/bin/x where dpkg says /bin/x."""
        if key not in self._listings:
            paths = self._given.get(key, ()) if self._given is not None else self._list(key)
            self._listings[key] = tuple(map(self.canonical, paths) if self._merged else paths)
        return self._listings[key]

    def owners(self, path: str) -> tuple[str, ...]:
        """Keys of the packages that a path belongs to, sorted; of directories often many."""
        if self._owners is None:
            found: dict[str, tuple[str, ...]] = {}
            for key in sorted(self._by_key):
                alone = (key,)
                for owned in self.files(key):
                    others = found.setdefault(owned, alone)
                    if others is not alone:
                        found[owned] = others + alone
            self._owners = found
            self._divert()
        return self._owners.get(path, ())

    def canonical(self, path: str) -> str:
        """A path of dpkg's as the tree has it: what a merged /usr made one directory has two names."""
        return f"/usr{path}" if path.startswith(self._merged) else path

    def _list(self, key: str) -> list[str]:
        listing = _text(self._tree, f"{DATABASE}/info/{key}.list")
        return [path for path in listing.split("\n") if path not in _NO_PATHS]

    def _divert(self) -> None:
        """A diverted file of a package lies where the diversion says, and the path is the diverting package's own."""
        owners = self._owners or {}
        for diversion in self.diversions:
            path, to = self.canonical(diversion.path), self.canonical(diversion.to)
            keys = owners.get(path, ())
            own = tuple(key for key in keys if key.partition(":")[0] == diversion.package)
            moved = tuple(key for key in keys if key not in own)
            if moved:
                owners[to] = tuple(sorted({*owners.get(to, ()), *moved}))
            if own:
                owners[path] = own
            else:
                owners.pop(path, None)


def parse_status(text: str) -> list[Package]:
    """Packages of a status file, in its order. Stanzas without a name are left out."""
    return [package for stanza in _STANZA_END.split(text) if (package := _package(stanza))]


def parse_fields(stanza: str) -> dict[str, str]:
    """Fields of a stanza, in their order; further lines of a field as they are."""
    return {match[1]: match[2].rstrip("\n") for match in _FIELD.finditer(stanza)}


def parse_diversions(text: str) -> tuple[Diversion, ...]:
    """Diversions of dpkg's file: three lines each."""
    lines = iter(text.split("\n"))
    return tuple(Diversion(*triple) for triple in zip(lines, lines, lines, strict=False))


def _package(stanza: str) -> Package | None:
    fields = parse_fields(stanza)
    name = fields.get("Package")
    if not name:
        return None
    architecture = fields.get("Architecture", "")
    return Package(
        key=f"{name}:{architecture}" if fields.get("Multi-Arch") == "same" and architecture else name,
        name=name,
        architecture=architecture,
        version=fields.get("Version", ""),
        status=fields.get("Status", "unknown ok not-installed"),
        conffiles=tuple(_conffiles(fields.get("Conffiles", ""))),
        fields=fields,
    )


def _conffiles(text: str) -> Iterable[Conffile]:
    """Lines of path, checksum and maybe the word obsolete; a path may have blanks."""
    for line in text.split("\n"):
        words = line.strip().split(" ")
        flags = []
        while len(words) > 2 and words[-1] in ("obsolete", "remove-on-upgrade"):
            flags.append(words.pop())
        if len(words) >= 2:
            yield Conffile(" ".join(words[:-1]), words[-1], obsolete="obsolete" in flags)


def _merged_directories(tree: Tree) -> tuple[str, ...]:
    """Top directories that are links to those of the same name in /usr, each with slashes around it."""
    entries = {name: tree.entry(f"/{name}") for name in _TOP}
    return tuple(
        f"/{name}/"
        for name, entry in entries.items()
        if entry and entry.type is Type.LINK and entry.target.strip("/") == f"usr/{name}"
    )


def _text(tree: Tree, path: str) -> str:
    """A file of the database; empty when it is not there or the tree does not know what is in it."""
    entry = tree.entry(path)
    if entry is None or entry.type is not Type.FILE:
        return ""
    try:
        return tree.read(path).decode(errors="surrogateescape")
    except ContentUnknown:
        return ""
