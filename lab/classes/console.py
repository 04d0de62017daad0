# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""console: XAPI makes and removes consoles with their VMs; nobody else does."""

from __future__ import annotations

from typing import Any

from lab.errors import Failure
from lab.registry import implements
from lab.world import Call


@implements("console.create")
def create(call: Call, record: dict[str, Any]) -> str:
    raise Failure("NOT_IMPLEMENTED", "Console.create")


@implements("console.destroy")
def destroy(call: Call, console: str) -> None:
    raise Failure("NOT_IMPLEMENTED", "Console.destroy")
