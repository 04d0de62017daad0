# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of the labels themselves, which anybody can change: all that is known of an object stands in them. Pure."""

from __future__ import annotations

from typing import Iterator

from ...model.labels import PREFIX, Kind, Labels
from ...model.records import Disk, VirtualMachine
from .finding import Finding, Severity, subject
from .view import View, listed

_OF_VERSION = ("master", "version", "master_id")
_OF_DISK = ("pool", "name", "number", "instance", "vm")
#: What a finished object of a kind must bear.
_NEEDED = {
    Kind.BLUEPRINT.value: (*_OF_VERSION, "root", "boot"),
    Kind.ROOT.value: _OF_VERSION,
    Kind.BOOT.value: _OF_VERSION,
    Kind.INSTANCE.value: (*_OF_VERSION, "pool", "name", "number", "instance"),
    Kind.OVERLAY.value: (*_OF_VERSION, *_OF_DISK),
    Kind.SWAP.value: _OF_DISK,
    Kind.DATA.value: (*_OF_DISK, "disk"),
}
_NUMBERS = ("version", "number")


def damaged_labels(view: View) -> Iterator[Finding]:
    """Objects of ours of which it is not known any more which one they are."""
    things: list[VirtualMachine | Disk] = [*view.blueprints, *(i.vm for i in view.instances), *view.disks]
    for thing in things:
        if missing := _missing(thing.labels):
            command = "vdi" if isinstance(thing, Disk) else "vm"
            keys = " ".join(f"other-config:{PREFIX}{name}=…" for name in missing)
            yield Finding(
                "labels-damaged",
                Severity.WARNING,
                subject(thing),
                f"is an object of kind {thing.labels.kind}, but lacks the label(s) {listed(missing, 20)}, or has "
                "something else there: it cannot be told apart, and may be taken for another one",
                f"xe {command}-param-set uuid={thing.uuid} {keys}, as its like have them "
                f"(xe {command}-param-get uuid=… param-name=other-config)",
                **view.concerned(thing.labels),
            )


def _missing(labels: Labels) -> list[str]:
    needed = _NEEDED.get(labels.kind, ())
    return [name for name in needed if not (labels.number(name) if name in _NUMBERS else labels[name])]
