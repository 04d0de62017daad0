# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs of life of whoever holds a lock, for those who cannot see its process.

A run may take hours, and its controller may die at once: only signs that go on tell the two apart. Each sign is a key
of its own with the time in it, and the new one is added before the old one goes: at no moment there is none.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import Iterator, Mapping, Sequence

from ..model.labels import PREFIX
from ..xapi.client import Client
from ..xapi.errors import XapiError

#: Seconds between two signs. A short run gives none: its lock's own time is fresh enough.
INTERVAL = 300.0

_SIGN = f"{PREFIX}alive:"


@contextmanager
def beating(client: Client, pool: str, names: Sequence[str]) -> Iterator[None]:
    """Give signs of life for the locks of these names on the pool (a reference) until the block ends."""
    ended = threading.Event()
    given: list[str] = []

    def beat() -> None:
        while not ended.wait(INTERVAL):
            for name in names:
                before = [sign for sign in given if _parts(sign)[1] == name]
                given.append(f"{_SIGN}{int(time.time())}:{name}")
                with suppress(XapiError):
                    client.call("pool.add_to_other_config", pool, given[-1], "")
                    for sign in before:
                        client.call("pool.remove_from_other_config", pool, sign)
                        given.remove(sign)

    thread = threading.Thread(target=beat, name="skinnybox-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for sign in given:
            with suppress(XapiError):
                client.call("pool.remove_from_other_config", pool, sign)


def last_sign(other_config: Mapping[str, str], name: str) -> int:
    """When the holder of a lock last gave a sign of life, in epoch seconds; 0 when never."""
    return max((int(_parts(sign)[0]) for sign in signs_of(other_config, name)), default=0)


def signs_of(other_config: Mapping[str, str], name: str) -> list[str]:
    """The keys that are signs of life of a lock's holder."""
    found = [key for key in other_config if key.startswith(_SIGN)]
    return [key for key in found if _parts(key)[0].isdigit() and _parts(key)[1] == name]


def _parts(key: str) -> tuple[str, str]:
    moment, _colon, name = key[len(_SIGN) :].partition(":")
    return moment, name
