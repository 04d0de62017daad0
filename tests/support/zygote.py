# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module processes that start at once: forked from one that has imported Ansible and all of the collection already.

As a program (``python -m tests.support.zygote``) it is that one. Each line on its standard input is a request, and it
answers with two lines: the process id at once, the exit status at the end.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_PACKAGE = "ansible_collections.skinnybox.xenserver.plugins"
PLUGINS = f"{_PACKAGE}.modules"
_DIRECTORY = Path(__file__).parents[2] / "plugins"
#: All modules that there are.
MODULES = sorted(path.stem for path in (_DIRECTORY / "modules").glob("[!_]*.py"))


class Zygote:
    """The process from which modules are forked, one at a time."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="modules-")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.zygote", self._directory.name],
            # Nothing that a killed module leaves in its temporary directory outlives the tests.
            env={**environment, "TMPDIR": self._directory.name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._child = 0  # that nobody has waited for

    def start(self, module: str, arguments: dict[str, Any], mounts: str = "") -> int:
        """Start a module; its process id. ``mounts`` are shell commands that change what only the module sees."""
        assert self._process.stdin
        if self._child:
            # A test has failed before it waited: its module would hold everybody up until it has lost its patience.
            os.kill(self._child, signal.SIGKILL)
            self.wait()
        self._process.stdin.write(json.dumps({"module": module, "arguments": arguments, "mounts": mounts}) + "\n")
        self._process.stdin.flush()
        self._child = int(self._line())
        return self._child

    def wait(self) -> tuple[int, str, str]:
        """Wait for the end of the module that was started last: status (-9 = killed), output, error output."""
        status, self._child = int(self._line()), 0
        directory = Path(self._directory.name)
        return status, (directory / "out").read_text(), (directory / "err").read_text()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._directory.cleanup()

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the process from which modules are forked is gone"
        return line


def main(directory: Path) -> None:
    """Serve requests until standard input ends."""
    modules = {name: importlib.import_module(f"{PLUGINS}.{name}") for name in MODULES}
    _import_what_they_import_later()
    # What is here stays here: no child has to look at it, and to copy it, when it collects its own garbage.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        (directory / "in").write_text(json.dumps({"ANSIBLE_MODULE_ARGS": request["arguments"]}))
        child = os.fork()
        if child == 0:
            _become(modules[request["module"]], directory, request["mounts"])
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _import_what_they_import_later() -> None:
    """Modules import only when there is something to do what does it: once here instead of in every child."""
    for path in sorted(_DIRECTORY.glob("module_utils/**/[!_]*.py")):
        importlib.import_module(".".join((_PACKAGE, *path.relative_to(_DIRECTORY).with_suffix("").parts)))
    importlib.import_module("_strptime")  # of datetime.strptime


def _become(module: Any, directory: Path, mounts: str) -> None:
    """Be a module, with files for its standard streams, and never return."""
    status = 1
    try:
        # As Ansible's workers have them: whoever runs the tests in the background has some of them ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for ordinary in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(ordinary, signal.SIG_DFL)
        for number, name, mode in ((0, "in", os.O_RDONLY), (1, "out", _WRITE), (2, "err", _WRITE)):
            descriptor = os.open(directory / name, mode, 0o600)
            os.dup2(descriptor, number)
            os.close(descriptor)
        if mounts:
            ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS)
            subprocess.run(["sh", "-ec", f"mount --make-rprivate /\n{mounts}"], check=True)
        sys.argv = [module.__file__]
        sys.stdin = os.fdopen(0)
        module.main()
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


_CLONE_NEWNS = 0x00020000  # of sched.h
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC

if __name__ == "__main__":
    main(Path(sys.argv[1]))
