# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a disk when its VM starts: it goes on as it was, or begins anew."""

from __future__ import annotations

from .worksite import Worksite


def set_on_boot(site: Worksite, vdi: str, sr: str, value: str) -> None:
    """Have a disk of a halted VM ``persist``, or ``reset`` at each start to what it holds now. Raises XapiError.

    ``vdi`` and ``sr`` are references. XAPI itself gives a disk the parent to which it is reset (VDI.clone and
    VDI.destroy within VDI.set_on_boot). A disk that is set so already is left alone: it would lose what it holds.
    """

    def look() -> str | None:
        return "" if site.read("VDI.get_on_boot", vdi) == value else None

    if look() is not None:
        return
    with site.windows.disk_operation(sr):
        site.settle(lambda: site.run("VDI.set_on_boot", vdi, value), look)
