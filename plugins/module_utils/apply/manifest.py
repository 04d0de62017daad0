# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch the manifest of a master version from its boot CD, and keep it in a file of the controller."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..golden.manifest import check_manifest, read_manifest
from ..golden.reader import NotGoldenError
from ..model.masters import Copy, MasterVersion
from ..plan.refusal import Refused
from ..xapi.client import Client
from ..xapi.errors import XapiError
from ..xapi.streams import export_raw


def kept_manifest(path: Path, master_id: str) -> bool:
    """Whether the file is there and holds the whole manifest of that master. Raises OSError."""
    if not path.exists():
        return False
    try:
        check_manifest(path.read_bytes(), master_id)
    except NotGoldenError:
        return False
    return True


def fetch_manifest(client: Client, version: MasterVersion) -> bytes:
    """Read the compressed manifest from the first boot CD of the version's copies that can be read.

    Raises Refused when a boot CD is another master's or has no manifest, XapiError when none can be read.
    """
    problem: XapiError | None = None
    for copy in version.copies:
        try:
            return _read(client, version, copy)
        except XapiError as failure:
            problem = problem or failure  # another copy may lie on an SR that can be reached
    raise problem or Refused(f"Master image {version.title} has lost its boot CD. Publish a new version.")


def _read(client: Client, version: MasterVersion, copy: Copy) -> bytes:
    if copy.boot is None:
        raise Refused(f"Master image {version.title} has lost its boot CD. Publish a new version.")
    with export_raw(client, copy.boot.ref) as reader:
        try:
            return read_manifest(reader, version.master_id)
        except NotGoldenError as problem:
            raise Refused(
                f"Master image {version.title}: its boot CD {copy.boot.name!r} ({copy.boot.uuid}) has no manifest that "
                f"can be used. {problem} Seal the golden VM again and publish a new version."
            ) from None


def keep_manifest(path: Path, content: bytes) -> None:
    """Write it so that whoever reads the file finds all of it or nothing. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not beside it under a fixed name: several host pools may fetch the same version at once.
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
