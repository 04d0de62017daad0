#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_pool
short_description: Create, scale, repair and remove pools of VMs that share one master image
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Brings a VM pool to its declared state. Every instance boots from one read-only master disk and owns only a small
    overlay disk with what differs.
  - Instances that are missing are made, surplus ones are removed with their overlays (the highest numbers first),
    halted ones are started, lost attachments are given back. What a killed run left is removed.
  - Nothing is written when the declaration cannot be met.
extends_documentation_fragment:
  - skinnybox.xenserver.connection
  - skinnybox.xenserver.locking
  - skinnybox.xenserver.vm_pool
  - skinnybox.xenserver.attributes
options:
  name:
    description: Name of the VM pool; also the beginning of its instances' names.
    type: str
    required: true
  state:
    description:
      - V(present) brings the pool to O(size) instances.
      - V(absent) removes the pool with all its overlays, or only O(instances).
    type: str
    choices: [present, absent]
    default: present
  size:
    description: How many instances there are to be. Required with O(state=present), as is O(master).
    type: int
  instances:
    description: With O(state=absent), the names of the instances to be removed; without it, all are.
    type: list
    elements: str
  wait:
    description: Wait until the guest tools of the instances started by this run report an address.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait at most.
    type: int
    default: 600
seealso:
  - module: skinnybox.xenserver.vm_pool_info
  - module: skinnybox.xenserver.master_image
"""

EXAMPLES = r"""
- name: Forty web servers from one master image
  skinnybox.xenserver.vm_pool:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    fingerprint: "{{ xenserver_fingerprint }}"
    name: web
    size: 40
    master: noble
    overlay:
      size: 1 GiB
    swap: 512 MiB
    hardware:
      vcpus: 2
      memory: 2 GiB
    networks:
      - network: Production
        ipv4:
          addresses: [10.0.4.11-10.0.4.90/24]
          gateway: 10.0.4.1
        dns: [10.0.4.2]
    authorized_keys: "{{ lookup('file', '~/.ssh/id_ed25519.pub') }}"

- name: Remove one instance and its overlay
  skinnybox.xenserver.vm_pool:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: web
    state: absent
    instances: [web-017]
"""

RETURN = r"""
plan:
  description: What was to be done, one entry an action.
  returned: always
  type: list
  elements: dict
  sample: [{"action": "create", "instance": "web-039", "detail": "overlay 1 GiB on Local SSD 2, 10.0.4.49"}]
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
  sample: [{"action": "create", "instance": "web-039", "failed": false}]
instances:
  description: The pool's instances after the run, as M(skinnybox.xenserver.vm_pool_info) returns them.
  returned: always
  type: list
  elements: dict
"""

from typing import Any, Mapping

from ansible_collections.skinnybox.xenserver.plugins.module_utils import module
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.lock import drop_dead_lock, locked
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.run import Outcome, apply_vm_pool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.wait import wait_for_guests
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import instance_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.instances import instances
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import HostPool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.options import VM_POOL_OPTIONS
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.actions import VmPoolPlan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.declaration import parse_vm_pool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.text import plan_lines
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.vm_pool import (
    plan_absence,
    plan_removal,
    plan_vm_pool,
)

OPTIONS = {
    **module.LOCK_OPTIONS,
    **VM_POOL_OPTIONS,
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "size": {"type": "int"},
    "instances": {"type": "list", "elements": "str"},
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 600},
}


def check(params: Mapping[str, Any]) -> None:
    """Refuse what is wrong in itself. Raises Refused."""
    if params["state"] == "present":
        parse_vm_pool(params)


def make_plan(run: module.Run, pool: HostPool) -> VmPoolPlan:
    """What is to be done. Raises Refused."""
    name = run.params["name"]
    if run.params["state"] == "present":
        return plan_vm_pool(parse_vm_pool(run.params), pool, run.host_pool)
    if run.params["instances"] is not None:
        return plan_removal(name, run.params["instances"], pool, run.host_pool)
    return plan_absence(name, pool, run.host_pool)


def bring_about(run: module.Run) -> dict:
    """Plan, then carry the plan out unless nothing is to be done or only a look was asked for."""
    pool, lock = run.read(), f"VM pool {run.params['name']}"
    plan = make_plan(run, pool)
    outcomes: list[Outcome] = []
    problems: dict[str, str] = {}
    if plan.changes and not run.check_mode:
        with locked(run.client, pool, lock, run.params["lock_timeout"]):
            # Somebody may have finished the same work while we waited for our turn to look.
            pool = run.read()
            plan = make_plan(run, pool)
            outcomes = apply_vm_pool(run.client, pool, plan)
        pool = run.read()
        if run.params["wait"]:
            failed = {outcome.name for outcome in outcomes if outcome.error}
            awaited = [name for name in plan.started() if name not in failed]
            pool, problems = wait_for_guests(run.client, pool, run.params["name"], awaited, run.params["wait_timeout"])
    elif not run.check_mode:
        drop_dead_lock(run.client, pool, lock)
    result = report(run, plan, pool, outcomes)
    failures = {outcome.name: outcome.error for outcome in outcomes if outcome.error}
    failures = {**problems, **failures}
    if failures:
        raise module.Failed(failure_message(run, plan, failures), **result)
    return result


def report(run: module.Run, plan: VmPoolPlan, pool: HostPool, outcomes: list[Outcome]) -> dict:
    """The module's result."""
    for warning in plan.warnings:
        run.warn(warning)
    text = plan_lines(plan)
    result = {
        "changed": bool(plan.changes) if run.check_mode else any(not outcome.error for outcome in outcomes),
        "plan": plan.as_data(),
        "plan_text": text,
        "instances": [instance_facts(pool, instance) for instance in instances(pool, run.params["name"])],
    }
    if plan.actions:
        result["diff"] = {"prepared": "\n".join(text) + "\n"}
    if outcomes:
        result["outcomes"] = [outcome.as_data() for outcome in outcomes]
    return result


def failure_message(run: module.Run, plan: VmPoolPlan, failures: dict[str, str]) -> str:
    """All that failed, in one place."""
    done = len(plan.changes) - sum(action.name in failures for action in plan.changes)
    headline = f"VM pool {run.params['name']!r}: {len(failures)} of {len(plan.changes)} actions failed, {done} done."
    return " ".join([headline, *failures.values()])


def main() -> None:
    module.run_module(bring_about, OPTIONS, check=check, required_if=[("state", "present", ["size", "master"])])


if __name__ == "__main__":
    main()
