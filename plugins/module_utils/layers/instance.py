# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance that this system is: where its layers lie while it runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

_BASE = "/run/initramfs/skinnybox"
_LAYERS = "layers"


class NotAnInstance(Exception):
    """There is no running instance here, no overlay of one, or none that can be read."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A running instance. All paths are as this system names them."""

    uuid: str
    master_id: str  # of the master version it runs on
    overlay: str  # where its overlay disk is mounted
    master: str  # where the master's root is mounted
    report: dict[str, str]  # what this boot reported

    @property
    def upper(self) -> str:
        """The upper directory that it writes to."""
        return f"{self.overlay}/{_LAYERS}/{self.master_id}/upper"

    @property
    def lowers(self) -> tuple[str, ...]:
        """What lies below the upper directory, the topmost first; see mount_layers of role overlayroot."""
        shared = (f"{self.overlay}/{name}" for name in ("identity", "personality"))
        return (*(layer for layer in shared if Path(layer).is_dir()), self.master)


def this_instance(root: str = "") -> Instance:
    """The instance that runs here; ``root`` is a directory to look in instead of ``/``. Raises NotAnInstance."""
    uuid = _line(f"{root}/run/skinnybox/instance")
    master_id = _line(f"{root}/etc/skinnybox/master-id")
    if not uuid or not master_id:
        raise NotAnInstance(
            "This system is not a running Skinnybox instance: /run/skinnybox/instance, which each boot of one writes, "
            "is not there."
        )
    if not os.access(f"{root}{_BASE}/overlay", os.X_OK):
        raise NotAnInstance(f"The layers of instance {uuid} below {_BASE} are for root only: use become.")
    report = parse_report(_line(f"{root}/run/skinnybox/report"))
    instance = Instance(uuid, master_id, f"{root}{_BASE}/overlay", f"{root}{_BASE}/master", report)
    if not Path(instance.upper).is_dir():
        raise NotAnInstance(
            f"Instance {uuid} says that it runs on master {master_id}, but its overlay has no layer of that: "
            f"{instance.upper} is not there."
        )
    return instance


def mounted_overlay(upper: str, lowers: Sequence[str]) -> tuple[str, ...]:
    """The directories that an upper directory, mounted here, lies on; checked. Raises NotAnInstance."""
    for directory in (upper, *lowers):
        if not Path(directory).is_dir():
            raise NotAnInstance(f"{directory} is no directory.")
    if not lowers:
        raise NotAnInstance(f"{upper} must lie on something: the mounted root of its master at least.")
    if os.geteuid() != 0:
        raise NotAnInstance("Only root can read what an overlay has deleted: use become.")
    layer = Path(upper).parent
    master_id = _line(f"{lowers[-1]}/etc/skinnybox/master-id")
    if not master_id:
        raise NotAnInstance(f"{lowers[-1]} is not the root of a master: it has no /etc/skinnybox/master-id.")
    if layer.parent.name == _LAYERS and master_id != layer.name:
        raise NotAnInstance(f"{upper} was written on master {layer.name}, but {lowers[-1]} is master {master_id}.")
    return tuple(lowers)


def parse_report(line: str) -> dict[str, str]:
    """Values of a boot report by name: ``state=running;master=…``."""
    return {name: value for name, equals, value in (word.partition("=") for word in line.split(";")) if equals}


def _line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
