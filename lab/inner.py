# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls that the server makes of itself, as XAPI does when one operation is made of others."""

from __future__ import annotations

import inspect
import logging
from typing import Any

from lab.errors import Failure
from lab.registry import HANDLERS
from lab.world import Call

LOG = logging.getLogger("lab")


async def call(outer: Call, name: str, *arguments: Any) -> Any:
    """The answer to a call by its wire name, as part of what outer does. Raises Failure."""
    answer = HANDLERS[name](outer, *arguments)
    return await answer if inspect.isawaitable(answer) else answer


async def try_call(outer: Call, name: str, *arguments: Any) -> None:
    """Like call, for cleaning up: a failure is logged and no more."""
    try:
        await call(outer, name, *arguments)
    except Failure as failure:
        LOG.info("%s while cleaning up: %s", name, failure.description)
