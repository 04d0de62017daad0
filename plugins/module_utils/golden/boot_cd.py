# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The boot CD that sealing leaves on a small disk of the golden VM, and what it says about the seal."""

from __future__ import annotations

import dataclasses
import json
import typing
import uuid

from ..model.identity import NETPLAN, NETWORKD
from .iso9660 import find_file, read_volume
from .reader import NotGoldenError, Reader

VOLUME_ID = "SKINNYBOX_BOOT"
SEAL_FILE = "skinnybox.json"
_FORMAT = 1
LARGEST_SEAL = 64 << 10


@dataclasses.dataclass(frozen=True)
class SealedRoot:
    """The root file system that was sealed: ``partition_start`` is its offset on the root disk in bytes."""

    uuid: str
    fstype: str
    partition_start: int


@dataclasses.dataclass(frozen=True)
class Seal:
    """What the golden VM said about itself when it was sealed; ``sealed_at``: epoch seconds of its clock."""

    master_id: str
    sealed_at: int
    kernel: str
    os_id: str
    os_version: str
    os_name: str
    network: str
    root: SealedRoot
    architecture: str


def read_seal(reader: Reader) -> Seal | None:
    """Return the seal of a boot CD, or None when the disk is none of ours.

    Raises NotGoldenError when it is one but its seal is missing, damaged or of another format.
    """
    volume = read_volume(reader)
    if volume is None or volume.identifier != VOLUME_ID:
        return None
    entry = find_file(reader, volume, SEAL_FILE)
    if entry is None or not 0 < entry.length <= LARGEST_SEAL:
        raise NotGoldenError(f"The boot CD has no usable {SEAL_FILE}; seal the golden VM again.")
    return parse_seal(reader.read(entry.offset, entry.length))


def parse_seal(content: bytes) -> Seal:
    """Return what the seal's file says. Raises NotGoldenError when it is damaged or of another format."""
    try:
        return _parse(json.loads(content))
    except (KeyError, TypeError, ValueError) as error:
        raise NotGoldenError(
            f"The boot CD's {SEAL_FILE} cannot be used ({error}); seal the golden VM again."
        ) from error


def _parse(content: dict[str, typing.Any]) -> Seal:
    if content["format"] != _FORMAT:
        raise ValueError(f"it has format {content['format']!r}, this version of Skinnybox knows {_FORMAT}")
    if content["network"] not in (NETPLAN, NETWORKD):
        raise ValueError(f"network configuration {content['network']!r} is neither {NETPLAN} nor {NETWORKD}")
    root = content["root"]
    return Seal(
        master_id=str(uuid.UUID(content["master_id"])),
        sealed_at=int(content["sealed_at"]),
        kernel=str(content["kernel"]),
        os_id=str(content["os"]["id"]),
        os_version=str(content["os"]["version_id"]),
        os_name=str(content["os"]["pretty_name"]),
        network=content["network"],
        root=SealedRoot(
            uuid=str(uuid.UUID(root["uuid"])),
            fstype=str(root["fstype"]),
            partition_start=int(root["partition_start"]),
        ),
        architecture=str(content["architecture"]),
    )
