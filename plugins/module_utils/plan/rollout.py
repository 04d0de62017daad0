# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a VM pool moves to another master version: word ``rollout`` of its declaration. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping

from .refusal import Refused
from .sizes import show_size

_NUMBER_OR_SHARE = re.compile(r"(\d+)\s*(%?)")
_DURATION = re.compile(r"(\d+)\s*(s|m|min|h)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "min": 60, "h": 3600}
#: What systemd calls a unit, or an instance of a template.
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+")


@dataclass(frozen=True)
class Health:
    """What an instance must show before it counts as upgraded; ``timeout`` in seconds."""

    units: tuple[str, ...]
    tasks: str | None  # file with tasks of the user's own
    timeout: int


@dataclass(frozen=True)
class Rollout:
    """Numbers of instances are whole numbers, or shares such as ``25%`` of all that move; ``bake_time`` in seconds."""

    canary: str
    batch: str
    max_failures: int
    bake_time: int
    health: Health
    max_conflicts: int
    max_dangers: int

    @property
    def serial(self) -> list[int | str]:
        """The batches, as Ansible's word ``serial`` has them: the last one is repeated."""
        sizes = [self.batch] if self.canary in ("0", "0%") else [self.canary, self.batch]
        return [size if size.endswith("%") else int(size) for size in sizes]


def parse_rollout(options: Mapping[str, Any]) -> Rollout:
    """Check the words of a rollout (as in options.ROLLOUT_OPTIONS). Raises Refused, naming the word."""
    health = options.get("health") or {}
    return Rollout(
        canary=_number_or_share(options["canary"], 0, "rollout.canary"),
        batch=_number_or_share(options["batch"], 1, "rollout.batch"),
        max_failures=_at_least(options["max_failures"], 1, "rollout.max_failures"),
        bake_time=_duration(options["bake_time"], 0, "rollout.bake_time"),
        health=Health(
            units=tuple(_unit(unit) for unit in health.get("units") or ()),
            tasks=health.get("tasks") or None,
            timeout=_duration(health.get("timeout", 300), 1, "rollout.health.timeout"),
        ),
        max_conflicts=_at_least(options["max_conflicts"], 0, "rollout.max_conflicts"),
        max_dangers=_at_least(options["max_dangers"], 0, "rollout.max_dangers"),
    )


def _number_or_share(value: Any, least: int, word: str) -> str:
    match = None if isinstance(value, bool) else _NUMBER_OR_SHARE.fullmatch(str(value).strip())
    if not match:
        raise Refused(f"{word}: {value!r} is neither a number of instances nor a share such as 25%.")
    number, unit = int(match[1]), match[2]
    if number < least or (unit and number > 100):
        raise Refused(f"{word}: {value} is not possible; at least {least}{unit}{', at most 100%' if unit else ''}.")
    return f"{number}{unit}"


def _duration(value: Any, least: int, word: str) -> int:
    match = None if isinstance(value, bool) else _DURATION.fullmatch(str(value).strip())
    if not match:
        raise Refused(f"{word}: {value!r} is no time; write seconds, or a number with its unit: 90 s, 10 min, 1 h.")
    return _at_least(int(match[1]) * _SECONDS[match[2]], least, word)


def _at_least(value: int, least: int, word: str) -> int:
    if value < least:
        raise Refused(f"{word}: {value} is not possible; at least {least}.")
    return value


def _unit(name: str) -> str:
    if not _UNIT.fullmatch(name) or name.startswith("-"):
        raise Refused(f"rollout.health.units: {name!r} is no name of a systemd unit.")
    return name if "." in name else f"{name}.service"


def reasons(rollout: Mapping[str, Any], preview: Mapping[str, Any], health: Mapping[str, Any]) -> list[str]:
    """Why an instance should not move, a sentence part each; empty when nothing speaks against it.

    ``rollout`` is as filter rollout gives it, ``preview`` the result of rebase_info, ``health`` that of health_info.
    """
    found = [f"unit {unit} is not active now" for unit in health.get("inactive_units", ())]
    if not preview.get("fits", True):
        found.append(
            f"its overlay is too full for the new layer; let it grow by {show_size(preview['grow_by'])} at least "
            "(module overlay_disk), or free space in it"
        )
    for what in ("dangers", "conflicts"):
        number, most = preview.get(what, 0), rollout[f"max_{what}"]
        if number > most:
            found.append(f"{number} {what if number > 1 else what[:-1]} ({most} allowed, rollout.max_{what})")
    return found


#: Numbers that the boot hook reports after a rebase, in the order in which they are told.
_NUMBERS = ("kept", "merged", "dropped", "conflicts", "dangers")


def story(result: Mapping[str, Any], origin: str, target: str) -> str:
    """What an upgrade was like, of the result of module instance: ``noble:7 -> noble:8, down for 41.2 s; kept 12``."""
    instance = result.get("instance") or {}
    if origin == target:  # a run that was killed had brought it no further
        return f"on {target}, " + ("what was interrupted is finished" if result.get("changed") else "as before")
    told = f"{origin} -> {target}"
    if isinstance(result.get("downtime"), (int, float)):
        told += f", down for {result['downtime']:.1f} s"
    if f"{instance.get('master')}:{instance.get('version')}" != target:
        return told  # of check mode: what the last boot reported is of another version
    if instance.get("power_state") == "Halted":
        return f"{told} at its next start: it is halted"
    boot = instance.get("boot") or {}
    numbers = [f"{name} {boot[name]}" for name in _NUMBERS if name in boot and boot.get("layer") == "rebased"]
    return f"{told}; {', '.join(numbers)}" if numbers else told
