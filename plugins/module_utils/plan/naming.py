# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and numbers of instances. Pure."""
from __future__ import annotations

import re
from typing import Iterable, Iterator

from .refusal import Refused

DEFAULT_TEMPLATE = "{pool}-{number:03d}"

#: A name is also the hostname, so it must be one (RFC 1123), of at most 64 characters (Linux).
_HOSTNAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


def instance_name(template: str, pool: str, number: int) -> str:
    """Fill a template such as ``{pool}-{number:03d}``. Raises Refused when it gives no hostname."""
    try:
        name = template.format(pool=pool, number=number)
    except (KeyError, IndexError, ValueError, AttributeError):
        raise Refused(f"instance_name: {template!r} may use only {{pool}} and {{number}}.") from None
    if len(name) > 64 or not _HOSTNAME.fullmatch(name):
        raise Refused(
            f"VM pool {pool!r}: {name!r} is no hostname; only lower-case letters, digits, dots and inner hyphens."
        )
    return name


def check_template(template: str, pool: str) -> None:
    """Refuse a template that gives two instances one name or no hostname."""
    if instance_name(template, pool, 1) == instance_name(template, pool, 2):
        raise Refused(f"instance_name: {template!r} gives every instance the same name; use {{number}} in it.")


def number_of(template: str, pool: str, name: str) -> int | None:
    """The number with which a template gives this name; None when it never does."""
    numbers = (int(digits) for digits in re.findall(r"[0-9]+", name))
    return next((n for n in numbers if n > 0 and template.format(pool=pool, number=n) == name), None)


def free_numbers(used: Iterable[int]) -> Iterator[int]:
    """The numbers that are free, lowest first, without an end."""
    taken = set(used)
    number = 0
    while True:
        number += 1
        if number not in taken:
            yield number
