# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the behaviour of classes is written down: which function answers which call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Handler = Callable[..., Any]
Function = TypeVar("Function", bound=Handler)

#: wire name -> function of (call, *parameters), plain or async, answering a kept value
HANDLERS: dict[str, Handler] = {}


def implements(*names: str) -> Callable[[Function], Function]:
    """Let the function answer the calls with these wire names, in place of what is generated."""

    def register(function: Function) -> Function:
        for name in names:
            assert name not in HANDLERS, f"{name} is implemented twice"
            HANDLERS[name] = function
        return function

    return register
