# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Labs that start at once: forked from a process that has imported the lab already.

As a program (``python -m tests.support.nursery <descriptor>``) it is that one. Each request on the socket is a list of
arguments, with the descriptor that becomes the lab's standard output; the answer is the lab's process id.
"""

from __future__ import annotations

import array
import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

#: bytes that a request may have
LONGEST = 1 << 16


class Process:
    """A forked lab: what a test needs of a process that is not its child."""

    def __init__(self, pid: int, output: int) -> None:
        self.pid = pid
        self._output = os.fdopen(output, encoding="utf-8")

    def read_line(self) -> str:
        """The next line of its standard output; empty when it has ended."""
        return self._output.readline()

    def terminate(self) -> None:
        """Ask it to end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def wait(self, timeout: float) -> None:
        """Wait for its end, which closes its standard output. Raises TimeoutError after so many seconds."""
        while select.select([self._output], [], [], timeout)[0]:
            if not self._output.readline():
                self._output.close()
                return
        raise TimeoutError(f"the lab, process {self.pid}, did not end within {timeout:.0f} seconds")


class Nursery:
    """The process from which labs are forked. It ends with the one that made it, labs do not."""

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.nursery", str(theirs.fileno())],
                env=environment,
                cwd=directory,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def start(self, *arguments: str) -> Process:
        """Have a lab run ``python -m lab`` with these arguments."""
        ours, theirs = os.pipe()
        try:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs]))]
            self._socket.sendmsg([json.dumps(arguments).encode()], ancillary)
        finally:
            os.close(theirs)
        answer = self._socket.recv(LONGEST)
        assert answer, "the process from which labs are forked is gone"
        return Process(int(answer), ours)

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait(timeout=20)


def main(descriptor: int) -> None:
    """Serve requests until the other end is closed."""
    from lab import cli

    # Not waited for: nobody here wants to know how a lab ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    requests = socket.socket(fileno=descriptor)
    while True:
        message, output = _receive(requests)
        if not message:
            return
        child = os.fork()
        if child == 0:
            requests.close()
            _become(cli, json.loads(message), output)
        os.close(output)
        requests.send(str(child).encode())


def _receive(requests: socket.socket) -> tuple[bytes, int]:
    descriptors = array.array("i")
    message, ancillary, _flags, _address = requests.recvmsg(LONGEST, socket.CMSG_SPACE(descriptors.itemsize))
    for _level, _type, data in ancillary:
        descriptors.frombytes(data[: descriptors.itemsize])
    return message, descriptors[0] if descriptors else -1


def _become(cli: object, arguments: list[str], output: int) -> None:
    """Be a lab, and never return."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(output, 1)
        os.close(output)
        sys.argv = ["lab", *arguments]
        status = cli.main(arguments)  # type: ignore[attr-defined]
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main(int(sys.argv[1]))
