# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m skinnybox.rebase``: as the boot hook runs it, in the new master."""

from __future__ import annotations

import argparse
import gc
import sys
import traceback
from pathlib import Path

from ..layers.upper import ForeignLayer
from .refusal import Refusal
from .run import Job, rebase

_LONGEST = 1000  # characters of the sentence that says why not


def main() -> int:
    """Make the new layer and print its numbers on one line; or print one sentence on stderr, and return 1."""
    gc.disable()  # nothing here makes cycles; to look for them takes a tenth of the time
    options = _options()
    job = Job(
        Path(options.overlay),
        Path(options.old_master),
        Path(options.new_master),
        options.from_id,
        options.to_id,
        options.request,
    )
    try:
        numbers = rebase(job)
    except (Refusal, ForeignLayer) as problem:
        return _fail(str(problem))
    except OSError as problem:
        return _fail(f"The new layer could not be made: {problem}; the old layer is as it was")
    except Exception as problem:
        place = traceback.extract_tb(problem.__traceback__)[-1]
        where = f"{Path(place.filename).name} line {place.lineno}"
        return _fail(f"A fault of the rebase tool ({where}): {problem!r}; the old layer is as it was")
    sys.stdout.write(";".join(f"{name}={value}" for name, value in numbers.items()) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="skinnybox.rebase", description="Carry a layer to another master version.")
    parser.add_argument("--overlay", required=True, help="where the overlay disk is mounted")
    parser.add_argument("--old-master", required=True, help="where the root of the old master is mounted")
    parser.add_argument("--new-master", required=True, help="where the root of the new master is mounted")
    parser.add_argument("--from", required=True, dest="from_id", help="id of the old master")
    parser.add_argument("--to", required=True, dest="to_id", help="id of the new master")
    parser.add_argument("--request", required=True, help="uuid of the upgrade: the same one is done once")
    return parser.parse_args()


def _fail(sentence: str) -> int:
    sys.stderr.write(" ".join(sentence.split())[:_LONGEST] + "\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
