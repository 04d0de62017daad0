# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks of VM pools and of their instances: who keeps whom out, and what the dead have left."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply import owner
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.lock import (
    Locked,
    is_left,
    locked,
    part_of,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.errors import ApiFailure

WEB, DB = "VM pool web", "VM pool db"
ONE, TWO = part_of(WEB, "web-001"), part_of(WEB, "web-002")
POOL: Any = SimpleNamespace(ref="pool")


def key(name: str) -> str:
    return f"skinnybox:lock:{name}"


#: A process that ended long ago, on this machine.
DEAD = json.dumps({**json.loads(owner.ourselves()), "pid": 1, "started": "0"})
#: One on another machine, which has just given a sign.
LIVING = json.dumps({"host": "other", "boot": "x", "namespace": "x", "pid": 7, "since": 1 << 40})


class Client:
    """A host pool's other_config, and what happens to it when somebody looks for the n-th time or waits."""

    def __init__(self, **keys: str) -> None:
        self.keys = dict(keys)
        self.looks = 0
        self.then: dict[int, Callable[[dict[str, str]], object]] = {}
        self.waiting: Callable[[dict[str, str]], object] = lambda _keys: None
        self.stopping = threading.Event()

    def read(self, method: str, *_params: Any) -> Any:
        if method == "event.from":
            self.waiting(self.keys)
            return {"token": "t", "events": []}
        if method == "task.get_all_records":
            return {}
        self.looks += 1
        found = dict(self.keys)
        self.then.get(self.looks, lambda _keys: None)(self.keys)
        return found

    def call(self, method: str, _pool: str, name: str, value: str = "") -> None:
        if method == "pool.remove_from_other_config":
            self.keys.pop(name, None)
        elif name in self.keys:
            raise ApiFailure(method, ["MAP_DUPLICATE_KEY", "pool", "other_config", "x", name])
        else:
            self.keys[name] = value


def hold(client: Any, *names: str, patience: float = 0.0) -> set[str]:
    """The keys that are there while these locks are held."""
    with locked(client, POOL, names, patience):
        return set(client.keys)


@pytest.mark.parametrize(
    ("there", "wanted", "is_free"),
    [
        (WEB, WEB, False),
        (WEB, ONE, False),
        (ONE, WEB, False),
        (ONE, ONE, False),
        (ONE, TWO, True),
        (ONE, DB, True),
        (DB, ONE, True),
    ],
)
def test_who_keeps_whom_out(there: str, wanted: str, is_free: bool) -> None:
    client = Client(**{key(there): LIVING})
    if is_free:
        assert hold(client, wanted) == {key(there), key(wanted)}
    else:
        with pytest.raises(Locked, match=f"^{there} is being changed by process 7 on other"):
            hold(client, wanted)
    assert client.keys == {key(there): LIVING}
    client.keys[key(there)] = DEAD
    assert is_left(SimpleNamespace(other_config=client.keys), wanted) is not is_free  # type: ignore[arg-type]
    assert hold(client, wanted) == {key(wanted)} | ({key(there)} if is_free else set())


def test_who_wants_the_whole_waits_for_those_of_parts_and_keeps_new_ones_out() -> None:
    client: Any = Client(**{key(ONE): LIVING, key(TWO): LIVING})
    seen: list[set[str]] = []

    def wait(keys: dict[str, str]) -> None:
        seen.append(set(keys))
        keys.pop(key(ONE) if key(ONE) in keys else key(TWO))

    client.waiting = wait
    assert hold(client, WEB, patience=60.0) == {key(WEB)}
    assert seen == [{key(WEB), key(ONE), key(TWO)}, {key(WEB), key(TWO)}]
    assert client.keys == {}


def test_who_wants_a_part_steps_back_for_who_was_a_moment_earlier_with_the_whole() -> None:
    client: Any = Client(**{key(WEB): LIVING})
    seen: list[set[str]] = []

    def wait(keys: dict[str, str]) -> None:
        seen.append(set(keys))
        del keys[key(WEB)]

    client.waiting = wait
    assert hold(client, ONE, patience=60.0) == {key(ONE)}
    assert seen == [{key(WEB)}]
    assert client.keys == {}
