# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance's /etc/fstab as the golden VM would have it: without what the boot hook did to it.

The hook comments out the lines that no instance has, adds one for the swap disk, and leaves a mark; see fstab.sh of
role overlayroot.
"""

from __future__ import annotations

FSTAB = "/etc/fstab"
_MARK = "# skinnybox:"
_SWAP = "LABEL=skinny-swap "


def restored(text: str, master: str) -> str:
    """The instance's text with the master's own lines back; what people added, changed or removed stays so."""
    originals = set(master.splitlines())
    lines = [line for line in text.splitlines() if not line.startswith((_MARK, _SWAP))]
    lines = [line[2:] if _is_hidden(line, originals) else line for line in lines]
    return master if lines == master.splitlines() else "".join(f"{line}\n" for line in lines)


def _is_hidden(line: str, originals: set[str]) -> bool:
    """Whether the hook made a line a comment: a line of the master's, and of a kind that no instance has."""
    if not line.startswith("# ") or line in originals or line[2:] not in originals:
        return False
    _what, where, kind, *_rest = [*line[2:].split(), "", "", ""]
    return where in ("/", "/boot") or where.startswith("/boot/") or kind == "swap"
