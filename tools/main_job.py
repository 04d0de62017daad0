# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on this machine: one master image, three instances, in the lab. Safe to repeat.

Everything that is Skinnybox's is done by ansible-playbook with the collection's own roles, modules and playbooks;
the rest is what an administrator has already: a XAPI server (here the lab) and a golden VM.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import XenAPI
import yaml
from xapi_client import pieces

ROOT = Path(__file__).parents[1]
STATE = Path(os.environ.get("LAB_STATE") or ROOT / ".lab")
HERE = STATE / "try"
KEY = HERE / "id_ed25519"
GOLDEN = "bookworm-golden"
IMAGE = HERE / "debian-12.raw"
BLOCK = 2 << 20
BEGUN = time.monotonic()


def main() -> int:
    """Do it all, step by step."""
    HERE.mkdir(parents=True, exist_ok=True)
    say("starting the lab: a XenServer host pool on loopback")
    run("python", "-m", "lab", "up")
    lab = json.loads(subprocess.check_output([sys.executable, "-m", "lab", "status", "--json"], cwd=ROOT))
    if not KEY.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "make-try", "-f", str(KEY))
    if not IMAGE.exists():
        say("making a Debian 12 disk as an installer leaves it (minutes on the first run, then cached)")
        run(
            *("python", "-m", "lab", "image", "debian-12", "--output", str(IMAGE), "--hostname", GOLDEN),
            *("--authorized-key", f"{KEY}.pub", "--cache", str(ROOT / ".cache" / "images")),
        )
    write_inventory(lab)
    if not is_published(lab):
        make_golden_vm(lab)
        say("publishing the golden VM as version 1 of master image bookworm")
        play("skinnybox.xenserver.publish", "-e", "master=bookworm")
    say("applying the VM pool: three instances, each with a small overlay (they boot at the same time)")
    play("skinnybox.xenserver.apply", "-e", "pool=web", "-e", "wait=true")
    say("asking each instance over SSH who it is")
    rescan(lab)
    full_copy = touched_blocks(IMAGE) * BLOCK
    play(str(ROOT / "examples/try/show.yml"), "-e", f"try_directory={HERE}", "-e", f"try_full_copy={full_copy}")
    print(f"\n{(HERE / 'table.txt').read_text()}")
    print(farewell())
    return 0


@contextmanager
def logged_in(lab: dict[str, Any]) -> Iterator[Any]:
    """The lab's API, as any XAPI client sees it."""
    context = ssl.create_default_context(cafile=lab["ca"])
    session = XenAPI.Session(lab["url"], transport=XenAPI.xmlrpclib.SafeTransport(context=context))
    session.xenapi.login_with_password("root", Path(lab["password_file"]).read_text().strip(), "1.0", "main_job")
    try:
        yield session.xenapi
    finally:
        session.xenapi.session.logout()


def await_halted(lab: dict[str, Any], name: str) -> None:
    """Wait until the VM is off: its guest stops answering some seconds before."""
    with logged_in(lab) as xapi:
        vm = xapi.VM.get_by_name_label(name)[0]
        token = ""
        while xapi.VM.get_power_state(vm) != "Halted":
            token = getattr(xapi.event, "from")([f"vm/{vm}"], token, 30.0)["token"]


def rescan(lab: dict[str, Any]) -> None:
    """Have XAPI count anew what disks take, as `xe sr-scan` does: it does not count while guests write."""
    with logged_in(lab) as xapi:
        for sr, record in xapi.SR.get_all_records().items():
            if record["content_type"] == "user":
                xapi.SR.scan(sr)


def touched_blocks(image: Path) -> int:
    """How many blocks of a VHD a copy of the image would take."""
    return len(
        {
            block
            for offset, data in pieces(image)
            for block in range(offset // BLOCK, (offset + len(data) - 1) // BLOCK + 1)
        }
    )


def say(text: str) -> None:
    """A progress line."""
    print(f"[{time.monotonic() - BEGUN:4.0f} s] {text}", flush=True)


def run(*command: str) -> None:
    """Run a command; end with its status when it fails."""
    done = subprocess.run([*command], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"make try: {' '.join(command[:4])} … failed with status {done.returncode}")


def play(playbook: str, *arguments: str) -> None:
    """Run a playbook over the inventory of this try."""
    run("ansible-playbook", "-i", str(HERE / "inventory"), playbook, *arguments)


def write_inventory(lab: dict[str, Any]) -> None:
    """The inventory of this try: the host pool, its declarations, its instances."""
    inventory = HERE / "inventory"
    (inventory / "group_vars").mkdir(parents=True, exist_ok=True)
    connection = {
        "xenserver_hostname": lab["url"],
        "xenserver_password": f"{{{{ lookup('ansible.builtin.file', '{lab['password_file']}') }}}}",
        "xenserver_fingerprint": lab["fingerprint"],
        "try_public_key": f"{KEY}.pub",
    }
    dump(inventory / "hosts.yml", {"xenserver": {"hosts": {"lab": None}, "vars": connection}})
    dump(
        inventory / "lab.skinnybox.yml",
        {
            "plugin": "skinnybox.xenserver.instances",
            "hostname": lab["url"],
            "password": f"{{{{ lookup('ansible.builtin.file', '{lab['password_file']}') }}}}",
            "fingerprint": lab["fingerprint"],
            "compose": {
                "ansible_user": "'root'",
                "ansible_port": str(lab["ssh_port"]),
                "ansible_ssh_private_key_file": f"'{KEY}'",
                "ansible_python_interpreter": "'/usr/bin/python3'",
            },
        },
    )
    shutil.copy(ROOT / "examples/try/group_vars.yml", inventory / "group_vars" / "xenserver.yml")


def dump(path: Path, content: dict[str, Any]) -> None:
    """Write YAML."""
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def is_published(lab: dict[str, Any]) -> bool:
    """Whether an earlier run has published the master image already."""
    done = subprocess.run(
        [
            *("ansible", "localhost", "-o", "-m", "skinnybox.xenserver.master_image_info"),
            *("-a", "name=bookworm query=length(master_images)"),
        ],
        env={
            **os.environ,
            "XENSERVER_HOST": lab["url"],
            "XENSERVER_PASSWORD": Path(lab["password_file"]).read_text().strip(),
            "XENSERVER_FINGERPRINT": lab["fingerprint"],
        },
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"make try: the lab could not be asked for master images: {done.stdout}{done.stderr}")
    return '"result": 0' not in done.stdout


def make_golden_vm(lab: dict[str, Any]) -> None:
    """A plain Debian, imported like any user's image, then prepared and sealed over SSH."""
    say("importing it as golden VM and starting it (it boots from its own disk)")
    address = subprocess.run(
        [
            *(sys.executable, "tools/import_vm.py", "--url", lab["url"], "--ca-file", lab["ca"]),
            *("--password-file", lab["password_file"], "--name", GOLDEN, "--image", str(IMAGE)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()
    # A golden VM is no instance: its host key is its own, new after each seal, and learnt at the first contact.
    known_hosts = HERE / "golden_known_hosts"
    known_hosts.unlink(missing_ok=True)
    golden = {
        "ansible_host": address,
        "ansible_port": lab["ssh_port"],
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(KEY),
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={known_hosts}",
    }
    dump(HERE / "inventory" / "golden.yml", {"golden": {"hosts": {GOLDEN: golden}}})
    say("preparing it with role overlayroot and sealing it with role seal, over SSH")
    play("skinnybox.xenserver.seal", "-e", "golden=golden")
    await_halted(lab, GOLDEN)


def farewell() -> str:
    """How to look around and how to end it."""
    return "\n".join(
        [
            "The three instances go on running. Look around:",
            (HERE / "ssh.txt").read_text().rstrip(),
            "Ansible commands find the collection and the lab after `. tools/env`, for example:",
            f"  ansible -i {HERE}/inventory pool_web -m ping",
            f"  ansible-playbook -i {HERE}/inventory skinnybox.xenserver.apply --check --diff",
            "  python -m lab status; python -m lab calls",
            f"Change the pool in {HERE}/inventory/group_vars/xenserver.yml and apply again.",
            "To end it: `make down` stops the lab and frees its disks.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
