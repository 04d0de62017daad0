# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer a VM pool or master image at a time, whichever controller it runs on.

``add_to_other_config`` fails when the key is there (MAP_DUPLICATE_KEY), atomically: XAPI's own storage manager
locks so. The key is on the host pool, its value says who holds the lock, so that a dead owner's can be taken over.

The lock of a part (``VM pool web, instance web-017``) can be held beside those of other parts, and not beside the
whole's: who wants the part adds his key and then looks for the whole's, who wants the whole adds his and then looks for
those of parts. So at least one of the two sees the other; the one with the part steps back.
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

#: What stands between the name of a whole and that of its part.
_PART = ", instance "

#: Seconds after which a waiting run looks anew whether the holder still lives, and whether it is itself to stop.
LOOK_AGAIN = 2.0


def part_of(whole: str, instance: str) -> str:
    """The name of the lock of one instance of a VM pool."""
    return f"{whole}{_PART}{instance}"


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
            deadline = time.monotonic() + patience
            take = _take_part if _PART in name else _take_whole
            if take(client, pool, name, deadline, held):
                takeover.outlive(client, name, patience)
        held.enter_context(beating(client, pool.ref, names))
        yield


def is_left(pool: HostPool, what: str) -> bool:
    """Whether a run that was killed has left its lock, that of the whole, or of a part."""
    keys = pool.other_config
    names = {what, what.partition(_PART)[0], *_parts(keys, what)}
    return any(_is_dead(keys, name) for name in names if _key(name) in keys)


def _is_dead(keys: Mapping[str, str], name: str) -> bool:
    return owner.is_dead(owner.parse(keys[_key(name)]), last_sign(keys, name))


def _parts(keys: Mapping[str, str], whole: str) -> list[str]:
    """Names of the parts of a whole that are locked."""
    begin = _key(whole) + _PART
    return sorted(key[len(_key("")) :] for key in keys if key.startswith(begin))


def _take_whole(client: Client, pool: HostPool, name: str, deadline: float, held: ExitStack) -> bool:
    """Take the lock and wait until nobody has a part of it; whether any of them was a dead one's."""
    value = owner.ourselves()
    is_taken_over = _acquire(client, pool.ref, _key(name), value, name, deadline)
    held.callback(_give_back, client, pool.ref, _key(name), value)
    token = ""
    while parts := _parts(keys := client.read("pool.get_other_config", pool.ref), name):
        if dead := [part for part in parts if _is_dead(keys, part)]:
            _remove_dead(client, pool.ref, dead[0], keys)
            is_taken_over = True
            continue
        token = _wait(client, token, deadline, parts[0], keys)
    return is_taken_over


def _take_part(client: Client, pool: HostPool, name: str, deadline: float, held: ExitStack) -> bool:
    """Take the lock of a part while nobody has the whole; whether either was a dead one's."""
    whole, is_taken_over, token = name.partition(_PART)[0], False, ""
    while True:
        value = owner.ourselves()
        is_taken_over = _acquire(client, pool.ref, _key(name), value, name, deadline) or is_taken_over
        keys = client.read("pool.get_other_config", pool.ref)
        if _key(whole) not in keys:
            held.callback(_give_back, client, pool.ref, _key(name), value)
            return is_taken_over
        _give_back(client, pool.ref, _key(name), value)
        while _key(whole) in keys:
            if _is_dead(keys, whole):
                _remove_dead(client, pool.ref, whole, keys)
                is_taken_over = True
            else:
                token = _wait(client, token, deadline, whole, keys)
            keys = client.read("pool.get_other_config", pool.ref)


def _remove_dead(client: Client, pool: str, name: str, keys: Mapping[str, str]) -> None:
    """Remove a dead one's lock and signs of life. Whoever wants it adds the key anew."""
    with suppress(ConnectionLost):
        for sign in signs_of(keys, name):
            client.call("pool.remove_from_other_config", pool, sign)
        _remove(client, pool, _key(name), keys[_key(name)])


def _wait(client: Client, token: str, deadline: float, name: str, keys: Mapping[str, str]) -> str:
    """Wait for a change of the host pool, with a token of events before it; the next token. Raises Locked, Stopped."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise Locked(_is_held(name, _key(name), owner.parse(keys[_key(name)])))
    token = str(client.read("event.from", ["pool"], token, min(LOOK_AGAIN, left))["token"])
    if client.stopping.is_set():
        raise Stopped
    return token


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


def _acquire(client: Client, pool: str, key: str, value: str, what: str, deadline: float) -> bool:
    """Add the key, waiting for a living holder: the module of a playbook that was killed goes on and ends soon.

    Returns whether it was a dead one's.
    """
    token, is_taken_over = "", False
    while not _add(client, pool, key, value):
        keys = client.read("pool.get_other_config", pool)
        held = keys.get(key)
        if held == value:
            break  # it was our own addition whose answer got lost
        if held is None:
            continue
        if _is_dead(keys, what):
            _remove_dead(client, pool, what, keys)
            is_taken_over = True
            continue
        token = _wait(client, token, deadline, what, keys)
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
