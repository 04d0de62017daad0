# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of planning: what was asked for cannot be, and nothing has been written."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator


class Refused(Exception):
    """Bad input, or a host pool in which the wish cannot be met. The text is meant for people."""


@contextmanager
def of_vm_pool(name: str) -> Iterator[None]:
    """Refusals within the block name the VM pool that they are about."""
    try:
        yield
    except Refused as refusal:
        text, title = str(refusal), f"VM pool {name!r}"
        raise Refused(text if text.startswith(title) else f"{title}: {text}") from None
