# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guards: each damage is found by the guard for it and by no other, and nothing is found where all is well."""

from __future__ import annotations

import ast
import random
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.boot_report import REPORT_KEY
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.labels import Kind, other_config
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import NULL
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.guards.check import counts, findings
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.guards.finding import Finding
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.guards.leftovers import DeadLock
from ansible_collections.skinnybox.xenserver.plugins.modules import guard_info
from tests.support.model import GIB, World

GUARDS = Path(__file__).parents[2] / "plugins" / "module_utils" / "plan" / "guards"


class Site(World):
    """A host pool in which all is well: noble:1 on a shared SR with web-001 (halted), web-002 and db-001."""

    def __init__(self) -> None:
        super().__init__()
        self.records["SR"][self.sr].update(shared=True)
        self.blueprint = self.add_master()
        self.web1 = self.add_instance(1, power_state="Halted", swap=True, addresses="10.0.4.11/24")
        self.web2 = self.add_instance(2, swap=True, addresses="10.0.4.12/24")
        self.db1 = self.add_instance(3, pool="db")
        self.somebody = self.add_vm("somebody's")
        self.dom0 = self.add_vm("Control domain", "Running", is_control_domain=True)

    def vdi(self, name: str) -> str:
        """The disk of that name."""
        return next(ref for ref, record in self.records["VDI"].items() if record["name_label"] == name)

    def vbd(self, vm: str, position: str) -> dict[str, Any]:
        """The attachment of a VM at a position."""
        return next(r for r in self.records["VBD"].values() if (r["VM"], r["userdevice"]) == (vm, position))

    def detach(self, vm: str, position: str) -> None:
        ref = next(ref for ref, r in self.records["VBD"].items() if (r["VM"], r["userdevice"]) == (vm, position))
        vdi = self.records["VBD"].pop(ref)["VDI"]
        self.records["VDI"][vdi]["VBDs"].remove(ref)

    def chain(self, disk: str, depth: int) -> None:
        """Put images below a disk until it is the end of a chain of so many."""
        for number in range(depth - 1):
            parent = self.add_disk(f"base {number} of {disk}", managed=False)
            self.records["VDI"][disk]["sm_config"] = {"vhd-parent": self.uuid_of("VDI", parent)}
            disk = parent

    @property
    def root(self) -> str:
        return self.vdi("noble:1 root")

    @property
    def boot(self) -> str:
        return self.vdi("noble:1 boot CD")

    @property
    def overlay(self) -> str:
        return self.vdi("web-001 overlay")


def site_of(damage: Callable[[Site], object]) -> Site:
    site = Site()
    damage(site)
    return site


def told(found: list[Finding]) -> set[tuple[str, str, str]]:
    return {(f.guard, f.severity.value, f.subject.cls) for f in found}


def instance_copy(site: Site, **fields: Any) -> str:
    """What VM.copy makes of web-001: a VM with copies of its disks, but the boot CD, which is shared."""
    vm = site.copy("VM", site.web1, "my copy")
    site.records["VM"][vm].update(blocked_operations={}, **fields)
    for position, disk in (("0", site.root), ("1", site.overlay)):
        site.attach(vm, site.copy("VDI", disk, "copied"), position)
    site.attach(vm, site.boot, "3", "RO", "CD")
    return vm


def upgrade_label(site: Site) -> None:
    site.records["VM"][site.web1]["other_config"]["skinnybox:master_id"] = "another"


def second_overlay(site: Site) -> None:
    twin = site.copy("VDI", site.overlay, "web-001 overlay")
    site.own("VDI", twin)


def lone_swap(site: Site) -> None:
    labels = site.records["VDI"][site.vdi("web-001 swap")]["other_config"]
    labels["skinnybox:vm"] = "gone"


def kept(site: Site) -> None:
    site.records["VDI"][site.vdi("db-003 overlay")]["other_config"]["skinnybox:kept"] = "true"
    site.remove("VM", site.db1)


def lone_data_disk(site: Site) -> None:
    labels = other_config(Kind.DATA, pool="web", name="web-007", number="7", instance="gone", vm="gone", disk="srv")
    site.own("VDI", site.add_disk("web-007 srv", other_config=labels))


def copy_under_way(site: Site) -> None:
    copy = site.copy("VDI", site.overlay, "copy")
    site.records["VDI"][copy]["other_config"]["skinnybox:copying"] = "now"


def announced_snapshot(site: Site) -> None:
    golden = {"skinnybox:publishing": "noble 1767225600"}
    site.add_disk("snapshot", other_config=golden, is_a_snapshot=True, snapshot_time="20260101T00:01:00Z")


def reported_address(site: Site) -> None:
    vm = site.add_vm("printer", "Running")
    site.add_guest(vm, networks={"0/ip": "10.0.4.12"})


def overlay_copy_on_running_vm(site: Site) -> None:
    copy = site.copy("VDI", site.vdi("web-002 overlay"), "rescue")
    vm = site.add_vm("rescue", "Running")
    site.attach(vm, copy, "0")


def second_host(site: Site, sees: bool = True) -> None:
    host = site.add_host("xen2")
    site.add("PBD", SR=site.sr, host=host, currently_attached=sees)


def unplugged(site: Site) -> None:
    for pbd in site.records["PBD"].values():
        pbd["currently_attached"] = False


def twin(site: Site) -> None:
    labels = site.labels(site.add_master())
    for record in (*site.records["VM"].values(), *site.records["VDI"].values()):
        if record["other_config"].get("skinnybox:uuid") in (labels["uuid"], labels["root"], labels["boot"]):
            record["other_config"]["skinnybox:master_id"] = "twin"


def scarce(free: int) -> Callable[[Site], None]:
    def fill(site: Site) -> None:
        site.records["SR"][site.sr].update(physical_size=str(100 * GIB), physical_utilisation=str((100 - free) * GIB))

    return fill


def unfinished_but_running(site: Site) -> None:
    site.add_instance(9, finished=False, power_state="Running")


def vdi(name: str, **fields: Any) -> Callable[[Site], None]:
    return lambda site: site.records["VDI"][site.vdi(name)].update(fields)


def vm(which: str, **fields: Any) -> Callable[[Site], None]:
    return lambda site: site.records["VM"][getattr(site, which)].update(fields)


def vbd(which: str, position: str, **fields: Any) -> Callable[[Site], None]:
    return lambda site: site.vbd(getattr(site, which), position).update(fields)


def without(which: str, operation: str) -> Callable[[Site], object]:
    return lambda site: site.records["VM"][getattr(site, which)]["blocked_operations"].pop(operation)


def moving(**labels: str) -> Callable[[Site], None]:
    added = {f"skinnybox:{name}": value for name, value in labels.items()}
    return lambda site: site.records["VM"][site.web1]["other_config"].update(added)


def not_up(site: Site) -> None:
    master_id = site.labels(site.web1)["master_id"]
    moving(upgrading=master_id)(site)
    site.records["VM"][site.web1]["xenstore_data"] = {REPORT_KEY: f"state=failed;master={master_id};code=rebase"}


def old_root(site: Site) -> None:
    site.add_master(number=2)
    site.attach(site.web1, site.vdi("noble:2 root"), "4", "RO")


OWNER = {"owner": ""}
DAMAGES: list[tuple[str, Callable[[Site], object], set[tuple[str, str, str]]]] = [
    ("rw root of an instance", vbd("web1", "0", mode="RW"), {("master-writable", "danger", "VBD")}),
    ("rw boot cd", vbd("web1", "3", mode="RW", type="Disk"), {("master-writable", "danger", "VBD")}),
    (
        "rw root on a foreign vm",
        lambda s: s.attach(s.somebody, s.root, "1"),
        {("master-writable", "danger", "VBD"), ("foreign-vm-on-master", "warning", "VM")},
    ),
    (
        "ro root on a foreign vm",
        lambda s: s.attach(s.somebody, s.root, "2", "RO"),
        {("foreign-vm-on-master", "warning", "VM")},
    ),
    (
        "clone of the blueprint",
        lambda s: s.attach(s.copy("VM", s.blueprint, "my clone"), s.root, "0", "RO", "CD"),
        {("foreign-vm-on-master", "warning", "VM")},
    ),
    ("import into the root", lambda s: s.attach(s.dom0, s.root, "0"), {("master-in-control-domain", "danger", "VBD")}),
    ("export", lambda s: s.attach(s.dom0, s.root, "0", "RO"), {("master-in-control-domain", "note", "VBD")}),
    ("owner of the root", vbd("web1", "0", other_config=OWNER), {("master-owner-key", "danger", "VBD")}),
    ("owner on the blueprint", vbd("blueprint", "3", other_config=OWNER), {("master-owner-key", "danger", "VBD")}),
    ("root as cd", vbd("web1", "0", type="CD"), {("master-misattached", "warning", "VBD")}),
    ("root elsewhere", vbd("web1", "0", userdevice="7"), {("master-misattached", "warning", "VBD")}),
    ("boot disk", vbd("web1", "3", type="Disk"), {("master-misattached", "warning", "VBD")}),
    ("sharable root", vdi("noble:1 root", sharable=True), {("master-sharable", "danger", "VDI")}),
    ("root with reset", vdi("noble:1 root", on_boot="reset"), {("master-reset", "danger", "VDI")}),
    ("lost data", vdi("noble:1 root", missing=True), {("disk-missing", "danger", "VDI")}),
    ("uncached root", vdi("noble:1 root", sm_config={}), {("master-uncached", "note", "VDI")}),
    ("blueprint's disk", vbd("blueprint", "0", type="Disk"), {("blueprint-disk", "danger", "VBD")}),
    (
        "a disk added to the blueprint",
        lambda s: s.attach(s.blueprint, s.add_disk("mine"), "5"),
        {("blueprint-disk", "danger", "VBD")},
    ),
    ("blueprint without cd", lambda s: s.detach(s.blueprint, "3"), {("blueprint-incomplete", "danger", "VM")}),
    ("blueprint unblocked", without("blueprint", "destroy"), {("blueprint-unblocked", "warning", "VM")}),
    (
        "blueprint made a vm",
        vm("blueprint", is_a_template=False),
        {("blueprint-no-template", "danger", "VM")},
    ),
    ("root gone", lambda s: s.remove("VDI", s.root), {("master-lost", "danger", "VM")}),
    ("blueprint gone", lambda s: s.remove("VM", s.blueprint), {("master-lost", "danger", "VM")}),
    ("version gone for one", upgrade_label, {("master-lost", "danger", "VM")}),
    ("two hosts, one copy", second_host, {("master-without-replica", "note", "VDI")}),
    (
        "a host without a pbd",
        lambda s: second_host(s, sees=False),
        {("master-without-replica", "note", "VDI"), ("master-out-of-reach", "warning", "VDI")},
    ),
    ("local sr", lambda s: s.records["SR"][s.sr].update(shared=False), {("master-without-replica", "note", "VDI")}),
    ("sr nowhere", unplugged, {("master-detached", "danger", "VDI")}),
    ("clone possible", without("web1", "clone"), {("instance-unblocked", "warning", "VM")}),
    ("migration possible", without("web1", "migrate_send"), {("instance-unblocked", "danger", "VM")}),
    ("instance made a template", vm("web1", is_a_template=True), {("instance-template", "warning", "VM")}),
    ("scheduled", vm("web1", snapshot_schedule="OpaqueRef:x"), {("instance-snapshot-schedule", "note", "VM")}),
    (
        "snapshot of a whole instance",
        lambda s: instance_copy(s, is_a_snapshot=True, is_a_template=True, snapshot_of=s.web1),
        {("instance-snapshot", "danger", "VM")},
    ),
    (
        "copy of a whole instance",
        instance_copy,
        {("instance-copy", "warning", "VM"), ("foreign-vm-on-master", "warning", "VM")},
    ),
    ("unfinished but running", unfinished_but_running, {("instance-unfinished", "warning", "VM")}),
    ("same name", lambda s: s.add_vm("web-001"), {("duplicate-name", "warning", "VM")}),
    (
        "same mac, halted",
        lambda s: s.add_nic(s.somebody, 0, "0A:00:00:00:00:01"),
        {("duplicate-mac", "warning", "VIF")},
    ),
    (
        "same mac, running",
        lambda s: s.add_nic(s.add_vm("other", "Running"), 0, "0a:00:00:00:00:02"),
        {("duplicate-mac", "danger", "VIF")},
    ),
    ("address of another guest", reported_address, {("duplicate-address", "danger", "VM")}),
    (
        "address of a halted instance",
        lambda s: s.add_instance(9, pool="db", addresses="10.0.4.11/24"),
        {("duplicate-address", "warning", "VM")},
    ),
    (
        "copy of an overlay that runs",
        overlay_copy_on_running_vm,
        {("duplicate-identity", "danger", "VM"), ("copied-disk", "warning", "VDI")},
    ),
    ("overlay on another vm", lambda s: s.attach(s.somebody, s.overlay, "1"), {("disk-shared", "danger", "VBD")}),
    ("overlay looked at", lambda s: s.attach(s.somebody, s.overlay, "1", "RO"), {("disk-shared", "warning", "VBD")}),
    ("owner of the overlay", vbd("web1", "1", other_config=OWNER), {("disk-owner-key", "warning", "VBD")}),
    ("sharable overlay", vdi("web-001 overlay", sharable=True), {("disk-sharable", "danger", "VDI")}),
    ("read-only overlay", vdi("web-001 overlay", read_only=True), {("disk-read-only", "danger", "VDI")}),
    ("ephemeral", vdi("web-001 overlay", on_boot="reset"), {("ephemeral-without-parent", "danger", "VDI")}),
    ("long chain", lambda s: s.chain(s.overlay, 15), {("chain-depth", "warning", "VDI")}),
    ("very long chain", lambda s: s.chain(s.root, 25), {("chain-depth", "danger", "VDI")}),
    (
        "no coalescing",
        lambda s: s.records["SR"][s.sr].update(other_config={"gc": "false"}),
        {("coalescing-off", "warning", "SR")},
    ),
    (
        "no coalescing of a disk",
        lambda s: s.records["VDI"][s.overlay]["other_config"].update({"leaf-coalesce": "false"}),
        {("coalescing-off", "warning", "VDI")},
    ),
    ("little space", scarce(9), {("sr-space", "warning", "SR")}),
    ("no space", scarce(1), {("sr-space", "danger", "SR")}),
    (
        "vm deleted by hand",
        lambda s: s.remove("VM", s.db1),
        {("orphan-overlay", "warning", "VDI")},
    ),
    (
        "label lost",
        lambda s: s.records["VM"][s.web1]["other_config"].pop("skinnybox:number"),
        {("labels-damaged", "warning", "VM")},
    ),
    (
        "label spoilt",
        lambda s: s.records["VDI"][s.root]["other_config"].update({"skinnybox:version": "one"}),
        {("labels-damaged", "warning", "VDI")},
    ),
    (
        "label of a blueprint spoilt",
        lambda s: s.records["VM"][s.blueprint]["other_config"].update(
            {"skinnybox:promoted": "x", "skinnybox:version": ""}
        ),
        {("labels-damaged", "warning", "VM")},
    ),
    ("killed while upgrading", moving(upgrading="x"), {("upgrade-interrupted", "warning", "VM")}),
    ("killed while rolling back", moving(rolling_back="x"), {("upgrade-interrupted", "warning", "VM")}),
    ("upgraded and not up", not_up, {("upgrade-failed", "warning", "VM")}),
    ("upgraded, old root attached", old_root, {("old-root-attached", "note", "VBD")}),
    ("no way back", moving(previous="gone"), {("previous-lost", "note", "VM")}),
    ("kept on scale-in", kept, {("kept-overlay", "note", "VDI")}),
    ("data disk alone", lone_data_disk, {("orphan-disk", "warning", "VDI")}),
    ("killed while copying an overlay", copy_under_way, {("leftover", "warning", "VDI")}),
    ("two overlays", second_overlay, {("surplus-disk", "warning", "VDI")}),
    ("copied overlay", lambda s: s.copy("VDI", s.overlay, "mine"), {("copied-disk", "warning", "VDI")}),
    ("copied root", lambda s: s.copy("VDI", s.root, "mine"), {("copied-disk", "note", "VDI")}),
    (
        "killed while making one",
        lambda s: s.add_instance(9, finished=False, power_state="Halted"),
        {("leftover", "warning", "VM")},
    ),
    (
        "killed while publishing",
        lambda s: s.add_master(number=2, finished=False),
        {("leftover", "warning", "VM"), ("leftover", "warning", "VDI")},
    ),
    ("announced snapshot", announced_snapshot, {("leftover", "warning", "VDI")}),
    (
        "killed while removing",
        lambda s: s.records["VM"][s.web1]["other_config"].update({"skinnybox:removing": "true"}),
        {("removal-interrupted", "warning", "VM")},
    ),
    (
        "killed while rebuilding",
        lambda s: s.records["VM"][s.web1]["other_config"].update({"skinnybox:rebuilding": "x"}),
        {("rebuild-interrupted", "warning", "VM")},
    ),
    ("two of one number", twin, {("master-twice", "warning", "VM")}),
]
IDS = [name for name, _damage, _found in DAMAGES]


def test_nothing_is_found_where_all_is_well() -> None:
    assert findings(Site().model()) == []
    assert findings(World().model()) == []


@pytest.mark.parametrize(("damage", "expected"), [(damage, found) for _name, damage, found in DAMAGES], ids=IDS)
def test_each_damage_is_found_once_and_by_its_guard(
    damage: Callable[[Site], object], expected: set[tuple[str, str, str]]
) -> None:
    site = site_of(damage)
    model = site.model()
    found = findings(model)
    assert told(found) == expected
    assert len({(f.guard, f.subject) for f in found}) == len(found)
    known = {"VM": model.vms, "VDI": model.disks, "SR": model.srs}
    for finding in found:
        if things := known.get(finding.subject.cls):
            assert finding.subject.uuid in {thing.uuid for thing in things.values()}
        assert finding.problem and finding.remedy
        assert finding.pools or finding.masters


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, len(DAMAGES) - 1), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_damages_together_and_in_any_order_of_records(which: set[int], source: random.Random) -> None:
    """No guard fails because of what another one is for; what is found does not hang on the order of records."""
    site = Site()
    for number in sorted(which):
        # A damage before it may have taken away what this one is about.
        with suppress(KeyError, StopIteration, ValueError):
            DAMAGES[number][1](site)
    found = findings(site.model())
    assert findings(site.model(source)) == found
    assert [f.severity.value for f in found] == sorted(
        (f.severity.value for f in found), key=["danger", "warning", "note"].index
    )
    assert counts(found) == {
        level: Counter(f.severity.value for f in found)[level] for level in ("danger", "warning", "note")
    }


def test_of_one_vm_pool_or_master_only_what_concerns_it_is_told() -> None:
    site = Site()
    site.add_master("jammy")
    site.vbd(site.web1, "1")["other_config"] = OWNER
    site.vbd(site.db1, "1")["other_config"] = OWNER
    site.vbd(site.web2, "0")["mode"] = "RW"
    model = site.model()
    # A damaged master concerns all that have instances of it.
    assert [f.guard for f in findings(model, vm_pool="web")] == ["master-writable", "disk-owner-key"]
    assert [f.guard for f in findings(model, vm_pool="db")] == ["master-writable", "disk-owner-key"]
    assert findings(model, vm_pool="mail") == []
    assert len(findings(model, master="noble")) == len(findings(model, master="noble:1")) == 3
    assert findings(model, master="noble:2") == findings(model, master="jammy") == []
    assert findings(model, vm_pool="web", master="jammy") == []


def test_disks_of_others_are_never_in_a_remedy() -> None:
    """What removes a copy of a VM must name the copies of its disks, and never one of ours."""
    site = Site()
    copy = instance_copy(site)
    (finding,) = [f for f in findings(site.model()) if f.guard == "instance-copy"]
    own = [r["uuid"] for r in site.records["VDI"].values() if r["name_label"] == "copied"]
    assert all(uuid in finding.remedy for uuid in (*own, site.uuid_of("VM", copy)))
    ours = [r["uuid"] for r in site.records["VDI"].values() if r["name_label"] != "copied"]
    assert not [uuid for uuid in ours if uuid in finding.remedy]


def test_a_lock_of_a_dead_owner_concerns_what_it_locks() -> None:
    locks = [
        DeadLock("skinnybox:lock:VM pool web", "VM pool web", "process 7 on ctl"),
        DeadLock("skinnybox:lock:master image noble", "master image noble", "process 8 on ctl"),
    ]
    model = Site().model()
    assert told(findings(model, locks)) == {("dead-lock", "note", "pool")}
    (of_pool,) = findings(model, locks, vm_pool="web")
    assert "VM pool web is locked by process 7 on ctl" in of_pool.problem
    (of_master,) = findings(model, locks, master="noble")
    assert "master image noble" in of_master.problem


def test_an_ephemeral_overlay_with_something_to_go_back_to_is_well() -> None:
    site = Site()
    site.chain(site.overlay, 2)
    site.records["VDI"][site.overlay]["on_boot"] = "reset"
    assert findings(site.model()) == []


def test_a_replica_on_another_sr_is_no_lonely_master() -> None:
    site = Site()
    second_host(site)
    other = site.add_sr("NFS", shared=True)
    labels = {k: v for k, v in site.labels(site.blueprint).items() if k in ("master", "version", "master_id")}
    disks = {}
    for kind in (Kind.ROOT, Kind.BOOT):
        parent = {"vhd-parent": "a base copy"}
        config = other_config(kind, **labels)
        disks[kind] = site.add_disk(f"replica {kind.value}", other, other_config=config, sm_config=parent)
        site.own("VDI", disks[kind])
    uuids = {kind.value: site.uuid_of("VDI", disk) for kind, disk in disks.items()}
    config = other_config(Kind.BLUEPRINT, **labels, **uuids, replica=site.uuid_of("VM", site.blueprint))
    blocked = site.records["VM"][site.blueprint]["blocked_operations"]
    blueprint = site.add_vm("noble:1", is_a_template=True, other_config=config, blocked_operations=blocked)
    site.attach(blueprint, disks[Kind.ROOT], "0", "RO", "CD")
    site.attach(blueprint, disks[Kind.BOOT], "3", "RO", "CD")
    site.own("VM", blueprint)
    assert findings(site.model()) == []


def test_a_chain_that_bites_its_own_tail_ends() -> None:
    site = Site()
    uuid = site.uuid_of("VDI", site.overlay)
    site.records["VDI"][site.overlay]["sm_config"] = {"vhd-parent": uuid}
    assert findings(site.model()) == []


def test_snapshots_of_vms_that_are_not_ours_are_not_our_business() -> None:
    site = Site()
    site.add_vm("backup", is_a_snapshot=True, is_a_template=True, snapshot_of=site.somebody)
    site.add_nic(site.add_vm("one"), 0, "0a:00:00:00:01:01")
    site.add_nic(site.add_vm("two"), 0, "0a:00:00:00:01:01")
    site.add_vm("same name")
    site.add_vm("same name")
    site.records["VM"][site.somebody].update(snapshot_schedule=NULL)
    assert findings(site.model()) == []


def guards_in_the_code() -> set[str]:
    """The first argument of every Finding that is made."""
    found = set()
    for path in GUARDS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                found.add(ast.literal_eval(node.args[0]))
    return found


def test_every_guard_is_documented_and_tried() -> None:
    guards = guards_in_the_code()
    assert guards == set(re.findall(r"C\(([a-z-]+)\)", guard_info.DOCUMENTATION))
    assert guards == {guard for _name, _damage, found in DAMAGES for guard, *_rest in found} | {"dead-lock"}
