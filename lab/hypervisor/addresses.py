# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loopback addresses at which guests are reached: one for each, all with the same port for SSH."""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Guests' addresses lie here; each lab begins at a place of its own, so that several rarely meet.
NETWORK = ipaddress.IPv4Network("127.16.0.0/16")
#: SSH's own port, and the one for users who may not listen there, or beside a server that already does.
PORTS = (22, 2222)


def listens(address: str, port: int) -> bool:
    """Whether one can listen at an address and port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                return False
            raise
    return True


def choose_port() -> int:
    """The port for SSH of all guests of a lab, tried at an address that no guest gets."""
    unused = str(NETWORK[255])
    return next((port for port in PORTS if listens(unused, port)), PORTS[-1])


def choose_address(state: Path, taken: Iterable[str], port: int) -> str:
    """An address that no guest of this lab has and nobody listens at."""
    known = set(taken)
    for address in _candidates(state):
        if address not in known and listens(address, port):
            return address
    raise OSError(errno.EADDRNOTAVAIL, f"no address is left in {NETWORK}")


def _candidates(state: Path) -> Iterator[str]:
    """All addresses, beginning with a block that the state directory decides; no .0 and no .255."""
    begin = hashlib.sha256(str(state.absolute()).encode()).digest()[0]
    for block in range(256):
        for host in range(1, 255):
            yield str(NETWORK[((begin + block) % 256) * 256 + host])
