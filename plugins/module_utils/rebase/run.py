# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rebase from its beginning to its end: an instance's layer for another master version."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..layers.stack import Stack
from ..layers.upper import Raw, Upper
from .ahead import Ahead
from .build import build
from .engine import Decisions, decide
from .gather import gather
from .place import Place
from .refusal import Refusal
from .report import as_data, as_text
from .room import Room, fits, free, grow_by, needed, of_copies, used
from .verify import verify

REPORT = "rebase.json"
ORIGIN = "origin"  # the same in short, for the boot hook's shell
_FORMAT = 1
_MASTER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Job:
    """What is to be done, with directories as the system names them."""

    overlay: Path
    old_master: Path
    new_master: Path
    old_id: str
    new_id: str
    request: str  # uuid of the upgrade; the same one is done once

    @property
    def old_upper(self) -> Path:
        """What the instance has changed of the old master."""
        return self.layers / self.old_id / "upper"

    @property
    def layers(self) -> Path:
        """The directory of all layers."""
        return self.overlay / "layers"

    def lowers(self, master: Path) -> list[Path]:
        """What lies below an upper directory, the topmost first, as the boot hook mounts it."""
        shared = (self.overlay / name for name in ("identity", "personality"))
        return [*(layer for layer in shared if layer.is_dir()), master]


def rebase(job: Job) -> dict[str, Any]:
    """Make the new layer, or find that this request has made it already, and return the numbers of its report.

    The old layer is only read. Raises Refusal, ForeignLayer and OSError; then there is no new layer. What a killed run
    has left beside its place, the next one removes.
    """
    begun = time.monotonic()
    _check(job)
    place = Place(job.layers, job.new_id)
    done = _report(place.layer)
    if done and done.get("request") == job.request:
        place.clean()
        return done["numbers"]
    changes = list(Upper(job.old_upper).walk())
    place.clean()
    try:
        decisions, size = _make(job, place, changes)
        seconds = round(time.monotonic() - begun, 1)
        numbers = {**decisions.numbers(), "bytes": size, "seconds": seconds}
        _write_report(job, place.unfinished, decisions, numbers)
        place.finish()
    except BaseException:
        place.clean()  # or a disk that is full now stays full
        raise
    return numbers


def _make(job: Job, place: Place, changes: list[Raw]) -> tuple[Decisions, int]:
    """Make all of the layer at its unfinished place; what was decided, and the bytes that it takes."""
    before, after = job.lowers(job.old_master), job.lowers(job.new_master)
    base, lower = Stack(before), Stack(after)
    upper = place.unfinished / "upper"
    there, copies = free(str(place.layers)), of_copies(changes)
    for directory in (place.unfinished, upper, place.unfinished / "work"):
        directory.mkdir()
    with Ahead(changes, base, lower, place.unfinished / "ahead") as ahead:
        if fits(copies, there):
            ahead.begin()
        sides, accounts = gather(base, Stack([job.old_upper, *before]), lower, changes)
        decisions = decide(sides, accounts)
        wanted = needed(sides, decisions)
        if not fits(wanted + copies, there):
            ahead.give_up()
        _make_room(place, wanted, there)
        build(sides, decisions, str(upper), ahead)
    return decisions, verify(decisions, str(upper), Stack([upper, *after]))


def _check(job: Job) -> None:
    for master, name, master_id in ((job.old_master, "old", job.old_id), (job.new_master, "new", job.new_id)):
        if not _MASTER_ID.fullmatch(master_id) or master_id.endswith((".new", ".old")):
            raise Refusal(f"{master_id!r} is no master id")
        there = _master_id(master)
        if there != master_id:
            raise Refusal(f"The {name} master at {master} is {there or 'no master'}, not {master_id}")
    if job.old_id == job.new_id:
        raise Refusal(f"Master {job.old_id} is old and new: there is nothing to rebase")
    if not job.old_upper.is_dir():
        raise Refusal(f"The overlay has no layer of master {job.old_id} that could be rebased")


def _master_id(master: Path) -> str:
    try:
        return (master / "etc" / "skinnybox" / "master-id").read_text().strip()
    except (OSError, ValueError):
        return ""


def _report(layer: Path) -> dict[str, Any] | None:
    """The report of a layer that a rebase made; None of others."""
    try:
        found = json.loads((layer / REPORT).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "numbers" in found else None


def _make_room(place: Place, wanted: Room, there: Room) -> None:
    """Refuse when the disk is too small; an abandoned layer of the same master goes first where both do not fit."""
    if fits(wanted, there):
        return
    abandoned = used(str(place.layer)) if place.layer.exists() else Room(0, 0)
    there += abandoned
    if fits(wanted, there):
        place.give_up()
        return
    raise Refusal(
        f"The overlay disk is too full for the new layer: it takes {_mib(wanted.bytes)} and {wanted.inodes} inodes, "
        f"{_mib(there.bytes)} and {there.inodes} inodes are free; grow the disk by {_mib(grow_by(wanted, there))}"
    )


def _mib(size: int) -> str:
    return f"{-(-size // 2**20)} MiB"


def _write_report(job: Job, directory: Path, decisions: Decisions, numbers: dict[str, Any]) -> None:
    report = {
        "format": _FORMAT,
        "request": job.request,
        "from": job.old_id,
        "to": job.new_id,
        "numbers": numbers,
        **as_data(decisions),
        "text": as_text(decisions),
    }
    (directory / REPORT).write_text(json.dumps(report, indent=1) + "\n")
    (directory / ORIGIN).write_text(f"from={job.old_id}\nrequest={job.request}\n")
