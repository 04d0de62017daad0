# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath over plain data. Pure."""

from __future__ import annotations

from typing import Any

from .refusal import Refused


def select(expression: str, data: Any, option: str) -> Any:
    """Apply an expression, the value of `option`. Raises Refused when it is malformed or jmespath is missing."""
    try:
        import jmespath
    except ImportError:
        raise Refused(
            f"{option} needs the Python library jmespath, which the controller's Python does not have: install it "
            "there (pip install jmespath)."
        ) from None
    try:
        return jmespath.search(expression, data)
    except jmespath.exceptions.JMESPathError as problem:
        raise Refused(f"{option}: {expression!r} is no JMESPath expression: {' '.join(str(problem).split())}") from None
