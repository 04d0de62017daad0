#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: instance
short_description: Change, start, stop, restart, upgrade, roll back, rebuild or remove one instance, or make it
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Works on one instance by its name. Only what is given is compared with what is there.
  - What XAPI and the guest allow is changed while the instance runs. All else needs a restart, which is done only with
    O(allow_restart); without it the plan names what waits for one.
  - An instance belongs to a VM pool. M(skinnybox.xenserver.vm_pool) brings it back to the pool's declaration, where
    that says something else.
extends_documentation_fragment:
  - skinnybox.xenserver.connection
  - skinnybox.xenserver.locking
  - skinnybox.xenserver.waiting
  - skinnybox.xenserver.guest
  - skinnybox.xenserver.attributes
options:
  name:
    description: Name of the instance.
    type: str
    required: true
  pool:
    description: Name of its VM pool. Needed to make it, and when VM pools have instances of the same name.
    type: str
  state:
    description:
      - V(present) brings it to what is given, and leaves its power state. When it is not there, it is made in VM pool
        O(pool) from O(master) and started; its number is the one of its name, or the lowest free one.
      - V(started) and V(stopped) do the same with an instance that is there, and start it or shut it down.
      - V(restarted) reboots it, or starts it when it is halted. It reboots at every run.
      - V(rebuilt) gives it a fresh overlay and swap disk, on O(master) if that is given, with a new machine-id and new
        SSH host keys. Name, uuid, MAC addresses, static addresses and data disks stay. It rebuilds at every run. What
        was on the overlay is lost.
      - V(upgraded) moves it to O(master), by default to the promoted version of its own master image, and carries its
        changes over. See O(when).
      - V(rolled_back) moves it back to the version before its last upgrade, or to O(master), one of those that it was
        upgraded from. It finds its files as they were there; what was changed since is not among them. Once it has
        been rolled back, a further run changes nothing. What an upgrade that was interrupted or whose guest did not
        boot has left is undone from wherever it stands.
      - V(committed) has it forget the versions that it can go back to, so that they can be retired. What their layers
        take on its overlay is freed in the guest.
      - V(absent) shuts it down and deletes its VM with all its disks.
    type: str
    choices: [present, absent, started, stopped, restarted, rebuilt, upgraded, rolled_back, committed]
    default: present
  master:
    description:
      - The master image, by name (its promoted version) or with a version, such as V(noble:7). An instance that is
        there changes to another version only with O(state=upgraded), O(state=rolled_back) and O(state=rebuilt).
      - For O(state=upgraded), it must be the instance's own master image, or another one that was published from the
        same golden VM. For O(state=rolled_back), it needs a version.
    type: str
  when:
    description:
      - When O(state=upgraded) takes place. V(now) shuts a running instance down, moves it and starts it again; one that
        is halted is moved, and carries its changes over when it is started.
      - With V(next_restart), the instance is moved when it is shut down and started or restarted by this module or by
        M(skinnybox.xenserver.vm_pool). A reboot from within the guest does not move it.
    type: str
    choices: [now, next_restart]
    default: now
  overlay:
    description: The overlay disk. When it is made, its size is 1 GiB by default.
    type: dict
    suboptions:
      size:
        description: Its size, such as V(2 GiB). It may grow and never shrinks.
        type: str
      sr:
        description: Names or uuids of the SRs on which a new one may be.
        type: list
        elements: str
      on_boot:
        description: With V(reset), each boot begins from the fresh overlay; nothing is kept.
        type: str
        choices: [persist, reset]
  swap:
    description: Size of the swap disk, such as V(512 MiB).
    type: str
  force:
    description: Switch it off when its guest does not shut down by itself.
    type: bool
    default: false
notes:
  - With O(wait), an instance that was upgraded or rolled back is waited for until its boot hook reports that it runs on
    the wanted version, whether it has guest tools or not. Without it, the next run of this module or of
    M(skinnybox.xenserver.vm_pool) detaches the old root disk.
  - An instance with static addresses is rebuilt only when O(networks) is given, as its VM pool declares it. The same
    holds for O(authorized_keys), without which nobody can log in by SSH key.
seealso:
  - module: skinnybox.xenserver.instance_info
  - module: skinnybox.xenserver.vm_pool
  - module: skinnybox.xenserver.overlay_disk
"""

EXAMPLES = r"""
- name: Reboot one web server
  skinnybox.xenserver.instance:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    fingerprint: "{{ xenserver_fingerprint }}"
    name: web-017
    state: restarted
    wait: true

- name: More of everything, while it runs if possible
  skinnybox.xenserver.instance:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: db-002
    hardware: {vcpus: 4, memory: 8 GiB}
    disks: [{name: data, size: 40 GiB}]
    allow_restart: true

- name: Begin anew on the promoted version
  skinnybox.xenserver.instance:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: web-017
    state: rebuilt
    master: noble
    networks: "{{ web.networks }}"
    authorized_keys: "{{ web.authorized_keys }}"

- name: To the promoted version of its master image, with all that was changed in it
  skinnybox.xenserver.instance:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: web-017
    state: upgraded
    wait: true
  register: upgrade

- name: Back to the version before
  skinnybox.xenserver.instance:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: web-017
    state: rolled_back
    force: true
    wait: true
"""

RETURN = r"""
downtime:
  description:
    - For how many seconds the instance was down, from the beginning of its shutdown until its boot hook reported that
      it runs. Without O(wait), and when it was not restarted, there is none.
  returned: for O(state=upgraded) and O(state=rolled_back)
  type: float
instance:
  description:
    - The instance after the run, as M(skinnybox.xenserver.instance_info) returns it; empty when it is not there.
  returned: always
  type: dict
plan:
  description: What was to be done, one entry an action, as M(skinnybox.xenserver.vm_pool) returns it.
  returned: always
  type: list
  elements: dict
plan_text:
  description: The same for people, line by line.
  returned: always
  type: list
  elements: str
outcomes:
  description: What became of each action.
  returned: when something was done
  type: list
  elements: dict
"""

from typing import Any, Mapping

from ansible_collections.skinnybox.xenserver.plugins.module_utils import module
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import instance_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.instances import instances
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import HostPool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.options import INSTANCE_OPTIONS
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.instance import plan_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.instance_wish import parse_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.plan import Plan

OPTIONS = {
    **module.LOCK_OPTIONS,
    **module.WAIT_OPTIONS,
    **INSTANCE_OPTIONS,
    "name": {"type": "str", "required": True},
    "pool": {"type": "str"},
    "state": {
        "type": "str",
        "choices": [
            "present",
            "absent",
            "started",
            "stopped",
            "restarted",
            "rebuilt",
            "upgraded",
            "rolled_back",
            "committed",
        ],
        "default": "present",
    },
    "when": {"type": "str", "choices": ["now", "next_restart"], "default": "now"},
    "force": {"type": "bool", "default": False},
}


def check(params: Mapping[str, Any]) -> None:
    """Refuse what is wrong in itself. Raises Refused."""
    parse_instance(params)


def work(run: module.Run) -> dict[str, Any]:
    """Bring the instance to the state that is asked for."""
    wish = parse_instance(run.params)

    def make_plan(pool: HostPool) -> Plan:
        plan = plan_instance(wish, pool, run.name_of(pool))
        return Plan(pool, (plan,) if plan else ())

    def show(pool: HostPool) -> dict[str, Any]:
        found = [one for one in instances(pool, wish.pool) if one.name == wish.name]
        return {"instance": instance_facts(pool, found[0]) if found else {}}

    # A rollout changes many at once, each for minutes.
    alone = wish.name if wish.state in ("upgraded", "rolled_back", "committed") else ""
    result = module.bring_about(run, None, make_plan, show=show, instance=alone)
    if wish.state in ("upgraded", "rolled_back"):
        downtimes = (outcome.get("downtime") for outcome in result.get("outcomes", ()))
        result["downtime"] = next((seconds for seconds in downtimes if seconds is not None), None)
    return result


def main() -> None:
    module.run_module(work, OPTIONS, check=check)


if __name__ == "__main__":
    main()
