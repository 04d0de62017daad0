# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab in a process of its own, as a test uses it: its address, its call log, its faults, a plain XAPI client."""

from __future__ import annotations

import atexit
import functools
import json
import os
import ssl
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import XenAPI

from .nursery import Nursery, Process

ROOT = Path(__file__).parents[2]
PASSWORD = "laboratory"


@dataclass
class Lab:
    """A running lab. The session is the XenAPI SDK's own: a client that has never heard of Skinnybox."""

    url: str
    process: Process | subprocess.Popen[str]
    context: ssl.SSLContext | None = None  # with TLS, what trusts its certificate
    session: Any = None
    control_url: str = ""  # where the lab's own channel is asked, when not at the url

    @property
    def xapi(self) -> Any:
        """Calls without a session argument, logged in as root."""
        if self.session is None:
            self.session = XenAPI.Session(self.url)
            self.session.xenapi.login_with_password("root", PASSWORD, "1.0", "tests")
        return self.session.xenapi

    def calls(self) -> dict[str, Any]:
        """Counts and log of the calls since the last reset; the tests' own ones among them."""
        found: dict[str, Any] = self._control("GET", "calls")
        return found

    def writes(self) -> list[str]:
        """Methods of the writing calls since the last reset, in order."""
        return [entry["method"] for entry in self.calls()["log"] if entry["write"]]

    def reset_calls(self) -> None:
        """Begin to count anew."""
        self._control("DELETE", "calls")

    def fault(self, **fault: Any) -> None:
        """Make a later call fail, see lab/control.py."""
        self._control("POST", "faults", fault)

    def faults(self) -> list[dict[str, Any]]:
        """Those that still wait for their call."""
        found: list[dict[str, Any]] = self._control("GET", "faults")
        return found

    def clear_faults(self) -> None:
        """No faults any more."""
        self._control("DELETE", "faults")

    def pace(self, **seconds: float) -> dict[str, float]:
        """Have operations last so long, all others no time at all; what is under way keeps to it, too."""
        found: dict[str, float] = self._control("PUT", "pace", seconds)
        return found

    def sessions(self) -> list[dict[str, Any]]:
        """Who is logged in: originator, user, time of the last call."""
        found: list[dict[str, Any]] = self._control("GET", "sessions")
        return found

    def expire_sessions(self, originator: str = "") -> int:
        """End all sessions, or those of one originator; how many those were."""
        query = f"?{urllib.parse.urlencode({'originator': originator})}" if originator else ""
        return int(self._control("DELETE", f"sessions{query}")["expired"])

    def fill(self, sr_uuid: str, free: int | None) -> None:
        """Leave a repository so many bytes; None takes the filling away."""
        self._control("PUT", f"srs/{sr_uuid}", {"free": free})

    def fail_boot(self, vm_uuid: str, fails: bool = True) -> None:
        """Let the guest find nothing to boot from at its next starts, or boot again."""
        self._control("PUT", f"vms/{vm_uuid}", {"boot": "fails" if fails else "works"})

    def at(self, address: str) -> str:
        """The lab's URL at the address of another host."""
        parts = urllib.parse.urlsplit(self.url)
        return f"{parts.scheme}://{address}:{parts.port}"

    def hosts(self) -> list[dict[str, Any]]:
        """All hosts: pool, uuid, name, address, coordinator, on, live."""
        found: list[dict[str, Any]] = self._control("GET", "hosts")
        return found

    def kill_host(self, uuid: str, **how: Any) -> None:
        """A host loses its power; with seconds=s it comes back, with noticed=False the database does not know."""
        self._control("POST", f"hosts/{uuid}/die", how)

    def revive_host(self, uuid: str) -> None:
        """It gets its power back."""
        self._control("POST", f"hosts/{uuid}/revive")

    def _control(self, verb: str, what: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.control_url or self.url}/lab/{what}",
            data=data,
            method=verb,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30, context=self.context) as answer:
            text = answer.read()
        return json.loads(text) if text else {}


@functools.cache
def nursery() -> Nursery:
    """The process from which this test process has its labs forked."""
    made = Nursery({**os.environ, "LAB_PASSWORD": PASSWORD}, ROOT)
    atexit.register(made.close)
    return made


def start_lab(*arguments: str, ca: Path | None = None) -> Lab:
    """Start a fresh lab in memory and wait until it answers; with ``ca`` over TLS, its authority in that file."""
    if ca:
        arguments = (*arguments, "--tls", "--ca", str(ca))
    process = nursery().start("serve", "--port", "0", "--without-guests", *map(str, arguments))
    line = process.read_line()
    assert line.startswith("READY "), f"the lab did not start: {line!r}"
    return Lab(line.split()[1], process, ssl.create_default_context(cafile=ca) if ca else None)


def stop_lab(lab: Lab) -> None:
    """End the lab's process."""
    lab.process.terminate()
    lab.process.wait(timeout=20)


@contextmanager
def new_lab(*arguments: str, ca: Path | None = None) -> Iterator[Lab]:
    """A fresh lab, see start_lab(), ended at the end."""
    lab = start_lab(*arguments, ca=ca)
    try:
        yield lab
    finally:
        stop_lab(lab)
