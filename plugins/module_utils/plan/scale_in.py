# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instances go when there are more than declared. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Sequence

from ..model.instances import Instance
from ..model.records import NULL
from .refusal import Refused
from .spec import VmPoolSpec

_REASONS = {
    "newest": "newest first",
    "oldest": "oldest first",
    "host": "from the host with most of them",
    "named": "named in scale_in.instances",
}


def surplus(spec: VmPoolSpec, present: Sequence[Instance]) -> list[Instance]:
    """The instances that go, in the order in which they were chosen; `present` are by number.

    Raises Refused when those that are named are not exactly as many as must go.
    """
    count = max(0, len(present) - spec.size)
    order = spec.scale_in.order
    if order == "named":
        return _named(spec, present, count)
    if order == "host":
        return _from_fullest_hosts(present, count)
    by_age = list(present) if order == "oldest" else list(reversed(present))
    return by_age[:count]


def reason(spec: VmPoolSpec) -> str:
    """Why they go, for people."""
    return f"{spec.size} declared, {_REASONS[spec.scale_in.order]}"


def _named(spec: VmPoolSpec, present: Sequence[Instance], count: int) -> list[Instance]:
    """Those named that are still there: a run that was killed may have removed some of them."""
    named = [instance for instance in present if instance.name in spec.scale_in.instances]
    if len(named) == count:
        return named
    gone = [name for name in spec.scale_in.instances if name not in [instance.name for instance in named]]
    raise Refused(
        f"VM pool {spec.name!r}: scale_in.instances names {len(named)} of its {len(present)} instances, and {count} "
        f"must go to leave {spec.size}. Name exactly those that are to go, or change size."
        + (f" Not there: {', '.join(gone)}." if gone else "")
    )


def _from_fullest_hosts(present: Sequence[Instance], count: int) -> list[Instance]:
    """First those that run nowhere, then always one from the host that has most of those left; the newest there."""
    left = list(present)
    going: list[Instance] = []
    while len(going) < count:
        hosts = Counter(instance.vm.host for instance in left)
        del hosts[NULL]
        most = max(hosts.values(), default=0)
        fullest = {NULL} if len(left) > hosts.total() else {host for host, many in hosts.items() if many == most}
        going.append(next(instance for instance in reversed(left) if instance.vm.host in fullest))
        left.remove(going[-1])
    return going
