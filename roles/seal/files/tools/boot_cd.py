# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The boot CD of a master version: GRUB for BIOS and UEFI, kernel, initramfs, and what was sealed."""

from __future__ import annotations

import json
import pathlib
import shutil
import typing

from boot_disk import VOLUME_ID
from commands import SealError, run

LARGEST = 40 << 20

#: All that the configuration below uses is in the core image, so the CD needs no directory of modules.
# fmt: off
_MODULES = [
    "iso9660", "search", "search_label", "normal", "configfile", "linux", "serial", "terminal", "echo", "test",
]
# fmt: on
_BIOS_MODULES = ["biosdisk"]
_EFI_MODULES = ["all_video", "efi_gop"]
_EARLY_CONFIGURATION = f"""\
search --no-floppy --label --set=root {VOLUME_ID}
set prefix=($root)/boot/grub
"""
_CONFIGURATION = """\
set timeout=0
set gfxpayload=text
set default=0
if serial --unit=0 --speed=115200; then
    terminal_output console serial
fi
menuentry 'Skinnybox' {{
    linux /boot/vmlinuz {command_line}
    initrd /boot/initrd.img
}}
"""


def build_boot_cd(
    scratch: pathlib.Path,
    *,
    kernel: pathlib.Path,
    initramfs: pathlib.Path,
    command_line: typing.Sequence[str],
    seal: typing.Mapping[str, typing.Any],
    manifest: pathlib.Path,
) -> pathlib.Path:
    """Make the CD image in ``scratch``, an empty directory. Raises SealError when it gets larger than 40 MiB."""
    tree = scratch / "tree"
    grub = tree / "boot/grub"
    grub.mkdir(parents=True)
    shutil.copyfile(kernel, tree / "boot/vmlinuz")
    shutil.copyfile(initramfs, tree / "boot/initrd.img")
    (tree / "skinnybox.json").write_text(json.dumps(seal) + "\n", encoding="utf-8")
    (grub / "grub.cfg").write_text(_CONFIGURATION.format(command_line=" ".join(command_line)), encoding="utf-8")
    early = scratch / "early.cfg"
    early.write_text(_EARLY_CONFIGURATION, encoding="utf-8")
    _bios(grub / "eltorito.img", early)
    _uefi(tree / "boot/efi.img", early, scratch)
    image = scratch / "boot.iso"
    if _size(tree) + manifest.stat().st_size < LARGEST - (1 << 20):
        shutil.copyfile(manifest, tree / "manifest.jsonl.gz")
    _iso(tree, image)
    size = image.stat().st_size
    if size > LARGEST:
        parts = f"kernel {kernel.stat().st_size}, initramfs {initramfs.stat().st_size}"
        raise SealError(f"The boot CD would have {size} bytes ({parts}); {LARGEST} are the most.")
    return image


def _bios(output: pathlib.Path, early: pathlib.Path) -> None:
    _mkimage("i386-pc", "i386-pc-eltorito", output, early, _BIOS_MODULES)


def _uefi(output: pathlib.Path, early: pathlib.Path, scratch: pathlib.Path) -> None:
    program = scratch / "bootx64.efi"
    _mkimage("x86_64-efi", "x86_64-efi", program, early, _EFI_MODULES)
    kibibytes = (program.stat().st_size >> 10) + 256
    run("mformat", "-i", str(output), "-C", "-h", "1", "-s", "2", "-t", str(kibibytes), "-N", "0", "::")
    run("mmd", "-i", str(output), "::EFI", "::EFI/BOOT")
    run("mcopy", "-i", str(output), str(program), "::EFI/BOOT/BOOTX64.EFI")


def _mkimage(platform: str, target: str, output: pathlib.Path, early: pathlib.Path, modules: list[str]) -> None:
    directory = pathlib.Path("/usr/lib/grub") / platform
    run(
        "grub-mkimage",
        *("--directory", str(directory), "--format", target, "--prefix", "/boot/grub"),
        *("--config", str(early), "--output", str(output), *_MODULES, *modules),
    )


def _iso(tree: pathlib.Path, image: pathlib.Path) -> None:
    run(
        *("xorriso", "-as", "mkisofs", "-quiet", "-r", "-V", VOLUME_ID, "-o", str(image)),
        *("-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4"),
        *("-boot-info-table", "--grub2-boot-info"),
        *("-eltorito-alt-boot", "-e", "boot/efi.img", "-no-emul-boot"),
        str(tree),
    )


def _size(tree: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
