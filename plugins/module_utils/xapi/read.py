# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a whole host pool with one call a class, however many VMs there are."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Iterator

from ..model.reading import CLASSES, Reading
from ..model.records import HostPool
from .client import Client

#: Classes asked for at once: one is on its way while another is taken in. More would only fill the memory.
_LINES = 2


def read_host_pool(client: Client) -> HostPool:
    """Read everything that planning looks at: a call for each of CLASSES. Raises XapiError."""

    def read(cls: str) -> dict[str, Any]:
        return client.read(f"{cls}.get_all_records")

    reading = Reading()
    with _without_garbage_collection(), ThreadPoolExecutor(_LINES) as threads:
        for cls, records in zip(CLASSES, threads.map(read, CLASSES), strict=True):
            reading.take(cls, records)
    pool = reading.host_pool()
    client.addresses = tuple(host.address for host in pool.hosts.values() if host.address)
    return pool


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """A hundred thousand objects that stay, and none of them garbage: looking for some takes as long as making them."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
