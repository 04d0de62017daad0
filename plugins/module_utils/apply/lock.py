# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer a VM pool or master image at a time, whichever controller it runs on.

``add_to_other_config`` fails when the key is there (MAP_DUPLICATE_KEY), atomically: XAPI's own storage manager
locks so. The key is on the host pool, its value says who holds the lock, so that a dead owner's can be taken over.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Iterator, Mapping, Sequence

from ..model.labels import PREFIX
from ..model.records import HostPool
from ..xapi.client import Client
from ..xapi.errors import ApiFailure, ConnectionLost, XapiError
from . import owner, takeover
from .heartbeat import beating, last_sign, signs_of
from .stopping import Stopped

#: Seconds after which a waiting run looks anew whether the holder still lives, and whether it is itself to stop.
LOOK_AGAIN = 2.0


class Locked(XapiError):
    """Somebody else is changing the same thing."""


@contextmanager
def locked(
    client: Client,
    pool: HostPool,
    what: str | Sequence[str],
    patience: float,
) -> Iterator[None]:
    """Hold the lock of ``what``, such as ``VM pool web``, or of several things, after waiting for it.

    Waits for each at most ``patience`` seconds. When a lock's owner is dead, XAPI may still be at what he asked
    for: that is waited for, too, so that the host pool read from now on does not change behind one's back.
    Raises Locked, Stopped, XapiError.
    """
    names = [what] if isinstance(what, str) else sorted(set(what))  # in one order, or two runs wait for each other
    with ExitStack() as held:
        for name in names:
            key, value = _key(name), owner.ourselves()
            is_taken_over = _acquire(client, pool.ref, key, value, name, patience)
            held.callback(_give_back, client, pool.ref, key, value)
            if is_taken_over:
                takeover.outlive(client, name, patience)
        held.enter_context(beating(client, pool.ref, names))
        yield


def is_left(pool: HostPool, what: str) -> bool:
    """Whether a run that was killed has left its lock."""
    value = pool.other_config.get(_key(what))
    return value is not None and owner.is_dead(owner.parse(value), last_sign(pool.other_config, what))


def _key(what: str) -> str:
    return f"{PREFIX}lock:{what}"


def _give_back(client: Client, pool: str, key: str, value: str) -> None:
    """Remove our lock, also when the first answer gets lost. What is not given back is taken over when we are dead."""
    with suppress(XapiError):
        try:
            _remove(client, pool, key, value)
        except ConnectionLost:
            _remove(client, pool, key, value)


def _remove(client: Client, pool: str, key: str, value: str) -> None:
    """Remove a lock only if it is still the one that was seen."""
    if client.read("pool.get_other_config", pool).get(key) == value:
        client.call("pool.remove_from_other_config", pool, key)


def _acquire(client: Client, pool: str, key: str, value: str, what: str, patience: float) -> bool:
    """Add the key, waiting for a living holder: the module of a playbook that was killed goes on and ends soon.

    Returns whether it was a dead one's.
    """
    deadline = time.monotonic() + patience
    token, is_taken_over = "", False
    while not _add(client, pool, key, value):
        keys = client.read("pool.get_other_config", pool)
        held = keys.get(key)
        if held == value:
            break  # it was our own addition whose answer got lost
        if held is None:
            continue
        holder = owner.parse(held)
        if owner.is_dead(holder, last_sign(keys, what)):
            # Whoever comes first adds the key anew.
            with suppress(ConnectionLost):
                for sign in signs_of(keys, what):
                    client.call("pool.remove_from_other_config", pool, sign)
                _remove(client, pool, key, held)
            is_taken_over = True
            continue
        left = deadline - time.monotonic()
        if left <= 0:
            raise Locked(_is_held(what, key, holder))
        token = client.read("event.from", ["pool"], token, min(LOOK_AGAIN, left))["token"]
        if client.stopping.is_set():
            raise Stopped
    return is_taken_over


def _add(client: Client, pool: str, key: str, value: str) -> bool:
    """Whether the key was added; False, too, when that is not known."""
    try:
        client.call("pool.add_to_other_config", pool, key, value)
    except ConnectionLost:
        return False
    except ApiFailure as failure:
        if failure.code != "MAP_DUPLICATE_KEY":
            raise
        return False
    return True


def _is_held(what: str, key: str, holder: Mapping[str, Any]) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(int(holder.get("since", 0))))
    return (
        f"{what} is being changed by process {holder.get('pid')} on {holder.get('host')} since {since}. Wait for it; "
        f"if it is dead, remove the key {key!r} from other_config of the pool."
    )
