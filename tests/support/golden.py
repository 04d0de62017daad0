# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Golden VMs without an operating system: disks that look sealed to the controller, for labs without guests."""

from __future__ import annotations

import functools
import gzip
import json
import struct
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.xapi_client import add_nic, attach, create_disk, management_network, upload

from .lab import ROOT, Lab

MIB = 1 << 20
ROOT_START = 1 * MIB
ROOT_SIZE = 32 * MIB
PIECE = 64 << 10
SECTOR = 2048
#: What makes the compressed manifest of a master with that id.
Manifest = Callable[[str], bytes]
BOOT_CD = ROOT / "tests" / "unit" / "data" / "boot-cd-rock-ridge.iso.gz"


@dataclass
class Golden:
    """A golden VM in a lab, by references."""

    name: str
    vm: str
    root: str
    boot: str
    master_id: str
    filesystem: str


def root_disk(filesystem: str, *, debugfs: str = "") -> bytes:
    """A disk with an ext4 at ROOT_START; `debugfs` commands may spoil its superblock."""
    with tempfile.TemporaryDirectory() as directory:
        image = Path(directory, "root.ext4")
        with image.open("wb") as file:
            file.truncate(ROOT_SIZE - ROOT_START)
        subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-U", filesystem, str(image)], check=True)
        if debugfs:
            subprocess.run(["/sbin/debugfs", "-w", "-R", debugfs, str(image)], check=True, capture_output=True)
        return bytes(ROOT_START) + image.read_bytes()


@functools.cache
def _boot_cd() -> bytes:
    return gzip.decompress(BOOT_CD.read_bytes())


def boot_disk(master_id: str, filesystem: str, network: str = "netplan", manifest: Manifest | None = None) -> bytes:
    """A boot CD with a seal of that master id, made of the stored one: the seal is replaced in place."""
    content = _boot_cd()
    start = content.index(b'{"format":1')
    end = content.index(b"\n", start)
    seal = json.loads(content[start:end])
    seal.update(master_id=master_id, network=network, sealed_at=4102444800)
    seal["root"].update(uuid=filesystem, partition_start=ROOT_START)
    data = json.dumps(seal, separators=(",", ":")).encode()
    sealed = content[:start] + data.ljust(end - start) + content[end:]
    return with_manifest(sealed, manifest(master_id)) if manifest else sealed


def with_manifest(cd: bytes, content: bytes) -> bytes:
    """The CD with another manifest, at its end: extent and size in its directory's record are changed."""
    start = -(-len(cd) // SECTOR)
    record = cd.index(b"MANIFEST.GZ;1") - 33
    place = b"".join(struct.pack("<I", n) + struct.pack(">I", n) for n in (start, len(content)))
    changed = cd[: record + 2] + place + cd[record + 18 :]
    return changed.ljust(start * SECTOR, b"\0") + content


def make_golden(
    lab: Lab,
    name: str = "noble-golden",
    *,
    sealed: bool = True,
    debugfs: str = "",
    other_root: bool = False,
    nics: int = 1,
    manifest: Manifest | None = None,
) -> Golden:
    """Make a halted golden VM as an administrator would: from a template, with disks imported over HTTP."""
    xapi = lab.xapi
    filesystem, master_id = str(uuid.uuid4()), str(uuid.uuid4())
    template = xapi.VM.get_by_name_label("Other install media")[0]
    vm = xapi.VM.clone(template, name)
    xapi.VM.provision(vm)
    on_disk = str(uuid.uuid4()) if other_root else filesystem
    root = import_disk(lab, f"{name} root", root_disk(on_disk, debugfs=debugfs))
    content = boot_disk(master_id, filesystem, manifest=manifest) if sealed else bytes(64 * MIB)
    boot = import_disk(lab, f"{name} boot", content, size=64 * MIB)
    attach(xapi, vm, root, "0")
    attach(xapi, vm, boot, "1")
    network = management_network(xapi)
    for device in range(nics):
        add_nic(xapi, vm, network, str(device))
    return Golden(name, vm, root, boot, master_id, filesystem)


def import_disk(lab: Lab, name: str, content: bytes, size: int | None = None, sr: str | None = None) -> str:
    """Make a VDI and fill it by an import over HTTP."""
    vdi = create_disk(lab.xapi, name, max(size or 0, len(content)), sr)
    upload(lab.session, lab.url, vdi, lambda: extents(content))
    return vdi


def extents(content: bytes) -> Iterator[tuple[int, bytes]]:
    """What is not zero, in pieces with their offsets: a new disk is all zeros, and most of these disks are."""
    for offset in range(0, len(content), PIECE):
        if (piece := content[offset : offset + PIECE]) != bytes(len(piece)):
            yield offset, piece


def seal_again(lab: Lab, golden: Golden, manifest: Manifest | None = None) -> None:
    """What booting, patching and sealing a golden VM again comes to: a boot CD with a new master id."""
    golden.master_id = str(uuid.uuid4())
    for vbd in lab.xapi.VM.get_VBDs(golden.vm):
        if lab.xapi.VBD.get_userdevice(vbd) == "1":
            lab.xapi.VBD.destroy(vbd)
    lab.xapi.VDI.destroy(golden.boot)
    content = boot_disk(golden.master_id, golden.filesystem, manifest=manifest)
    golden.boot = import_disk(lab, f"{golden.name} boot", content, 64 * MIB)
    attach(lab.xapi, golden.vm, golden.boot, "1")


class Stream:
    """A disk that can be read forwards only, as an export is."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    def read(self, offset: int, length: int) -> bytes:
        assert offset >= self._position
        self._position = offset + length
        return self._content[offset : self._position]
