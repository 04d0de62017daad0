# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs of life, given on a host pool's other_config."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply import heartbeat


class Keys:
    """The other_config of a host pool as calls change it, and how it was after each of them."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {}
        self.seen: list[set[str]] = []
        self.enough = threading.Event()

    def call(self, method: str, _pool: str, key: str, *value: str) -> None:
        if method == "pool.add_to_other_config":
            self.now[key] = value[0]
        else:
            self.now.pop(key, None)
        self.seen.append(set(self.now))
        if len(self.seen) > 10:
            self.enough.set()


def test_there_is_always_a_sign_and_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: Any = Keys()
    clock = iter(range(1000, 100_000))
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.001)
    monkeypatch.setattr(heartbeat, "time", SimpleNamespace(time=lambda: next(clock)))
    with heartbeat.beating(keys, "pool", ["VM pool web"]):
        assert keys.enough.wait(60)
    assert keys.now == {}
    given = keys.seen[: keys.seen.index(set()) if set() in keys.seen else None]
    assert given
    assert all(1 <= len(signs) <= 2 for signs in given)


def test_the_last_sign_of_a_lock() -> None:
    keys = {"skinnybox:alive:50:VM pool web": "", "skinnybox:alive:70:VM pool web": "", "skinnybox:alive:x": ""}
    keys |= {"skinnybox:alive:90:VM pool db": "", "skinnybox:lock:VM pool web": "{}"}
    assert heartbeat.last_sign(keys, "VM pool web") == 70
    assert heartbeat.last_sign(keys, "VM pool mail") == 0
