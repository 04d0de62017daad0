# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Seal the golden VM that this runs in; the last thing printed is what was sealed, as JSON.

Everything that a running system would undo is left to clean.sh, which runs when the VM shuts down.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import platform
import sys
import tempfile
import time
import uuid

import golden
from boot_cd import build_boot_cd
from boot_disk import find_boot_disk, write_image
from commands import SealError, run
from manifest import write_manifest

_MASTER_ID = pathlib.Path("/etc/skinnybox/master-id")
_STATE = pathlib.Path("/var/lib/skinnybox")
#: What module overlay_import leaves here while it writes.
_PROMOTION = _STATE / "promotion.json"
_UNIT = "skinnybox-clean.service"


def main() -> int:
    """Seal, or print why not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--boot-disk", default="")
    parser.add_argument("--keep-apt-lists", action="store_true")
    arguments = parser.parse_args()
    try:
        print(json.dumps(seal(arguments.boot_disk, arguments.keep_apt_lists)))
    except SealError as error:
        print(f"{platform.node()}: not sealed. {error}", file=sys.stderr)
        return 1
    return 0


def seal(boot_disk: str, keep_apt_lists: bool) -> dict[str, object]:
    """Write a new master id, the manifest and the boot CD, and arrange the cleaning. Raises SealError."""
    if _PROMOTION.exists():
        raise SealError("A promotion into it was interrupted: run playbook promote again, which finishes it.")
    root = golden.root_filesystem()
    if root.fstype != "ext4":
        raise SealError(f"The root file system is {root.fstype}; only ext4 can be sealed.")
    device = find_boot_disk(boot_disk)
    _state, kernel, initramfs = run("/usr/lib/skinnybox/boot-initramfs").split()[-3:]
    master_id = str(uuid.uuid4())
    _write(_MASTER_ID, master_id + "\n")
    manifest = _STATE / "manifest.jsonl.gz"
    entries = write_manifest(manifest, master_id)
    content = {
        "format": 1,
        "master_id": master_id,
        "sealed_at": int(time.time()),
        "kernel": kernel,
        "os": golden.system(),
        "network": golden.network(),
        "root": {"uuid": root.uuid, "fstype": root.fstype, "partition_start": root.partition_start},
        "architecture": platform.machine(),
    }
    with tempfile.TemporaryDirectory(prefix="skinnybox-", dir="/var/tmp") as scratch:
        image = build_boot_cd(
            pathlib.Path(scratch),
            kernel=pathlib.Path(f"/boot/vmlinuz-{kernel}"),
            initramfs=pathlib.Path(initramfs),
            command_line=golden.command_line(master_id, root.uuid),
            seal=content,
            manifest=manifest,
        )
        size = image.stat().st_size
        _clean_at_shutdown(device, keep_apt_lists)
        write_image(image, device)
    return content | {"boot_disk": device, "boot_cd_bytes": size, "manifest_entries": entries}


def _write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _clean_at_shutdown(device: str, keep_apt_lists: bool) -> None:
    """Start a unit that does nothing until it is stopped, which is when the VM shuts down.

    It is stopped after everything that writes at its own stop, because it claims to have started before.
    """
    script = pathlib.Path(__file__).with_name("clean.sh")
    parameters = script.with_name("clean.parameters")
    _write(parameters, f"{device}\n{'yes' if keep_apt_lists else 'no'}\n")
    if run("systemctl", "is-active", _UNIT, allowed=(0, 3, 4)).strip() == "active":
        return  # sealed before, and not shut down since: to stop the unit now would clean now
    properties = {
        "Type": "oneshot",
        "RemainAfterExit": "yes",
        "DefaultDependencies": "no",
        "Conflicts": "shutdown.target",
        "After": "local-fs.target",
        "Before": "shutdown.target sysinit.target basic.target systemd-random-seed.service"
        " systemd-update-utmp.service systemd-timesyncd.service",
        "ExecStop": f"/bin/sh {script} {parameters}",
    }
    options = [f"--property={name}={value}" for name, value in properties.items()]
    run("systemd-run", "--quiet", f"--unit={_UNIT}", *options, "/bin/true")


if __name__ == "__main__":
    sys.exit(main())
