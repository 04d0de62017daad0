# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three-way merge of texts that both sides changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterable

from ..layers.entry import Type
from ..layers.tree import ContentUnknown
from . import entries
from .decision import Decision, Severity
from .outcome import ours_wins, taken_from, written
from .records import lines, merge_set
from .refusal import Refusal
from .sides import Sides

#: A file that is larger is nothing that people write.
LARGEST = 1 << 20
#: What the new master's text is called beside the instance's, as dpkg calls it: what reads directories leaves it alone.
COMPANION = ".dpkg-dist"
_LONGEST_NAME = 255  # bytes, in most file systems
#: Files that are sets: lines may be added at the same place, and their order does not matter.
SETS = frozenset({
    "/etc/at.deny", "/etc/ca-certificates.conf", "/etc/cron.allow", "/etc/cron.deny", "/etc/ftpusers", "/etc/modules",
    "/etc/securetty", "/etc/shells",
})  # fmt: skip


def merge(sides: Sides, path: str) -> Iterable[Decision]:
    """What becomes of a file that both sides changed: one decision, or two when the sides contradict each other.

    None when it is no text. Raises Refusal when diff3 is missing.
    """
    base, ours, theirs = (tree.entry(path) for tree in (sides.base, sides.ours, sides.theirs))
    if ours is None or theirs is None or {ours.type, theirs.type} != {Type.FILE}:
        return
    entry = entries.merge(base, ours, theirs)
    if max(ours.size, theirs.size) > LARGEST:
        return
    if base is not None and (base.type is not Type.FILE or base.size > LARGEST):
        base = None
    try:
        texts = [sides.ours.read(path), sides.base.read(path) if base else b"", sides.theirs.read(path)]
    except ContentUnknown:
        reason = "changed on both sides; whether the texts merge is unknown until then"
        yield written(sides, path, None, entry, "text-unknown", Severity.NOTE, reason)
        return
    if any(b"\0" in text for text in texts):
        return
    merged = merge_texts(*texts)
    if merged is None and path in SETS:
        merged = _merge_sets(*texts)
    if merged is not None:
        yield written(sides, path, merged, entry, "text-merged")
        return
    companion = path + COMPANION
    if len(os.fsencode(companion.rpartition("/")[2])) > _LONGEST_NAME:
        reason = "the same lines changed on both sides; the instance's text stays"
        yield ours_wins(sides, path, "text-conflict", Severity.CONFLICT, reason, entry)
        return
    reason = f"the same lines changed on both sides; the instance's text stays, the new master's is {companion}"
    yield ours_wins(sides, path, "text-conflict", Severity.CONFLICT, reason, entry)
    yield taken_from(sides, companion, path, "text-companion")


def merge_texts(ours: bytes, base: bytes, theirs: bytes) -> bytes | None:
    """The text with the changes of both sides; None when they contradict each other. Raises Refusal."""
    program = shutil.which("diff3")
    if program is None:
        raise Refusal("The program diff3 is missing where texts are to be merged: install the package diffutils.")
    with tempfile.TemporaryDirectory(prefix="skinnybox-") as directory:
        files = [Path(directory) / name for name in ("ours", "base", "theirs")]
        for file, text in zip(files, (ours, base, theirs), strict=True):
            file.write_bytes(text)
        # -E: the same change on both sides is no conflict
        run = subprocess.run([program, "-m", "-E", *files], capture_output=True, check=False)
    if run.returncode > 1:
        words = run.stderr.decode(errors="replace").strip()
        raise Refusal(f"The program diff3 could not compare texts: {words or f'exit status {run.returncode}'}.")
    return run.stdout if run.returncode == 0 else None


def _merge_sets(ours: bytes, base: bytes, theirs: bytes) -> bytes:
    """The lines of both sides, without what either removed."""
    before, mine, new = (lines(text.decode(errors="surrogateescape")) for text in (base, ours, theirs))
    merged = "".join(line + "\n" for line in merge_set(before, mine, new))
    return merged.encode(errors="surrogateescape")
