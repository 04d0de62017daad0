# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of a guest's block devices: `0`, `xvda`, `hda1`, `d0p1` ... and what they mean."""

from __future__ import annotations

import contextlib
import re
from typing import NamedTuple

from lab import values

#: Names in letters begin with these.
BUSES = {"xvd": "xen", "sd": "scsi", "fd": "floppy", "hd": "ide"}
#: What guests call their devices; disks of the emulated bus have paravirtual names, too.
PREFIXES = {"xen": "xvd", "scsi": "sd", "floppy": "fd", "ide": "xvd"}
#: The first disks of a guest with emulated devices are on the emulated bus.
EMULATED = 4
LETTERS = re.compile(r"(xvd|sd|fd|hd)([a-z]*)(\d*)")
NUMBERS = re.compile(r"d(\d+)(?:p(\d+))?")
#: Largest magnitude of a number without a fraction in XAPI's own code.
LARGEST = 2**62


class Device(NamedTuple):
    """A bus, and the position on it from 0; partition 0 is the whole disk."""

    bus: str
    disk: int
    partition: int = 0


def numbered(disk: int, emulated: bool) -> Device:
    """The device that a mere number stands for, in a guest with or without emulated devices."""
    return Device("ide" if emulated and disk < EMULATED else "xen", disk)


def meanings(name: str) -> set[Device]:
    """All devices that a name may stand for: a number stands for two; none when it is no device."""
    with contextlib.suppress(ValueError):
        disk = values.parse_integer(name)
        if -LARGEST <= disk < LARGEST:
            return {numbered(disk, emulated) for emulated in (False, True)}
    if match := LETTERS.fullmatch(name):
        prefix, letters, partition = match.groups()
        return {Device(BUSES[prefix], _position(letters), int(partition or 0))}
    if match := NUMBERS.fullmatch(name):
        return {Device("xen", int(match.group(1)), int(match.group(2) or 0))}
    return set()


def _position(letters: str) -> int:
    """a is 0, z is 25, aa is 26."""
    position = 0
    for letter in letters:
        position = position * 26 + ord(letter) - ord("a") + 1
    return position - 1


def position(name: str) -> int:
    """The position that a name stands for, whatever the bus; 0 when it is no device."""
    return max(0, min((device.disk for device in meanings(name)), default=0))


def guest_name(name: str) -> str:
    """What the guest calls the whole disk: xvda for position 0."""
    found = meanings(name)
    bus = next(iter(found)).bus if found else "xen"
    number, letters = position(name) + 1, ""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return PREFIXES[bus] + letters
