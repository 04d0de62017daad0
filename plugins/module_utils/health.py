# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the system that this runs on is healthy, as systemd and dpkg tell it."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Sequence

#: States in which systemd still works on what was asked for at boot.
_BUSY = ("initializing", "starting")
#: States of a unit that may yet become active.
_ON_ITS_WAY = ("activating", "reloading", "inactive", "deactivating")
_LOOK_AGAIN = 1.0  # seconds
#: Nothing that is asked here takes long, however slow the machine.
_PATIENCE = 120.0

Run = Callable[[Sequence[str]], str]


class NotAskable(Exception):
    """systemd or dpkg cannot be asked."""


@dataclass(frozen=True)
class Health:
    """One look at the system. ``state`` is systemd's word for it, ``audit`` names packages that dpkg finds broken."""

    state: str
    failed: tuple[str, ...]  # units
    inactive: dict[str, str]  # state of those units that ought to be active and are not
    audit: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """All that is wrong, a sentence each."""
        found = [] if self.state in ("running", "degraded") else [f"systemd is {self.state}"]
        found += [f"unit {unit} has failed" for unit in self.failed]
        found += [f"unit {unit} is {state}" for unit, state in self.inactive.items() if unit not in self.failed]
        return found + [f"package {package} is not whole (dpkg --audit)" for package in self.audit]

    @property
    def is_on_its_way(self) -> bool:
        """Whether what is wrong may pass by itself."""
        return self.state in _BUSY or any(state in _ON_ITS_WAY for state in self.inactive.values())


def look(units: Sequence[str], run: Run) -> Health:
    """Look once, at systemd alone. Raises NotAskable."""
    # Exits with 1 whenever the state is not "running".
    state = run(["systemctl", "is-system-running"]).strip()
    listed = run(["systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--full"])
    states = run(["systemctl", "is-active", "--", *units]).split() if units else []
    if not state or len(states) != len(units):
        raise NotAskable("systemctl gives no answer: this system does not run systemd, or it is shutting down.")
    return Health(
        state=state,
        failed=tuple(line.split()[0] for line in listed.splitlines() if line.strip()),
        inactive={unit: state for unit, state in zip(units, states, strict=True) if state != "active"},
    )


def _audited(text: str) -> list[str]:
    """Packages in what ``dpkg --audit`` says: explanations stand at the line's beginning, packages after a blank."""
    return sorted({line.split()[0] for line in text.splitlines() if line.startswith(" ") and line.strip()})


def wait_until_settled(units: Sequence[str], timeout: float, known: Sequence[str], run: Run) -> Health:
    """Look until nothing but ``known`` problems is left, or what is wrong will not pass by itself, or time is up.

    ``timeout`` is seconds. Raises NotAskable.
    """
    deadline = time.monotonic() + timeout
    while True:
        health = look(units, run)
        is_well = set(health.problems) <= set(known)
        if is_well or not health.is_on_its_way or time.monotonic() >= deadline:
            # dpkg's answer takes seconds on a slow machine, and does not change by waiting.
            return replace(health, audit=tuple(_audited(run(["dpkg", "--audit"]))))
        time.sleep(_LOOK_AGAIN)


def boot_id() -> str:
    """What is another one after each boot, as the kernel makes it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def run_command(words: Sequence[str]) -> str:
    """What a command prints, whatever its exit status. Raises NotAskable when it cannot be run."""
    try:
        return subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise NotAskable(f"{words[0]} cannot be run here: {problem}") from None
