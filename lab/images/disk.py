# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bootable disk from a tree: GPT, GRUB for BIOS and UEFI, ext4 root; on plain files, nothing mounted."""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.images.tools import ImageError, run

SECTOR = 512
MIB = 1024 * 1024
#: Bytes of the whole disk; it is sparse.
DISK_SIZE = 3072 * MIB
#: Start and size in bytes; the root takes the rest but the last MiB, which holds GPT's second table.
BIOS_BOOT = (1 * MIB, 1 * MIB)
ESP = (2 * MIB, 100 * MIB)
ROOT = (102 * MIB, DISK_SIZE - 103 * MIB)

# fmt: off
GRUB_MODULES = [
    "part_gpt", "part_msdos", "ext2", "fat", "normal", "configfile", "search", "search_fs_uuid",
    "search_label", "linux", "serial", "echo", "test",
]
# fmt: on
GRUB_CFG = """\
set timeout=0
set default=0
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
search --no-floppy --fs-uuid --set=root {root}
menuentry 'Debian GNU/Linux' {{
    linux /vmlinuz root=UUID={root} ro console=tty0 console=ttyS0,115200 quiet
    initrd /initrd.img
}}
"""
#: What GRUB's UEFI program does first: go to the root file system, where the configuration is.
GRUB_ESP_CFG = """\
search --no-floppy --fs-uuid --set=root {root}
set prefix=($root)/boot/grub
configfile $prefix/grub.cfg
"""


@dataclass(frozen=True)
class DiskIdentity:
    """What names a disk's file systems: the ext4 UUID of the root, and the FAT serial number of the ESP."""

    root: str = field(default_factory=lambda: str(uuid.uuid4()))
    esp: str = field(default_factory=lambda: uuid.uuid4().hex[:8].upper())

    @property
    def esp_serial(self) -> str:
        """The ESP's serial number as fstab writes it."""
        return f"{self.esp[:4]}-{self.esp[4:]}"


def build_disk(disk: Path, tree: Path, identity: DiskIdentity, scratch: Path) -> None:
    """Write a raw disk that boots the tree (a tar file with GRUB's -bin packages). Raises ImageError."""
    root = scratch / "root"
    root.mkdir()
    # Only one process sees the owners that fakeroot pretends, so all that needs them is one script.
    script = scratch / "build.sh"
    script.write_text(BUILD_SCRIPT, encoding="utf-8")
    grub_cfg, esp_cfg = scratch / "grub.cfg", scratch / "esp.cfg"
    grub_cfg.write_text(GRUB_CFG.format(root=identity.root), encoding="utf-8")
    esp_cfg.write_text(GRUB_ESP_CFG.format(root=identity.root), encoding="utf-8")
    with disk.open("wb") as file:
        file.truncate(DISK_SIZE)
    _partition(disk)
    as_root = [] if os.geteuid() == 0 else ["fakeroot"]
    variables = {"TREE": tree, "TARGET": root, "DISK": disk, "GRUB_CFG": grub_cfg, "ROOT_UUID": identity.root}
    variables |= {"OFFSET": ROOT[0], "KIB": ROOT[1] // 1024}
    words = [f"{name}={value}" for name, value in variables.items()]
    run([*as_root, "env", *words, "sh", "-eu", script])
    core, boot = scratch / "core.img", root / "usr/lib/grub/i386-pc/boot.img"
    _grub_mkimage(root, "i386-pc", core, ["biosdisk"], prefix="(,gpt3)/boot/grub")
    _write_bios_grub(disk, boot.read_bytes(), core.read_bytes())
    efi = scratch / "grubx64.efi"
    _grub_mkimage(root, "x86_64-efi", efi, ["efi_gop", "efi_uga", "all_video"], prefix="/EFI/debian", config=esp_cfg)
    _write_esp(disk, efi, identity, scratch)


BUILD_SCRIPT = """\
PATH=$PATH:/usr/sbin:/sbin
tar --extract --file="$TREE" --directory="$TARGET" --numeric-owner --exclude='./dev/*'
cd "$TARGET"
mkdir -p boot/grub/i386-pc boot/grub/x86_64-efi
for platform in i386-pc x86_64-efi; do
    cp usr/lib/grub/$platform/*.mod usr/lib/grub/$platform/*.lst boot/grub/$platform/
done
cp "$GRUB_CFG" boot/grub/grub.cfg
chmod 0600 boot/grub/grub.cfg
mke2fs -q -t ext4 -U "$ROOT_UUID" -E "offset=$OFFSET,lazy_itable_init=0,root_owner=0:0" -d . "$DISK" "${KIB}k"
"""


def _partition(disk: Path) -> None:
    command: list[str | Path] = ["sgdisk", "--clear"]
    for number, ((start, size), kind, name) in enumerate(
        [(BIOS_BOOT, "ef02", "bios"), (ESP, "ef00", "efi"), (ROOT, "8304", "root")], start=1
    ):
        command.append(f"--new={number}:{start // SECTOR}:{(start + size) // SECTOR - 1}")
        command += [f"--typecode={number}:{kind}", f"--change-name={number}:{name}"]
    run([*command, disk])


def _grub_mkimage(
    root: Path, target: str, output: Path, modules: list[str], *, prefix: str, config: Path | None = None
) -> None:
    """Link GRUB with the tree's own tools and modules: the machine that builds need not have any."""
    library = root / "usr/lib/grub" / target
    if not library.is_dir():
        raise ImageError(f"the tree has no GRUB for {target}")
    loader = next(iter((root / "lib64").glob("ld-linux-x86-64.so.2")))
    libraries = f"{root}/lib/x86_64-linux-gnu:{root}/usr/lib/x86_64-linux-gnu"
    command: list[str | Path] = [loader, "--library-path", libraries, root / "usr/bin/grub-mkimage"]
    command += ["--directory", library, "--format", target, "--prefix", prefix, "--output", output]
    if config:
        command += ["--config", config]
    run([*command, *modules, *GRUB_MODULES])


def _write_bios_grub(disk: Path, boot: bytes, core: bytes) -> None:
    """Put boot.img into the first sector and core.img into the BIOS boot partition, as grub-install does.

    The offsets are GRUB's (include/grub/i386/pc/boot.h): where boot.img looks for core.img, the check for the
    boot drive that hard disks do not need, and core.img's own list of the sectors that follow its first.
    """
    if len(core) > BIOS_BOOT[1]:
        raise ImageError(f"GRUB's core image of {len(core)} bytes does not fit its partition")
    first = BIOS_BOOT[0] // SECTOR
    sector, image = bytearray(boot), bytearray(core)
    struct.pack_into("<Q", sector, 0x5C, first)
    sector[0x66:0x68] = b"\x90\x90"
    struct.pack_into("<Q", image, SECTOR - 12, first + 1)
    with disk.open("r+b") as file:
        file.write(sector[:440])  # from there on it is the disk signature and the protective partition table
        file.seek(BIOS_BOOT[0])
        file.write(image)


def _write_esp(disk: Path, grub: Path, identity: DiskIdentity, scratch: Path) -> None:
    image = scratch / "esp.img"
    with image.open("wb") as file:
        file.truncate(ESP[1])
    run(["mkfs.vfat", "-F", "32", "-i", identity.esp, image])
    run(["mmd", "-i", image, "::EFI", "::EFI/BOOT", "::EFI/debian"])
    run(["mcopy", "-i", image, grub, "::EFI/BOOT/BOOTX64.EFI"])
    run(["mcopy", "-i", image, grub, "::EFI/debian/grubx64.efi"])
    run(["dd", f"if={image}", f"of={disk}", "bs=1M", f"seek={ESP[0] // MIB}", "conv=notrunc,sparse"])


def write_files(disk: Path, files: Mapping[str, tuple[str, int]], scratch: Path) -> None:
    """Write files (path -> text, mode), owned by root, into the root file system of a build_disk() disk."""
    commands = []
    for number, (path, (text, mode)) in enumerate(files.items()):
        local = scratch / f"file-{number}"
        local.write_text(text, encoding="utf-8")
        commands += [f"rm {path}", f"write {local} {path}", f"sif {path} mode 0{0o100000 | mode:o}"]
        commands += [f"sif {path} uid 0", f"sif {path} gid 0"]
    run(["debugfs", "-w", "-f", "-", f"{disk}?offset={ROOT[0]}"], stdin="\n".join(commands) + "\n")
    for path, (_text, mode) in files.items():  # debugfs answers success whatever happens
        stat = run(["debugfs", "-R", f"stat {path}", f"{disk}?offset={ROOT[0]}"])
        if f"Mode:  {mode:04o} " not in stat:
            raise ImageError(f"{disk}: writing {path} did not work: {stat or 'it is not there'}")
