# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer a VM pool or master image at a time, whichever controller it runs on.

``add_to_other_config`` fails when the key is there (MAP_DUPLICATE_KEY), atomically: XAPI's own storage manager
locks so. The key is on the host pool, its value says who holds the lock, so that a dead owner's can be taken over.
"""
from __future__ import annotations

import json
import os
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Iterator, Mapping

from ..model.labels import PREFIX
from ..model.records import HostPool
from ..xapi.client import Client
from ..xapi.errors import ApiFailure, XapiError

#: Seconds after which the lock of an owner on another machine, whom we cannot see, counts as left behind.
STALE = 2 * 3600

#: Seconds after which a waiting run looks anew whether the holder still lives.
LOOK_AGAIN = 5.0


#: States of processes that only wait to be forgotten (proc(5), field 3).
_ENDED = ("Z", "X")


class Locked(XapiError):
    """Somebody else is changing the same thing."""


@contextmanager
def locked(client: Client, pool: HostPool, what: str, patience: float) -> Iterator[None]:
    """Hold the lock of ``what``, such as ``VM pool web``, after waiting for it at most ``patience`` seconds.

    Raises Locked, XapiError.
    """
    key = _key(what)
    value = json.dumps({**_me(), "since": int(time.time())}, sort_keys=True)
    _acquire(client, pool.ref, key, value, what, patience)
    try:
        yield
    finally:
        with suppress(XapiError):
            _remove(client, pool.ref, key, value)


def drop_dead_lock(client: Client, pool: HostPool, what: str) -> None:
    """Remove the lock of a run that was killed after its work was done. Raises XapiError."""
    held = pool.other_config.get(_key(what))
    if held is not None and _is_dead(_parse(held)):
        _remove(client, pool.ref, _key(what), held)


def _key(what: str) -> str:
    return f"{PREFIX}lock:{what}"


def _remove(client: Client, pool: str, key: str, value: str) -> None:
    """Remove a lock only if it is still the one that was seen."""
    if client.call("pool.get_other_config", pool).get(key) == value:
        client.call("pool.remove_from_other_config", pool, key)


def _acquire(client: Client, pool: str, key: str, value: str, what: str, patience: float) -> None:
    """Add the key, waiting for a living holder: the module of a playbook that was killed goes on and ends soon."""
    deadline = time.monotonic() + patience
    token = ""
    while True:
        try:
            client.call("pool.add_to_other_config", pool, key, value)
            return
        except ApiFailure as failure:
            if failure.code != "MAP_DUPLICATE_KEY":
                raise
        held = client.call("pool.get_other_config", pool).get(key)
        if held is None:
            continue
        owner = _parse(held)
        if _is_dead(owner):
            # Whoever comes first adds the key anew.
            _remove(client, pool, key, held)
            continue
        left = deadline - time.monotonic()
        if left <= 0:
            raise Locked(_is_held(what, key, owner))
        token = client.call("event.from", ["pool"], token, min(LOOK_AGAIN, left))["token"]


def _is_held(what: str, key: str, owner: Mapping[str, Any]) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(int(owner.get("since", 0))))
    return (
        f"{what} is being changed by process {owner.get('pid')} on {owner.get('host')} since {since}. Wait for it; if "
        f"it is dead, remove the key {key!r} from other_config of the pool."
    )


def _me() -> dict[str, Any]:
    """Who we are: a process id means something only within one boot and one pid namespace."""
    return {
        "host": socket.gethostname(),
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "namespace": str(Path("/proc/self/ns/pid").readlink()),
        "pid": os.getpid(),
        "started": _start_time(os.getpid()),
    }


def _start_time(pid: int) -> str:
    """When a living process started, in clock ticks since boot (proc(5), field 22): pids are used again.

    One that has ended and nobody has waited for is not living: in a container that may never happen.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in _ENDED else fields[19]
    except (OSError, IndexError):
        return ""


def _parse(value: str) -> dict[str, Any]:
    try:
        owner = json.loads(value)
    except ValueError:
        owner = {}
    return owner if isinstance(owner, dict) else {}


def _is_dead(owner: dict[str, Any]) -> bool:
    me = _me()
    if (owner.get("boot"), owner.get("namespace")) == (me["boot"], me["namespace"]):
        return not owner.get("started") or _start_time(int(owner.get("pid", 0))) != owner["started"]
    return time.time() - int(owner.get("since", 0)) > STALE
