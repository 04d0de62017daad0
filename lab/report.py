# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab tells a person: where it runs, with which guests, which calls reached it."""

from __future__ import annotations

from typing import Any

from lab import background
from lab.state import State


def status(state: State) -> dict[str, Any]:
    """Whether the lab runs, how to reach it, and its guests."""
    running = state.running()
    found: dict[str, Any] = {"running": running is not None, "state": str(state.directory)}
    if running is None:
        return found
    found.update(
        pid=running.pid,
        url=running.urls[0],
        urls=running.urls,
        pools=running.pools,
        user=running.user,
        password_file=str(state.password_file),
        ca=str(state.certificates.authority),
        fingerprint=state.certificates.fingerprint(),
        log=str(state.log),
    )
    found.update(background.ask(running, "GET", "/lab/guests"))
    found["hosts"] = background.ask(running, "GET", "/lab/hosts")
    return found


def text(found: dict[str, Any]) -> str:
    """A status as lines for a person."""
    if not found["running"]:
        return f"No lab runs in {found['state']}."
    lines = [f"  url           {'  '.join(urls)}" for urls in found["pools"] or [found["urls"]]]
    lines += [
        f"  user          {found['user']}",
        f"  password      in {found['password_file']}",
        f"  certificate   {found['ca']}",
        f"  fingerprint   {found['fingerprint']}",
        f"  state         {found['state']} (server {found['pid']}, log {found['log']})",
    ]
    if len(found["hosts"]) > 1:
        lines += [f"  host          {_host(host)}" for host in found["hosts"]]
    if found["accelerator"]:
        lines.append(f"  guests        run with {found['accelerator']}, SSH at port {found['ssh_port']}")
    for guest in found["guests"]:
        lines.append(f"    {guest['power_state']:9} {guest['name']:32} {guest['address']:16} {guest['console']}")
    return "\n".join(lines)


def _host(found: dict[str, Any]) -> str:
    part = "coordinator" if found["coordinator"] else "member"
    return f"{found['address']:16} {found['name']:16} {part:12} {'on' if found['on'] else 'off'}"


def calls(found: dict[str, Any]) -> str:
    """The counts of calls, writes first, as lines for a person."""
    lines = [f"{found['total']} calls"]
    for kind in ("writes", "reads"):
        lines.append(f"{kind}: {sum(found[kind].values())}")
        lines += [f"  {count:6} {method}" for method, count in sorted(found[kind].items())]
    return "\n".join(lines)
