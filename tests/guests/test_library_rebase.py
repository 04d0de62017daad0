# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boots of an instance that was pointed at another master, as far as they go without a guest.

The hooks' library runs in a mount namespace; disks are images, and the master's Python runs a stand-in for the tool.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.guests.test_library import FSTAB, LIBRARY, SHELLS
from tests.support.lab import ROOT
from tests.support.mounts import why_not

OLD, NEW, REQUEST = "11111111-old", "22222222-new", "33333333-request"
pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

#: What the library is made of without its wrappers; the guest's own paths and devices are replaced below.
FILES = ("messages", "hypervisor", "devices", "master", "overlay", "layers", "tools", "rebase", "fstab", "report")
UPGRADE = {"new_layer": "rebase", "rebase_from": OLD, "rebase_request": REQUEST}
ANSWER = "kept=3;merged=1;dropped=0;conflicts=0;dangers=0;bytes=12;seconds=0.5"

#: Stands in for the tool: notes what it sees, then does as the file `behaviour` on the overlay disk says.
TOOL = """
import json, os, pathlib, signal, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
overlay = pathlib.Path(arguments["--overlay"])
seen = {
    "arguments": arguments,
    "directory": os.getcwd(),
    "environment": dict(os.environ),
    "old": pathlib.Path(arguments.get("--old-master", "/"), "etc/skinnybox/master-id").read_text().strip(),
    "new": pathlib.Path(arguments.get("--new-master", "/"), "etc/skinnybox/master-id").read_text().strip(),
    "run": os.listdir(arguments.get("--new-master", "/proc/self/fd") + "/run") if "--new-master" in arguments else [],
    "temporary": os.access("/tmp", os.W_OK),
}
(overlay / "seen.json").write_text(json.dumps(seen))
behaviour = (overlay / "behaviour").read_text()
new = overlay / "layers" / arguments.get("--to", "none")
(new.with_suffix(".new") / "upper").mkdir(parents=True, exist_ok=True)
if behaviour == "fail":
    print("Traceback, perhaps", "the disk is full; grow it by 3 MiB", sep="\\n", file=sys.stderr)
    sys.exit(1)
if behaviour == "die":
    os.kill(os.getpid(), signal.SIGKILL)
(new.with_suffix(".new") / "origin").write_text(f"from={arguments['--from']}\\nrequest={arguments['--request']}\\n")
new.with_suffix(".new").rename(new)
print("ANSWER")
""".replace("ANSWER", ANSWER)
VACUUM = """
import pathlib, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
request = pathlib.Path(arguments["--overlay"], "layers", arguments["--id"], "vacuum")
if request.read_text() == "fail":
    sys.exit("no vacuum today")
request.unlink()
"""


@dataclass
class Machine:
    """An instance's disks as directories and images, and the shell that boots it."""

    shell: list[str]
    root: Path
    keys: dict[str, str] = field(default_factory=dict)
    disks: list[Path] = field(default_factory=list)

    @property
    def overlay(self) -> Path:
        """The mounted overlay disk."""
        return self.root / "overlay"

    @property
    def master(self) -> Path:
        """The mounted new master."""
        return self.root / "master"

    @property
    def state(self) -> Path:
        """The hook's state directory."""
        return self.root / "state"

    def run(self, *lines: str) -> list[str]:
        """Run lines of shell with the library; what they print. Nothing may stay mounted by them."""
        script = [
            *(f". {LIBRARY}/{name}.sh" for name in FILES),
            f"state_directory={self.state} overlay_directory={self.overlay} master_directory={self.master}",
            f"master_id={NEW} instance=me state=running device_timeout=0 rebase_result=",
            f"overlay_device=/dev/overlay master_device={self.root}/new.img",
            f'read_key() {{ cat "{self.root}/keys/${{1##*/}}" 2>/dev/null; }}',
            f'write_key() {{ echo "$2" >{self.root}/report; }}',
            f'note() {{ echo "$*" >>{self.root}/console; }}',
            'announce() { note "$@"; }',
            f"disks_and_partitions() {{ echo {' '.join(map(str, self.disks))}; }}",
            f'forbid_writes() {{ echo "$1" >>{self.root}/forbidden; }}',
            "find_swap() { :; }",
            f"mount -t overlay -o lowerdir={self.root}/usr:/usr usr {self.master}/usr",
            f"layer_directory={self.overlay}/layers/{NEW}",
            *lines,
            f"umount {self.master}/usr",
            "while read -r _ where _; do case $where in "
            f'{self.root}/*) echo "left mounted: $where" ;; esac; done </proc/self/mounts',
        ]
        shutil.rmtree(self.root / "keys", ignore_errors=True)
        (self.root / "keys").mkdir()
        for name, value in self.keys.items():
            (self.root / "keys" / name).write_text(value)
        unshare = shutil.which("unshare") or "unshare"
        command = [unshare, "--mount", "--propagation", "private", *self.shell, "\n".join(script)]
        environment = {"PATH": str(self.root / "bin")}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert "not found" not in done.stderr, done.stderr
        assert "left mounted" not in done.stdout, done.stdout
        return done.stdout.splitlines()

    def boot(self) -> dict[str, str]:
        """Prepare the layer and report, as a boot does."""
        self.run(f'if prepare_layer {NEW}; then report running "layer=$layer" $rebase_result; else report_failure; fi')
        return dict(word.split("=", 1) for word in (self.root / "report").read_text().strip().split(";"))

    def add_layer(self, master_id: str, **files: str) -> Path:
        """A layer on the overlay disk, with small files beside its upper directory."""
        layer = self.overlay / "layers" / master_id
        (layer / "upper" / "etc").mkdir(parents=True)
        for name, content in files.items():
            (layer / name).write_text(content)
        return layer

    def add_disk(self, name: str, master_id: str, *, uuid: str = "11111111-2222-3333-4444-555555555555") -> Path:
        """The image of a master's disk."""
        tree = self.root / f"{name}.tree"
        (tree / "etc/skinnybox").mkdir(parents=True, exist_ok=True)
        (tree / "etc/skinnybox/master-id").write_text(f"{master_id}\n")
        image = self.root / f"{name}.img"
        subprocess.run(
            ["mke2fs", "-q", "-t", "ext4", "-U", uuid, "-d", str(tree), str(image), "3M"],
            check=True,
            capture_output=True,
        )
        self.disks.append(image)
        return image

    def seen(self) -> dict[str, object]:
        """What the tool saw."""
        return json.loads((self.overlay / "seen.json").read_text())

    def console(self) -> str:
        """What a person saw."""
        file = self.root / "console"
        return file.read_text() if file.exists() else ""


def tools_of_the_initramfs() -> list[str]:
    """All programs that the hooks can count on."""
    hook = LIBRARY.parent / "initramfs/hooks/skinnybox"
    (line,) = [line for line in hook.read_text().splitlines() if line.startswith("for tool in ")]
    return line.removeprefix("for tool in ").removesuffix("; do").split()


@pytest.fixture(params=SHELLS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """An instance whose new master has the tool, and whose overlay disk has an identity."""
    program = shutil.which(request.param) or request.param
    machine = Machine([program, "sh", "-c"] if request.param == "busybox" else [program, "-c"], tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in tools_of_the_initramfs():
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or f"/missing/{tool}")
    for directory in ("state", "overlay/layers", "overlay/identity", "usr/lib/skinnybox/instance/etc"):
        (tmp_path / directory).mkdir(parents=True)
    for directory in ("usr", "run", "tmp", "proc", "dev", "etc/skinnybox"):
        (machine.master / directory).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (machine.master / name).symlink_to(f"usr/{name}")
    (machine.master / "etc/skinnybox/master-id").write_text(f"{NEW}\n")
    package = tmp_path / "usr/lib/skinnybox/python/skinnybox/rebase"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(TOOL)
    (package / "vacuum.py").write_text(VACUUM)
    (machine.overlay / "behaviour").write_text("work")
    yield machine


def sha256(path: Path) -> str:
    """Checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


KEPT, ANEW, REBASED = "kept", "new", "rebased"
THIS_REQUEST = f"from={OLD}\nrequest={REQUEST}\n"
OTHER_REQUEST = f"from={OLD}\nrequest=another\n"


@pytest.mark.parametrize(
    ("layers", "keys", "outcome"),
    [
        # no layer of this master
        ({}, {}, ANEW),
        ({}, {"new_layer": "create"}, ANEW),
        ({}, {"new_layer": "fail"}, "no-layer"),
        ({}, UPGRADE, ANEW),  # an overlay that was reset has nothing to carry
        ({f"{NEW}.new": None}, {}, ANEW),  # its first boot was interrupted
        ({OLD: None}, {}, "no-layer"),
        ({OLD: None}, {"new_layer": "nonsense"}, "no-layer"),
        ({OLD: None}, {"new_layer": "fail"}, "no-layer"),
        ({OLD: None}, {"new_layer": "create"}, ANEW),
        ({OLD: None}, UPGRADE, REBASED),
        ({OLD: None}, {"new_layer": "rebase", "rebase_from": OLD}, REBASED),
        ({OLD: None}, {"new_layer": "rebase"}, "rebase-base"),
        ({"another": None}, UPGRADE, "rebase-base"),
        # a layer that is there
        ({NEW: None}, {}, KEPT),
        ({NEW: None}, {"new_layer": "create"}, KEPT),
        ({NEW: None}, {"new_layer": "fail"}, KEPT),
        ({NEW: THIS_REQUEST, OLD: None}, UPGRADE, KEPT),
        ({NEW: THIS_REQUEST}, UPGRADE, KEPT),  # the old one was pruned
        ({NEW: OTHER_REQUEST, OLD: None}, UPGRADE, REBASED),
        ({NEW: None, OLD: None}, UPGRADE, REBASED),
        ({NEW: OTHER_REQUEST, OLD: None}, {"new_layer": "rebase", "rebase_from": OLD}, KEPT),
        # back at the master from which an upgrade began, with its keys still there
        ({NEW: None, "later": None}, {**UPGRADE, "rebase_from": NEW}, KEPT),
    ],
)
def test_what_becomes_of_a_layer(
    machine: Machine, layers: dict[str, str | None], keys: dict[str, str], outcome: str
) -> None:
    for name, origin in layers.items():
        machine.add_layer(name, **({} if origin is None else {"origin": origin}))
    machine.keys = keys
    # The tool itself and its disks are not the matter here.
    tool = "wait_until() { :; }; open_workshop() { :; }; mount() { :; }; run_rebase() { :; }"
    begin = f'{tool}; if prepare_layer {NEW}; then echo "$layer"; else echo "$failure_code"; fi'
    assert machine.run(begin)[-1] == outcome


def test_memory_always_begins_anew(machine: Machine) -> None:
    machine.keys = UPGRADE
    assert machine.run(f"state=degraded; prepare_layer {NEW}; echo $layer") == ["new"]
    machine.keys = {"new_layer": "fail"}
    shutil.rmtree(machine.overlay / "layers")
    assert machine.run(f"state=degraded; prepare_layer {NEW}; echo $layer") == ["new"]


def test_the_tool_runs_in_the_new_master(machine: Machine) -> None:
    machine.keys = UPGRADE
    machine.add_layer(OLD)
    image = machine.add_disk("old", OLD)
    before = sha256(image)
    report = machine.boot()
    assert report == {
        "state": "running",
        "master": NEW,
        "instance": "me",
        "layer": "rebased",
        **dict(word.split("=") for word in ANSWER.split(";")),
    }
    seen = machine.seen()
    assert seen["arguments"] == {
        "--from": OLD,
        "--to": NEW,
        "--request": REQUEST,
        "--overlay": "/run/skinnybox/overlay",
        "--old-master": "/run/skinnybox/old-master",
        "--new-master": "/run/skinnybox/new-master",
    }
    assert (seen["old"], seen["new"]) == (OLD, NEW)
    assert seen["run"] == [], "the tool sees what the hook has mounted as if it were the master's"
    assert seen["directory"] == "/usr/lib/skinnybox/python"
    assert seen["temporary"]
    assert seen["environment"]["LC_ALL"] == "C.UTF-8"  # type: ignore[index]
    assert "HOME" not in seen["environment"]  # type: ignore[operator]
    assert sha256(image) == before
    assert str(image) in (machine.root / "forbidden").read_text()
    assert ANSWER in machine.console()


def test_an_ordinary_boot_afterwards_needs_no_old_disk(machine: Machine) -> None:
    machine.keys = UPGRADE
    machine.add_layer(OLD)
    machine.add_disk("old", OLD)
    assert machine.boot()["layer"] == REBASED
    machine.disks.clear()
    (machine.overlay / "seen.json").unlink()
    assert machine.boot()["layer"] == KEPT
    assert not (machine.overlay / "seen.json").exists()


def test_the_old_master_is_found_by_its_id_alone(machine: Machine) -> None:
    machine.keys = UPGRADE
    machine.add_layer(OLD)
    machine.add_disk("new", NEW)  # all of them have one UUID, as versions of one golden VM have
    machine.add_disk("third", "another")
    data = machine.add_disk("data", f"{OLD}er")
    old = machine.add_disk("old", OLD)
    assert machine.boot()["layer"] == REBASED
    assert machine.seen()["old"] == OLD
    assert (machine.root / "forbidden").read_text().split() == [str(old)], f"{data} may be a disk of the user's"


def test_without_the_old_master_nothing_begins(machine: Machine) -> None:
    machine.keys = UPGRADE
    old = machine.add_layer(OLD)
    machine.add_disk("third", "another")
    report = machine.boot()
    assert (report["state"], report["code"]) == ("failed", "rebase-base")
    assert OLD in report["reason"]
    assert sorted(path.name for path in old.parent.iterdir()) == [OLD]


def test_an_old_master_that_cannot_be_mounted(machine: Machine) -> None:
    machine.keys = UPGRADE
    machine.add_layer(OLD)
    image = machine.add_disk("old", OLD)
    subprocess.run(
        ["debugfs", "-w", "-R", "feature has_journal needs_recovery", str(image)], check=True, capture_output=True
    )
    report = machine.boot()
    assert (report["state"], report["code"]) == ("failed", "rebase-base")
    assert "cannot be mounted" in report["reason"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("fail", "the disk is full, grow it by 3 MiB"),
        ("die", "it was killed by signal 9, the VM may have too little memory"),
    ],
)
def test_a_rebase_that_fails_ends_the_boot_and_the_next_one_repeats_it(
    machine: Machine, behaviour: str, reason: str
) -> None:
    machine.keys = UPGRADE
    old = machine.add_layer(OLD)
    machine.add_disk("old", OLD)
    (machine.overlay / "behaviour").write_text(behaviour)
    report = machine.boot()
    assert (report["state"], report["code"], report["reason"]) == ("failed", "rebase", reason)
    assert not (machine.overlay / "layers" / NEW).exists()
    assert old.is_dir()
    (machine.overlay / "behaviour").write_text("work")
    assert machine.boot()["layer"] == REBASED


def test_a_tool_that_makes_nothing_is_not_believed(machine: Machine) -> None:
    machine.keys = UPGRADE
    machine.add_layer(OLD)
    machine.add_disk("old", OLD)
    (machine.root / "usr/lib/skinnybox/python/skinnybox/rebase/__main__.py").write_text("")
    report = machine.boot()
    assert (report["state"], report["code"]) == ("failed", "rebase")


def ship(machine: Machine) -> None:
    """The real tool in the place of its stand-in."""
    package = machine.root / "usr/lib/skinnybox/python/skinnybox"
    shutil.rmtree(package)
    for name in ("layers", "rebase"):
        shutil.copytree(ROOT / "plugins/module_utils" / name, package / name)


def test_the_real_tool_carries_changes(machine: Machine) -> None:
    """The hook, the tool and the files of instances together, seen as a guest would see them."""
    ship(machine)
    for tree, content in ((machine.master, "two"), (machine.root / "old.tree", "one")):
        (tree / "usr/lib/skinnybox/instance/etc").mkdir(parents=True)
        (tree / "usr/lib/skinnybox/instance/etc/held").write_text(content)
    old = machine.add_disk("old", OLD)
    upper = machine.add_layer(OLD) / "upper"
    (upper / "etc/held").write_text("one")
    (upper / "etc/own").write_text("mine")
    before = sha256(old)
    machine.keys = UPGRADE
    report = machine.boot()
    assert report["layer"] == REBASED, report
    assert (report["conflicts"], report["dangers"]) == ("0", "0")
    carried = machine.overlay / "layers" / NEW / "upper"
    assert (carried / "etc/own").read_text() == "mine"
    assert (carried / "etc/held").read_text() == "two"
    assert (upper / "etc/held").read_text() == "one"
    assert sha256(old) == before
    assert machine.boot()["layer"] == KEPT
    machine.keys = {**UPGRADE, "rebase_request": "another"}
    (upper / "etc/own").write_text("newer")
    assert machine.boot()["layer"] == REBASED, "what a rollback abandoned is made anew"
    assert (carried / "etc/own").read_text() == "newer"


def test_a_refusal_of_the_real_tool_is_the_reason(machine: Machine) -> None:
    ship(machine)
    machine.add_disk("old", OLD)
    (machine.master / "etc/skinnybox/master-id").write_text("not this one")
    upper = machine.add_layer(OLD) / "upper"
    machine.keys = UPGRADE
    report = machine.boot()
    assert (report["state"], report["code"]) == ("failed", "rebase")
    assert "not this one" in report["reason"]
    assert [path.name for path in upper.parents[1].iterdir()] == [OLD]


@pytest.fixture
def rebased(machine: Machine) -> Machine:
    """An instance at the moment when its layers are joined after a rebase; the master's directory is the root."""
    before = machine.add_layer(OLD)
    (before / "upper/etc/fstab").write_text(
        "# UUID=1 / ext4 defaults 0 1\n/dev/xvde /boot ext4 defaults 0 0\n# skinnybox: the lines above that an "
        "instance does not have are commented out\n"
    )
    machine.add_layer(NEW, origin=THIS_REQUEST)
    ldconfig = machine.root / "usr/sbin/ldconfig"
    ldconfig.parent.mkdir()
    ldconfig.write_text("#!/bin/sh\necho run >>/etc/ldconfig.runs\n")
    ldconfig.chmod(0o755)
    return machine


JOINED = 'adapt_fstab "$master_directory" "$(fstab_before_rebase)"; finish_rebase "$master_directory"; echo $layer'


def fstab(machine: Machine, content: str) -> list[str]:
    """Boot twice with this /etc/fstab; the lines that count."""
    file = machine.master / "etc/fstab"
    file.write_text(content)
    assert machine.run(JOINED) == ["rebased"]
    adapted = file.read_text()
    machine.run(JOINED)
    assert file.read_text() == adapted
    assert adapted.count("skinnybox: the lines above") == 1
    return [line for line in adapted.splitlines() if line and not line.startswith("#")]


def test_fstab_of_the_new_master_is_adapted(rebased: Machine) -> None:
    """The instance's own file went, for it was dropped or is its master's anew."""
    assert fstab(rebased, FSTAB) == ["UUID=4 /data ext4 nofail 0 2"]


def test_fstab_that_was_merged_is_adapted_but_for_the_instances_own_lines(rebased: Machine) -> None:
    before = (rebased.overlay / "layers" / OLD / "upper/etc/fstab").read_text()
    merged = f"UUID=7 /boot/efi vfat defaults 0 1\n{before}UUID=8 /boot ext4 defaults 0 1\n"
    assert fstab(rebased, merged) == ["/dev/xvde /boot ext4 defaults 0 0"]


def test_the_cache_of_libraries_is_made_once(rebased: Machine) -> None:
    runs = rebased.master / "etc/ldconfig.runs"
    (rebased.master / "etc/fstab").write_text(FSTAB)
    rebased.run(JOINED)
    assert rebased.run(JOINED) == [""], "the second boot is an ordinary one"
    assert runs.read_text() == "run\n"
    (rebased.overlay / "layers" / NEW / "finished").unlink()  # as after a power failure
    rebased.run(JOINED)
    assert runs.read_text() == "run\nrun\n"


def test_a_layer_that_was_never_rebased_needs_no_cache(rebased: Machine) -> None:
    (rebased.overlay / "layers" / NEW / "origin").unlink()
    (rebased.master / "etc/fstab").write_text(FSTAB)
    rebased.run(JOINED)
    assert not (rebased.master / "etc/ldconfig.runs").exists()


@pytest.mark.parametrize(("request_", "stays", "console"), [("please", False, ""), ("fail", True, "no vacuum today")])
def test_a_vacuum_that_was_asked_for(machine: Machine, request_: str, stays: bool, console: str) -> None:
    layer = machine.add_layer(NEW, vacuum=request_)
    assert machine.boot()["layer"] == KEPT
    assert (layer / "vacuum").exists() is stays
    assert console in machine.console()
