# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab that runs real guests, and what a test does with them: start, wait, log in, read the console."""

from __future__ import annotations

import functools
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.lab import PASSWORD, ROOT, Lab

LOOK = Path(__file__).with_name("look.py")
#: Seconds that a guest has to boot; without KVM and beside others that takes a while.
PATIENCE = 900.0


@dataclass
class GuestLab(Lab):
    """A running lab with guests; its state and its guests' consoles lie below ``state``."""

    state: Path = field(default_factory=Path)
    key: Path = field(default_factory=Path)
    #: where connections to guests are kept: a guest that is emulated takes seconds for a new one
    connections: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="ssh-")))

    def status(self) -> dict[str, Any]:
        """What `python -m lab status` says."""
        return json.loads(lab_command(self.state, "status", "--json"))

    @functools.cached_property
    def ssh_port(self) -> int:
        """The port at which all guests are logged in to, asked for once: to start the lab's command takes a second."""
        return int(self.status()["ssh_port"])

    def start(self, vm: str) -> None:
        """Start a VM, without waiting for its guest."""
        self.xapi.VM.start(vm, False, False)

    def wait_for_address(self, vm: str) -> str:
        """The address that the guest's agent reports once it has booted."""

        def address() -> str:
            metrics = self.xapi.VM.get_guest_metrics(vm)
            networks = self.xapi.VM_guest_metrics.get_networks(metrics) if metrics != "OpaqueRef:NULL" else {}
            return networks.get("0/ip", "")

        return self._wait(vm, address, "report an address")

    def wait_until_halted(self, vm: str) -> None:
        """Wait until the guest has powered itself off."""
        self._wait(vm, lambda: self.xapi.VM.get_power_state(vm) == "Halted", "power off")

    def _wait(self, vm: str, condition: Any, what: str) -> Any:
        """Wait for a condition that events of VMs may make true."""
        deadline, token = time.monotonic() + PATIENCE, ""
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{self.name(vm)} did not {what}:\n{self.console(vm)[-2000:]}"
            batch = getattr(self.xapi.event, "from")(["vm", "vm_guest_metrics"], token, 10.0)
            token = batch["token"]
        return found

    def name(self, vm: str) -> str:
        """The VM's name."""
        return self.xapi.VM.get_name_label(vm)

    def console(self, vm: str) -> str:
        """All that the guest has written to its serial console."""
        guest = next(guest for guest in self.status()["guests"] if guest["name"] == self.name(vm))
        return Path(guest["console"]).read_text(errors="replace")

    def report(self, vm: str) -> dict[str, str]:
        """What the guest's hook reported to the hypervisor."""
        line = self.xapi.VM.get_xenstore_data(vm).get("vm-data/skinnybox/report", "")
        return dict(word.split("=", 1) for word in line.split(";") if "=" in word)

    def ssh(self, address: str, command: str, *, check: bool = True, stdin: bytes = b"") -> str:
        """Run a command in a guest as root, as soon as its sshd answers; its output, errors included."""
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        options += ["ControlMaster=auto", "ControlPersist=60", f"ControlPath={self.connections}/%C"]
        words = ["ssh", "-i", str(self.key), "-p", str(self.ssh_port)]
        words += [word for option in [*options, "ConnectTimeout=60"] for word in ("-o", option)]
        words += [f"root@{address}", command]
        deadline = time.monotonic() + PATIENCE
        # 255 is ssh's own failure: the agent reports an address before sshd listens there.
        while (done := _run(words, stdin)).returncode == 255 and time.monotonic() < deadline:
            time.sleep(1)
        assert not check or done.returncode == 0, f"{command!r} at {address}: {done.stdout}"
        return done.stdout

    def put(self, address: str, directory: str, files: list[Path]) -> None:
        """Copy files into a directory of a guest, which is made."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for file in files:
                tar.add(file, file.name)
        self.ssh(address, f"mkdir -p {directory} && tar -C {directory} -x --no-same-owner", stdin=archive.getvalue())

    def run_script(self, address: str, script: str, packages: list[Path]) -> None:
        """Run shell in a guest, as root, with packages in /root/packages meanwhile; all its commands must succeed."""
        self.put(address, "/root/packages", packages)
        self.ssh(address, f"set -e\n{script}\nrm -r /root/packages; sync")

    def look(self, address: str, what: str, where: str) -> dict[str, str]:
        """Files of a guest, path -> all about it in a line, see look.py."""
        command = f"python3 - {what} {shlex.quote(where)}"
        found: dict[str, str] = json.loads(self.ssh(address, command, stdin=LOOK.read_bytes()))
        return found

    def disk(self, vm: str, position: str) -> str:
        """The VDI at a position of a VM."""
        return self.xapi.VBD.get_VDI(self._attachment(vm, position))

    def detach(self, vm: str, position: str) -> None:
        """Take the disk at a position away from a halted VM; the VDI stays."""
        self.xapi.VBD.destroy(self._attachment(vm, position))

    def _attachment(self, vm: str, position: str) -> str:
        (found,) = [vbd for vbd in self.xapi.VM.get_VBDs(vm) if self.xapi.VBD.get_userdevice(vbd) == position]
        return found


def _run(words: list[str], stdin: bytes) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False
    )
    return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(errors="replace"))


def start_guest_lab(state: Path, key: Path) -> GuestLab:
    """Start a lab in a directory and wait until it answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "run", "--state", str(state)],
        cwd=ROOT,
        env={**os.environ, "LAB_PASSWORD": PASSWORD},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (found := json.loads(lab_command(state, "status", "--json")))["running"]:
        assert process.poll() is None and time.monotonic() < deadline, "the lab did not start"
    plain = next(url for url in found["urls"] if url.startswith("http:"))
    return GuestLab(plain, process, state=state, key=key)


def stop_guest_lab(lab: GuestLab) -> None:
    """End the lab and its guests, and remove its disks."""
    lab_command(lab.state, "down", "--destroy")
    lab.process.wait(timeout=120)
    shutil.rmtree(lab.connections)


def lab_command(state: Path, command: str, *arguments: str) -> str:
    """Run `python -m lab`; what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "lab", command, "--state", str(state), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout
