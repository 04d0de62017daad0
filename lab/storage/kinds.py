# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kinds of storage repositories: what their drivers can do, and how much room their disks take.

All sizes are bytes. The formulas are those of XenServer's storage manager.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.storage import BLOCK_SIZE

MIB = 1024**2
#: Allocation unit of a volume group.
EXTENT = 4 * MIB
#: A file with 64 KiB a bit and a header tells what changed; on a volume group it takes one extent.
TRACKING_HEADER = 4096
#: Header, footers and block table of a VHD on a logical volume, which leave room for 2 TiB.
VHD_METADATA = 4329472
#: Bitmap before each block of a VHD on a logical volume, with its alignment.
VHD_BITMAP = 4096


def round_up(size: int, unit: int) -> int:
    """The next multiple of unit."""
    return -(-size // unit) * unit


@dataclass(frozen=True)
class Volume:
    """One layer of a disk, as far as its size in the repository depends on it.

    allocated: bytes in the blocks that the layer itself has touched; inflated: has room for all that a guest may
    write (counts on volume groups only).
    """

    virtual_size: int
    allocated: int = 0
    inflated: bool = False


@dataclass(frozen=True)
class Kind:
    """Repositories of discs, and of devices of a host: what is in them has one size, and no layers."""

    label: str
    features: Mapping[str, int]

    def taken(self, volume: Volume) -> int:
        """Bytes that the layer takes in the repository."""
        return volume.virtual_size

    def growth(self, volume: Volume, allocated: int) -> int:
        """Further bytes that the repository needs when the layer has touched so many bytes."""
        return 0


@dataclass(frozen=True)
class FileKind(Kind):
    """Disks are dynamic VHD files, which grow with what is written."""

    def taken(self, volume: Volume) -> int:
        """Footer twice, header, block table of 4 bytes a block, and a 512-byte bitmap before each block."""
        table = round_up(-(-volume.virtual_size // BLOCK_SIZE) * 4, 512)
        touched = -(-volume.allocated // BLOCK_SIZE)
        return 512 + 1024 + table + touched * (BLOCK_SIZE + 512) + 512

    def growth(self, volume: Volume, allocated: int) -> int:
        return self.taken(Volume(volume.virtual_size, allocated)) - self.taken(volume)


@dataclass(frozen=True)
class LvmKind(Kind):
    """Disks are VHDs on logical volumes, which are inflated to their full size before anybody writes to them."""

    def taken(self, volume: Volume) -> int:
        blocks = -(-(volume.virtual_size if volume.inflated else volume.allocated) // BLOCK_SIZE)
        size = VHD_METADATA + blocks * (BLOCK_SIZE + VHD_BITMAP)
        if volume.inflated:
            size = VHD_METADATA + volume.virtual_size + blocks * VHD_BITMAP
        return round_up(size, EXTENT)


_COMMON = {
    "SR_PROBE": 1, "SR_UPDATE": 1, "VDI_CREATE": 1, "VDI_DELETE": 1, "VDI_ATTACH": 1, "VDI_DETACH": 1,
    "VDI_UPDATE": 1, "VDI_CLONE": 1, "VDI_SNAPSHOT": 1, "VDI_RESIZE": 1, "VDI_MIRROR": 1, "VDI_ACTIVATE": 1,
    "VDI_DEACTIVATE": 1, "VDI_RESET_ON_BOOT": 2, "VDI_CONFIG_CBT": 1, "ATOMIC_PAUSE": 1,
}  # fmt: skip
_FILE = {**_COMMON, "VDI_GENERATE_CONFIG": 1, "THIN_PROVISIONING": 1, "VDI_READ_CACHING": 1}
_LVM = {**_COMMON, "SR_TRIM": 1}
_SHARED_LVM = {**_LVM, "SR_METADATA": 1, "SR_CACHING": 1, "VDI_GENERATE_CONFIG": 1}
_DISC = {
    "VDI_CREATE": 1, "VDI_DELETE": 1, "VDI_ATTACH": 1, "VDI_DETACH": 1, "SR_SCAN": 1, "SR_ATTACH": 1, "SR_DETACH": 1,
}  # fmt: skip
_DEVICE = {"VDI_ATTACH": 1, "VDI_DETACH": 1, "VDI_UPDATE": 1, "SR_UPDATE": 1}

#: By the type of the repository.
KINDS: dict[str, Kind] = {
    "ext": FileKind("Local EXT3 VHD", {**_FILE, "SR_SUPPORTS_LOCAL_CACHING": 1}),
    "nfs": FileKind("NFS VHD", {**_FILE, "SR_CACHING": 1}),
    "file": FileKind("Local Path VHD", _FILE),
    "smb": FileKind("SMB VHD", {**_FILE, "SR_CACHING": 1}),
    "lvm": LvmKind("Local VHD on LVM", {**_LVM, "SR_SUPPORTS_LOCAL_CACHING": 1}),
    "lvmoiscsi": LvmKind("VHD over iSCSI", _SHARED_LVM),
    "lvmohba": LvmKind("VHD over HBA", _SHARED_LVM),
    "iso": Kind("ISO", _DISC),
    "udev": Kind("udev", _DEVICE),
}
#: Of repositories whose type no driver is known for.
UNKNOWN = Kind("", {})
