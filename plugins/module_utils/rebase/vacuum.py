# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vacuum: remove from a layer what is needless in it. Run by the boot hook, before the layer is mounted.

    python3 -m skinnybox.rebase.vacuum --overlay DIR --master DIR --id MASTER_ID

The guest asks for it with the file ``vacuum`` beside the layer's upper directory; the result is ``vacuum.json``
there. When it is killed, the next run goes on: every single step leaves the tree that the mount shows as it was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Iterable, Sequence

from ..layers.durable import sync_file_system, write_durably
from ..layers.stack import Stack
from ..layers.upper import ForeignLayer
from .defaults import is_cache
from .needless import Kind, Needless, find_needless

_OPAQUE = "trusted.overlay.opaque"
REQUEST, RESULT = "vacuum", "vacuum.json"


class VacuumRefused(Exception):
    """Nothing was removed; the message says why."""


def lowers(overlay: Path, master: Path) -> list[str]:
    """The lower directories of an instance, topmost first, as the boot hook mounts them."""
    own = [overlay / name for name in ("identity", "personality")]
    return [*(str(path) for path in own if path.is_dir()), str(master)]


def needless_in(overlay: Path, master: Path, master_id: str) -> list[Needless]:
    """What a vacuum of the layer of this master version would remove. Reads only.

    Raises VacuumRefused when there is no such layer or overlayfs was used with options that are not ours.
    """
    upper = overlay / "layers" / master_id / "upper"
    if not upper.is_dir():
        raise VacuumRefused(f"The overlay has no layer of master {master_id}.")
    try:
        return find_needless(str(upper), Stack(lowers(overlay, master)), _is_dispensable)
    except ForeignLayer as problem:
        raise VacuumRefused(str(problem)) from problem


def summary(needless: Iterable[Needless]) -> dict[str, int]:
    """Number of what is needless by kind, and ``bytes`` that the disk gets back."""
    needless = list(needless)
    counts = Counter(one.kind for one in needless)
    words = {
        Kind.COPY: "copies",
        Kind.WHITEOUT: "whiteouts",
        Kind.OPAQUE: "opaque",
        Kind.DIRECTORY: "directories",
        Kind.CACHE: "caches",
    }
    return {"bytes": sum(one.bytes for one in needless), **{word: counts[kind] for kind, word in words.items()}}


def vacuum(overlay: Path, master: Path, master_id: str) -> dict[str, Any]:
    """Remove what is needless in a layer that is not mounted, and return the result that is written beside it.

    The result has what :func:`summary` counts, ``request`` (of the request file), ``time`` (seconds since 1970) and
    ``seconds``. Raises VacuumRefused before anything is removed, OSError.
    """
    layer = overlay / "layers" / master_id
    begun = time.monotonic()
    request = _read(layer / REQUEST)
    earlier = read_result(layer)
    if request and earlier.get("request") == request and earlier.get("done"):
        (layer / REQUEST).unlink()
        return earlier
    _refuse_mounted(layer / "upper")
    needless = needless_in(overlay, master, master_id)
    result: dict[str, Any] = {"request": request, "done": False, **summary(needless)}
    if request and earlier.get("request") == request:
        # An earlier run was killed; what it had found includes what is left.
        result.update({name: earlier[name] for name in summary(())})
    write_durably(layer / RESULT, json.dumps(result))
    _remove(layer / "upper", needless)
    sync_file_system(layer)
    result.update(done=True, time=int(time.time()), seconds=round(time.monotonic() - begun, 3))
    write_durably(layer / RESULT, json.dumps(result))
    (layer / REQUEST).unlink(missing_ok=True)
    return result


def read_result(layer: Path) -> dict[str, Any]:
    """The result of the last vacuum of a layer, which may be one that was killed; empty when there was none."""
    try:
        return json.loads((layer / RESULT).read_text())
    except (OSError, ValueError):
        return {}


def _is_dispensable(path: str) -> bool:
    """Whether whoever misses the file makes it anew by himself; the caches below /usr and /etc are made by dpkg."""
    return path.startswith("/var/") and is_cache(path)


def _remove(upper: Path, needless: Iterable[Needless]) -> None:
    for one in needless:
        location = f"{upper}{one.path}"
        if one.kind is Kind.OPAQUE:
            os.removexattr(location, _OPAQUE)
        elif one.kind is Kind.DIRECTORY:
            Path(location).rmdir()
        else:
            Path(location).unlink()


def _refuse_mounted(upper: Path) -> None:
    """Raise VacuumRefused when overlayfs uses the directory, or when nobody can say whether it does."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as problem:
        raise VacuumRefused(f"The mounted file systems cannot be read: {problem}.") from problem
    for line in mounts.splitlines():
        kind, _device, options = line.partition(" - ")[2].split(" ", 2)
        used = [word.removeprefix("upperdir=") for word in options.split(",") if word.startswith("upperdir=")]
        if kind == "overlay" and used and _is_same(used[0], upper):
            raise VacuumRefused(f"The layer {upper.parent.name} is mounted; a vacuum runs before that, at a boot.")


def _is_same(used: str, upper: Path) -> bool:
    used = used.encode(errors="surrogateescape").decode("unicode_escape")  # blanks are octal escapes there
    try:
        return Path(used).samefile(upper)
    except OSError:  # a path of before a chroot; its end tells
        return Path(used).parts[-3:] == upper.parts[-3:]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: numbers on standard output, or one sentence on standard error and exit status 1."""
    parser = argparse.ArgumentParser(prog="skinnybox.rebase.vacuum")
    parser.add_argument("--overlay", type=Path, required=True)
    parser.add_argument("--master", type=Path, required=True)
    parser.add_argument("--id", required=True)
    given = parser.parse_args(arguments)
    try:
        result = vacuum(given.overlay, given.master, given.id)
    except (VacuumRefused, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(";".join(f"{name}={result[name]}" for name in (*summary(()), "seconds")) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
