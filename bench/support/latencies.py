# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long operations of a host pool take, for labs that are to be no faster than one.

The lab does what XAPI does at a time: one disk operation on an SR, whoever asks for it, and four VM operations on a
host (xenopsd's workers). How long each takes is said here, for servers with SSDs and an NFS or local file SR:

- A disk operation is a run of the storage manager: xapi starts a Python program, which takes the SR's lock, runs
  vhd-util once or several times, writes metadata, reads the SR's size, and updates the database. Creating and
  deleting take about a second, a clone or a snapshot a little more: it renames the disk and makes two of it, and
  pauses tapdisk on each host that has it.
- VM.clone of a VM that has no disks to be cloned only writes database records, some dozens of them.
- VM.start builds a domain, attaches and activates each disk (a run of the storage manager each, which does not hold
  the SR), starts QEMU and tapdisks, and ends before the guest's kernel runs: about four seconds with three disks.
  A hard shutdown detaches and deactivates the same disks.
"""

from __future__ import annotations

#: Seconds by operation, in the words of the lab's `pace`.
SECONDS = {
    "SR.vdi_create": 1.0,
    "SR.vdi_destroy": 1.0,
    "SR.vdi_clone": 1.3,
    "SR.vdi_snapshot": 1.3,
    "VM.clone": 0.3,
    "VM.start": 4.0,
    "VM.start_on": 4.0,
    "VM.clean_shutdown": 4.0,
    "VM.hard_shutdown": 2.0,
}


def scaled(factor: float) -> dict[str, float]:
    """All of them multiplied."""
    return {operation: seconds * factor for operation, seconds in SECONDS.items()}
