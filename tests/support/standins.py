# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-ins for the tools of a guest, where there is none: they answer what a test wants them to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_SYSTEMCTL = """\
#!/bin/sh
case $1 in
    is-system-running) echo {state} ;;
    list-units) for unit in {failed}; do echo "$unit loaded failed failed Words"; done ;;
    is-active)
        shift 2
        for unit; do case " {failed} " in *" $unit "*) echo failed ;; *) echo active ;; esac; done ;;
esac
"""
_DPKG = """\
#!/bin/sh
for package in {audit}; do echo " $package  Words"; done
"""


def write_tools(
    directory: Path, *, state: str = "running", failed: Sequence[str] = (), audit: Sequence[str] = ()
) -> None:
    """Write ``systemctl`` and ``dpkg`` into a directory: all units are active but those that have failed."""
    directory.mkdir(parents=True, exist_ok=True)
    tools = {"systemctl": _SYSTEMCTL, "dpkg": _DPKG}
    for name, text in tools.items():
        path = directory / name
        path.write_text(text.format(state=state, failed=" ".join(failed), audit=" ".join(audit)))
        path.chmod(0o755)
