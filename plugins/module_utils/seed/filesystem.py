# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ext4 of an overlay disk: made without root, packed so that it touches few 2 MiB blocks of its SR.

Why the layout is as it is, with the measurements, is told in docs/decisions/overlay-layout.md.
"""

from __future__ import annotations

import dataclasses
import pathlib
import stat
import typing
import uuid

from .tools import ToolError, run
from .tree import File, Layer, Link

LABEL = "skinny-overlay"
MINIMUM_SIZE = 64 << 20

_MEBIBYTE = 1 << 20
# The same input gives the same bytes, so all times are this one (2026-01-01), older than any guest's clock.
_SEED_TIME = 1767225600
# Only what kernel 5.15 and e2fsprogs 1.46 (Ubuntu 22.04) know, whatever the controller's mke2fs.conf says.
_FEATURES = (
    "none",
    "has_journal",
    "ext_attr",
    "dir_index",
    "filetype",
    "extent",
    "64bit",
    "flex_bg",
    "sparse_super2",
    "large_file",
    "huge_file",
    "dir_nlink",
    "extra_isize",
    "metadata_csum",
)
_BLOCK = 4096
_INODE_RATIO = 16384
# All groups of a disk up to 128 GiB are one flex group: their bitmaps and inode tables lie together at its
# start, and the kernel does not spread new directories over the disk.
_GROUPS_PER_FLEX_GROUP = 1024
# Blocks left for the seed's files between metadata and journal.
_SEED_ROOM = 64
_INODE_SIZE = 256
_BLOCKS_PER_GROUP = 8 * _BLOCK
_GROUP_DESCRIPTOR_SIZE = 64
# What an SR allocates at least when one byte of a disk is written (VHD and qcow2 on XenServer's file SRs).
_SR_BLOCK = 2 * _MEBIBYTE
_CONFIGURATION = f"""[defaults]
\tbase_features = none
\tdefault_mntopts = acl,user_xattr
\tenable_periodic_fsck = 0
\tblocksize = {_BLOCK}
\tinode_size = {_INODE_SIZE}
\tinode_ratio = {_INODE_RATIO}
\treserved_ratio = 0
[fs_types]
\text4 = {{
\t}}
"""


def make_filesystem(image: pathlib.Path, size: int, disk: str, scratch: pathlib.Path) -> None:
    """Format ``image`` (``size`` bytes, all holes) as an overlay disk; its uuid is ``disk``, that of its VDI.

    ``scratch`` is a directory for the tool's configuration. Raises ToolError when mke2fs fails.
    """
    configuration = scratch / "mke2fs.conf"
    configuration.write_text(_CONFIGURATION)
    journal = f"size={journal_size(size) // _MEBIBYTE},location={_journal_location(size)}"
    extended = [
        "root_owner=0:0",
        f"hash_seed={uuid.uuid5(uuid.UUID(disk), 'hash_seed')}",
        "num_backup_sb=0",
        "lazy_itable_init=0",
        "lazy_journal_init=0",
        "nodiscard",
    ]
    run(
        "mke2fs",
        *("-q", "-F", "-t", "ext4", "-L", LABEL, "-U", disk, "-O", ",".join(_FEATURES)),
        *("-G", str(_GROUPS_PER_FLEX_GROUP), "-J", journal),
        *("-E", ",".join(extended), str(image), f"{size // 1024}k"),
        environment={"MKE2FS_CONFIG": str(configuration), "E2FSPROGS_FAKE_TIME": str(_SEED_TIME)},
    )


def write_layers(image: pathlib.Path, stamp: bytes, layers: typing.Mapping[str, Layer], scratch: pathlib.Path) -> None:
    """Write the stamp and the layers (name of the top directory -> layer) into a new file system.

    ``debugfs`` does it without a mount and without root, and unlike ``mke2fs -d`` takes neither owners nor
    extended attributes from the controller's files. ``scratch`` must be readable by its owner only: the
    contents go through it. Raises ToolError when debugfs reports anything.
    """
    commands = _Commands(scratch)
    commands.file(File(".skinnybox", stamp))
    for name, layer in layers.items():
        commands.layer(name, layer)
    script = scratch / "debugfs.commands"
    script.write_text("\n".join([f"set_current_time @{_SEED_TIME}", *commands.lines, ""]))
    completed = run("debugfs", "-w", "-f", str(script), str(image))
    # debugfs ends with success whatever its commands did; what went wrong is only on its standard error.
    complaints = [line for line in completed.stderr.splitlines() if not line.startswith("debugfs 1.")]
    if complaints:
        raise ToolError(f"debugfs could not fill {image}: {complaints[0]}")


class _Commands:
    """Collects debugfs commands; contents of files are put into ``scratch`` for it to read."""

    def __init__(self, scratch: pathlib.Path) -> None:
        self.lines: list[str] = []
        self._scratch = scratch

    def layer(self, name: str, layer: Layer) -> None:
        self._directory(f"/{name}", 0o755)
        for path, mode in layer.directories():
            self._directory(f"/{name}/{path}", mode)
        for path in layer.opaque:
            self.lines.append(f"ea_set {quote(f'/{name}/{path}')} trusted.overlay.opaque y")
        for entry in layer.entries:
            if isinstance(entry, Link):
                self._link(name, entry)
            else:
                self.file(dataclasses.replace(entry, path=f"{name}/{entry.path}"))

    def file(self, file: File) -> None:
        source = self._scratch / str(len(self.lines))
        source.write_bytes(file.content)
        name = self._enter_parent(f"/{file.path}")
        self.lines.append(f"write {quote(str(source))} {quote(name)}")
        self._attributes(f"/{file.path}", stat.S_IFREG | file.mode)

    def _directory(self, path: str, mode: int) -> None:
        self.lines.append(f"mkdir {quote(self._enter_parent(path))}")
        self._attributes(path, stat.S_IFDIR | mode)

    def _link(self, layer: str, link: Link) -> None:
        path = f"/{layer}/{link.path}"
        self.lines.append(f"symlink {quote(self._enter_parent(path))} {quote(link.target)}")
        self._attributes(path, stat.S_IFLNK | 0o777)

    def _enter_parent(self, path: str) -> str:
        """Make the path's parent the current directory (debugfs creates nowhere else) and return its name."""
        parent, _slash, name = path.rpartition("/")
        self.lines.append(f"cd {quote(parent or '/')}")
        return name

    def _attributes(self, path: str, mode: int) -> None:
        fields = {"mode": f"0{mode:o}", "uid": "0", "gid": "0"}
        fields |= dict.fromkeys(("atime", "ctime", "mtime", "crtime"), f"@{_SEED_TIME}")
        self.lines += [f"set_inode_field {quote(path)} {field} {value}" for field, value in fields.items()]


def quote(text: str) -> str:
    """Quote a word for debugfs (libss), which doubles a quotation mark within quotation marks."""
    if "\n" in text:
        raise ValueError(f"The file name {text!r} has a line break; debugfs cannot write it.")
    return '"' + text.replace('"', '""') + '"'


def journal_size(size: int) -> int:
    """Return the bytes of the journal on a disk of ``size`` bytes.

    All of it gets written in time, so small disks have the least that ext4 allows and large ones 1/256.
    """
    return max(4, min(64, size // 256 // _MEBIBYTE)) * _MEBIBYTE


def seeded_area(size: int) -> int:
    """Return the bytes from the start within which all that a seed wrote lies on a disk of ``size`` bytes.

    On a disk that has grown since it is more than that.
    """
    return min(size, _journal_location(size) * _BLOCK + journal_size(size) + 2 * _SR_BLOCK)


def _journal_location(size: int) -> int:
    """Return the journal's first block: the last of the SR block in which the packed metadata ends.

    The seed's files then fit between the two, and a seeded disk touches two SR blocks: superblock and inodes,
    files and the journal's head.
    """
    groups = -(-(size // _BLOCK) // _BLOCKS_PER_GROUP)
    descriptors = -(-groups * _GROUP_DESCRIPTOR_SIZE // _BLOCK)
    inodes = _BLOCKS_PER_GROUP * _BLOCK // _INODE_RATIO * _INODE_SIZE // _BLOCK
    metadata = 1 + descriptors + groups * (2 + inodes)
    per_sr_block = _SR_BLOCK // _BLOCK
    return -(-(metadata + _SEED_ROOM) // per_sr_block) * per_sr_block - 1
