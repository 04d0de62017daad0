# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of moves to another master version: where an instance may be on its way, and what is done about it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.boot_report import REPORT_KEY, boot_report
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import instance_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.instances import instances
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.masters import master_versions
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan import master as retirement
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.actions import Change, VmPoolPlan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.instance import plan_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.instance_wish import parse_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.spec import MasterName
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.text import plan_lines
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.upgrade_changes import MoveMaster
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.vm_pool import plan_vm_pool
from tests.support.model import World, declaration


class Site(World):
    """Versions 1 to 3 of noble, the last one promoted, and web-001."""

    def __init__(self, power_state: str = "Running", **fields: Any) -> None:
        super().__init__()
        self.blueprints = [self.add_master(number=number, promoted=100 + number) for number in (1, 2, 3)]
        self.ids = [self.labels(blueprint)["master_id"] for blueprint in self.blueprints]
        self.vm = self.add_instance(1, blueprint=self.blueprints[0], power_state=power_state, **fields)

    def label(self, **labels: str) -> None:
        """Give web-001 labels; an empty value removes one."""
        config = self.records["VM"][self.vm]["other_config"]
        for name, value in labels.items():
            config[f"skinnybox:{name}"] = value
            if not value:
                del config[f"skinnybox:{name}"]

    def be_on(self, number: int) -> None:
        """Have web-001 be of another version, by its labels."""
        self.label(master_id=self.ids[number - 1], version=str(number))

    def report(self, state: str, number: int) -> None:
        text = f"state={state};master={self.ids[number - 1]};layer=rebased;code=rebase;reason=no room"
        self.records["VM"][self.vm]["xenstore_data"] = {REPORT_KEY: text}

    def to(self, state: str, **options: Any) -> list[str]:
        """What brings web-001 to a state, for people."""
        return [line.strip() for line in plan_lines(self.plan(state, **options))[1:-1]]

    def plan(self, state: str, **options: Any) -> VmPoolPlan:
        plan = plan_instance(parse_instance({"name": "web-001", "state": state, **options}), self.model(), "london")
        assert plan
        return plan

    def move(self, state: str, **options: Any) -> MoveMaster:
        (action,) = self.plan(state, **options).actions
        assert isinstance(action, Change)
        (move,) = [item for item in action.items if isinstance(item, MoveMaster)]
        return move

    def apply(self, **options: Any) -> list[str]:
        """What apply would do, for people."""
        found = plan_vm_pool(declaration(master="noble:3", **options), self.model(), "london")
        return [line.strip() for line in plan_lines(found)[1:-1]]


@pytest.fixture
def site() -> Site:
    return Site()


def test_where_a_move_can_be_and_what_is_done_then() -> None:
    """At each place of an upgrade from noble:1 to noble:3: what upgraded, rolled_back and apply do."""
    site = Site()
    upgrade, rollback = (
        "~ web-001  master noble:1 -> noble:3, rebase",
        "~ web-001  master noble:3 -> noble:1, rolled back",
    )
    assert site.to("upgraded") == [f"{upgrade}, restart"]
    assert site.apply() == ["! web-001  runs on noble:1, declared is noble:3: upgrade it with playbook upgrade"]
    # Killed after its shutdown.
    site = Site("Halted")
    site.label(restarting="true")
    assert site.to("upgraded") == [f"{upgrade}, started on xen1"]
    assert site.to("rolled_back", master="noble:1") == [
        "~ web-001  its restart was interrupted: finished, started on xen1"
    ]
    # Killed within its move.
    site.label(upgrading=site.ids[2])
    assert site.to("upgraded") == [f"{upgrade}, started on xen1"]
    assert site.apply() == [f"{upgrade}, started on xen1"]
    assert site.to("rolled_back") == [f"{rollback}, started on xen1"]
    # Killed before its start.
    site.be_on(3)
    site.label(previous=site.ids[0])
    assert site.to("upgraded") == [f"{upgrade}, started on xen1"]
    assert site.apply(power_state="halted") == []
    assert site.to("rolled_back") == [f"{rollback}, started on xen1"]
    # Its guest refused to boot.
    site.report("failed", 3)
    assert site.to("upgraded") == [f"{upgrade}, started on xen1"]
    failed = "! web-001  could not boot noble:3 after its upgrade: no room (rebase). Roll it back"
    assert [line.partition(" (module")[0] for line in site.apply()] == [failed]
    assert site.to("rolled_back") == [f"{rollback}, started on xen1"]
    # It is up, and was halted since by somebody.
    site.report("running", 3)
    assert site.to("upgraded") == ["~ web-001  its upgrade to noble:3 finished"]
    assert site.apply(power_state="unmanaged") == ["~ web-001  its upgrade to noble:3 finished"]
    # It runs.
    site.records["VM"][site.vm].update(power_state="Running", resident_on=site.host)
    assert site.to("upgraded") == site.apply() == ["~ web-001  its upgrade to noble:3 finished, live"]
    assert site.to("rolled_back") == [f"{rollback}, restart"]
    # It boots, and has not reported yet.
    site.records["VM"][site.vm]["xenstore_data"] = {}
    assert site.to("upgraded") == site.apply() == []
    assert site.to("upgraded", wait=True) == ["~ web-001  its upgrade to noble:3 finished, live"]


def test_where_a_rollback_can_be_and_what_is_done_then() -> None:
    site = Site("Halted")
    site.be_on(3)
    site.label(previous=site.ids[0], restarting="true", upgrading=site.ids[2], rolling_back=site.ids[0])
    rollback = "~ web-001  master noble:3 -> noble:1, rolled back, started on xen1"
    assert site.to("rolled_back") == site.apply() == [rollback]
    with pytest.raises(Refused, match=r"its rollback to noble:1 is not finished. Finish it with playbook rollback"):
        site.to("upgraded")
    site.be_on(1)
    site.label(abandoned=site.ids[2])
    assert site.to("rolled_back") == site.apply() == [rollback]
    site.report("failed", 1)
    assert site.to("rolled_back") == [rollback]
    site.report("running", 1)
    assert (
        site.to("rolled_back")
        == site.apply(power_state="unmanaged")[:1]
        == ["~ web-001  its rollback to noble:1 finished"]
    )


def test_between_the_two_calls_that_replace_a_label_nothing_is_lost() -> None:
    site = Site("Halted")
    site.label(upgrading=site.ids[2], next_previous=f"{site.ids[1]} {site.ids[0]}", master_id="", version="")
    move = site.move("upgraded")
    assert (move.source_id, move.before, move.previous) == (site.ids[1], (site.ids[0],), (site.ids[1], site.ids[0]))
    back = site.move("rolled_back")
    assert (back.target.title, back.previous) == ("noble:2", (site.ids[0],))


def test_it_can_go_back_as_often_as_it_was_upgraded(site: Site) -> None:
    site.be_on(3)
    site.label(previous=f"{site.ids[1]} {site.ids[0]}")
    assert site.to("rolled_back") == ["~ web-001  master noble:3 -> noble:2, rolled back, restart"]
    assert site.move("rolled_back").previous == (site.ids[0],)
    further = site.move("rolled_back", master="noble:1")
    assert (further.target.number, further.previous) == (1, ())
    site.be_on(2)
    site.label(previous=site.ids[0], abandoned=site.ids[2])
    assert site.to("rolled_back") == site.to("rolled_back", master="noble:2") == []
    assert site.to("rolled_back", master="noble:1") == ["~ web-001  master noble:2 -> noble:1, rolled back, restart"]
    assert site.to("upgraded") == ["~ web-001  master noble:2 -> noble:3, rebase, restart"]


def test_what_cannot_be_is_refused(site: Site) -> None:
    site.add_master("jammy", 1)
    cases: list[tuple[dict[str, str], dict[str, Any], str]] = [
        ({}, {"state": "upgraded", "master": "jammy"}, "jammy:1 comes from another golden VM"),
        (
            {"upgrading": site.ids[1]},
            {"state": "upgraded"},
            r"its upgrade to noble:2 is not finished. .*\(master: noble:2\)",
        ),
        ({"upgrading": site.ids[1]}, {"state": "committed"}, "its upgrade to noble:2 is not finished yet"),
        ({"previous": "gone"}, {"state": "rolled_back"}, "cannot go back to gone: that version is gone"),
        ({"master_id": "gone"}, {"state": "upgraded"}, "its own version noble:1 is gone"),
        ({"previous": site.ids[2]}, {"state": "upgraded"}, "can go back to it: use playbook rollback"),
    ]
    site.records["VM"][site.blueprints[0]]["other_config"]["skinnybox:golden_vm"] = "golden"
    for labels, options, sentence in cases:
        before = dict(site.records["VM"][site.vm]["other_config"])
        site.label(**labels)
        with pytest.raises(Refused, match=sentence):
            site.to(**options)
        site.records["VM"][site.vm]["other_config"] = before


def test_another_name_of_the_same_golden_vm_will_do(site: Site) -> None:
    other = site.add_master("noble-lts", 1)
    assert site.labels(other)["golden_vm"] == site.labels(site.blueprints[0])["golden_vm"]
    assert site.to("upgraded", master="noble-lts") == ["~ web-001  master noble:1 -> noble-lts:1, rebase, restart"]


def test_the_old_root_gets_the_first_free_place(site: Site) -> None:
    assert site.move("upgraded").position == "4"
    for position in range(4, 255):
        site.attach(site.vm, site.add_disk("mine"), str(position))
    with pytest.raises(Refused, match="no position is free at which its old root could be attached"):
        site.to("upgraded")


def test_the_copy_is_taken_that_a_host_sees_together_with_the_overlay() -> None:
    site = Site()
    second = site.add_host("xen2")
    elsewhere, shared = (
        site.add_sr("SSD of xen2", hosts=[second]),
        site.add_sr("NFS", shared=True, hosts=[site.host, second]),
    )
    for disk in ("noble:3 root", "noble:3 boot CD"):
        ref = next(ref for ref, record in site.records["VDI"].items() if record["name_label"] == disk)
        site.records["VDI"][ref]["SR"] = elsewhere
    with pytest.raises(Refused, match=r"no host that sees its disks on 'Local SSD' .* which is on SSD of xen2"):
        site.to("upgraded")
    site.add_replica(site.blueprints[2], shared)
    target = site.move("upgraded").target
    assert target.root and target.root.sr == shared


def test_firmware_and_boot_order_are_the_new_versions() -> None:
    site = Site()
    site.records["VM"][site.blueprints[2]]["HVM_boot_params"] = {"order": "d", "firmware": "uefi"}
    moved = "~ web-001  master noble:1 -> noble:3, rebase, boot order cd -> d, firmware unset -> uefi, restart"
    assert site.to("upgraded") == [moved]


def test_an_upgrade_at_the_next_restart_goes_along_with_any() -> None:
    site = Site()
    assert site.to("upgraded", when="next_restart") == ["~ web-001  next restart: master -> noble:3, live"]
    site.label(upgrade_to=site.ids[2])
    assert site.to("upgraded", when="next_restart") == []
    other = ["~ web-001  next restart: master -> noble:2, live"]
    assert site.to("upgraded", when="next_restart", master="noble:2") == other
    assert site.to("upgraded", when="next_restart", master="noble:1") == [
        "~ web-001  next restart: not upgraded to noble:3 any more, live"
    ]
    taken = "~ web-001  master noble:1 -> noble:3, rebase, restart"
    assert site.to("restarted") == [taken]
    assert site.apply() == ["! web-001  runs on noble:1, declared is noble:3: upgraded at its next restart"]
    assert site.apply(hardware={"vcpus": 2}, allow_restart=True)[0] == taken.replace(
        "master", "vcpus 1 -> 2, master", 1
    )
    assert site.to("stopped") == ["~ web-001  running: shut down"]
    site.remove("VM", site.blueprints[2])
    assert site.to("restarted")[
        0
    ] == "! web-001  was to be upgraded to noble:3 at its next restart, which cannot be: web-001 (VM " + (
        f"{site.uuid_of('VM', site.vm)}): version noble:3 is gone."
    )


def test_a_version_that_somebody_can_go_back_to_is_in_use(site: Site) -> None:
    site.be_on(3)
    site.label(previous=site.ids[0])
    with pytest.raises(Refused, match=r"1 instance\(s\) can go back to it, .*: web-001. Commit them first"):
        retirement.find_retirable(site.model(), MasterName("noble", 1))
    overlay = next(record for record in site.records["VDI"].values() if record["name_label"] == "web-001 overlay")
    overlay["other_config"]["skinnybox:master_id"] = site.ids[2]
    for position in ("0", "3"):
        ref = next(r for r, v in site.records["VBD"].items() if v["VM"] == site.vm and v["userdevice"] == position)
        del site.records["VBD"][ref]
    (surplus,) = retirement.superfluous(site.model(), "noble", 1, False, False, 3)
    assert surplus.title == "noble:2"
    (sentence,) = retirement.bound_versions(site.model(), "noble", 1, False, False, 3)
    assert sentence.startswith("noble:1 is not retired: 1 instance(s) can go back to it")
    versions = {version.title: [vm.ref for vm in version.bound] for version in master_versions(site.model())}
    assert versions == {"noble:1": [site.vm], "noble:2": [], "noble:3": []}


def test_facts(site: Site) -> None:
    site.be_on(3)
    site.label(previous=f"{site.ids[1]} gone", upgrade_to=site.ids[0], rolling_back=site.ids[1])
    site.report("running", 3)
    pool = site.model()
    facts = instance_facts(pool, instances(pool)[0])
    assert (facts["previous"], facts["upgrade_to"], facts["moving_to"]) == (["noble:2", "gone"], "noble:1", "noble:2")


@pytest.mark.parametrize(
    ("text", "state", "reason", "data"),
    [
        ("", "", "", {}),
        ("state=running;kept=3;seconds=0.5;a=1x", "running", "", {"kept": 3, "seconds": 0.5, "a": "1x"}),
        ("state=failed;code=rebase;reason=no room.", "failed", "no room (rebase)", {"code": "rebase"}),
        ("state=failed;code=overlay", "failed", "it does not say why (overlay)", {}),
        ("=;;x;state = degraded ; ", "degraded", "", {"": ""}),
    ],
)
def test_reports_are_read_whatever_the_guest_writes(text: str, state: str, reason: str, data: dict[str, Any]) -> None:
    report = boot_report({REPORT_KEY: text})
    assert (report.state, report.reason) == (state, reason)
    assert data.items() <= report.as_data().items()
