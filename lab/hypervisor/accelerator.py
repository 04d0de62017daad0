# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of QEMU's accelerators really works on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from pathlib import Path

#: Set to kvm or tcg to decide it yourself.
VARIABLE = "LAB_ACCELERATOR"
#: Seconds that a firmware needs at most to say its name.
PATIENCE = 5.0


async def choose(qemu: str) -> str:
    """The accelerator to use: "kvm" or "tcg"."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted in ("kvm", "tcg"):
        return wanted
    return "kvm" if virtualization_in_processor() and await firmware_starts(qemu, "kvm") else "tcg"


def virtualization_in_processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor virtualizes. A /dev/kvm without that runs firmware, but then no ordinary kernel."""
    try:
        return re.search(r"^flags\s*:.*\b(vmx|svm)\b", cpuinfo.read_text(), re.MULTILINE) is not None
    except OSError:
        return False


async def firmware_starts(qemu: str, accelerator: str) -> bool:
    """Start a machine without disks and see whether its firmware speaks on its debug port."""
    process = await asyncio.create_subprocess_exec(
        qemu, "-accel", accelerator, "-machine", "pc", "-nodefaults", "-no-user-config", "-display", "none",
        "-chardev", "stdio,id=debug", "-device", "isa-debugcon,iobase=0x402,chardev=debug",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        first = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        return b"SeaBIOS" in first
    except asyncio.TimeoutError:
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
