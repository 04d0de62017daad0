# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What moves over plain HTTP: disks, virtual machines, and the pages of what does not.

The answer 200 goes out before the body is read; how it went stands in the task alone.
"""

from __future__ import annotations

from lab.transfers.disks import export_raw_vdi, import_raw_vdi
from lab.transfers.exporting import export, export_metadata
from lab.transfers.importing import import_, import_metadata
from lab.transfers.request import Handler

#: What answers by verb and beginning of the path, as XAPI looks for it; the longer beginnings first.
HANDLERS: dict[tuple[str, str], Handler] = {
    ("PUT", "/import_raw_vdi"): import_raw_vdi,
    ("GET", "/export_raw_vdi"): export_raw_vdi,
    ("PUT", "/import_metadata"): import_metadata,
    ("GET", "/export_metadata"): export_metadata,
    ("PUT", "/import"): import_,
    ("GET", "/export"): export,
}
