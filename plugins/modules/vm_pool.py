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
  - Instances that are missing are made, surplus ones are removed as O(scale_in) says, halted ones are started, lost
    attachments are given back. What a killed run left is finished or removed.
  - Instances that differ from the declaration are changed, only in what is declared. What XAPI and the guest allow is
    changed while they run. All else needs a restart, which is done only with O(allow_restart); without it the plan
    names what waits for one, and it is done when the instance is halted next. An instance stays on its master version.
  - Nothing is written when the declaration cannot be met.
extends_documentation_fragment:
  - skinnybox.xenserver.connection
  - skinnybox.xenserver.locking
  - skinnybox.xenserver.waiting
  - skinnybox.xenserver.vm_pool
  - skinnybox.xenserver.guest
  - skinnybox.xenserver.attributes
options:
  name:
    description: Name of the VM pool; also the beginning of its instances' names.
    type: str
    required: true
  state:
    description:
      - V(present) brings the pool to O(size) instances.
      - V(absent) removes the pool with all its overlays, kept ones too, or only O(instances) with theirs.
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
  description:
    - What was to be done, one entry an action, with the uuids of the VMs and disks that it writes to, the bytes that
      it allocates on each SR, and whether the instance is restarted.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      detail: on xen2, overlay 1 GiB on Local SSD 2, 10.0.4.49
      disk: [{"sr": "Local SSD 2", "now": 33577984, "at_most": 1074010112}]
      downtime: none
      instance: web-039
      objects: []
      pool: web
plan_text:
  description: The same for people, line by line.
  returned: always
  type: list
  elements: str
outcomes:
  description:
      - What became of each action. C(state) is C(done), C(failed), C(stopped) (midway, by a signal) or C(untried)
        (not begun); C(steps) are those that were done, C(changed) says whether anything was written, C(msg) why it
        failed.
  returned: when something was done
  type: list
  elements: dict
  sample:
    - action: create
      changed: true
      failed: false
      instance: web-039
      state: done
      steps: [VM cloned, overlay made, started]
instances:
  description: The pool's instances after the run, as M(skinnybox.xenserver.vm_pool_info) returns them.
  returned: always
  type: list
  elements: dict
"""

from typing import Any, Mapping

from ansible_collections.skinnybox.xenserver.plugins.module_utils import module
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import HostPool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.options import VM_POOL_OPTIONS
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.declaration import parse_vm_pool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.plan import Plan, plan_vm_pools
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.vm_pool import plan_absence, plan_removal

OPTIONS = {
    **module.LOCK_OPTIONS,
    **module.WAIT_OPTIONS,
    **VM_POOL_OPTIONS,
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "size": {"type": "int"},
    "instances": {"type": "list", "elements": "str"},
}


def check(params: Mapping[str, Any]) -> None:
    """Refuse what is wrong in itself. Raises Refused."""
    if params["state"] == "present":
        parse_vm_pool(params)


def work(run: module.Run) -> dict[str, Any]:
    """Bring the VM pool to its declared state."""
    name, names = run.params["name"], run.params["instances"]

    def make_plan(pool: HostPool) -> Plan:
        if run.params["state"] == "present":
            return plan_vm_pools([parse_vm_pool(run.params)], pool, run.name_of(pool))
        if names is not None:
            return Plan(pool, (plan_removal(name, names, pool, run.name_of(pool)),))
        return Plan(pool, (plan_absence(name, pool, run.name_of(pool)),))

    return module.bring_about(run, [name], make_plan)


def main() -> None:
    module.run_module(work, OPTIONS, check=check, required_if=[("state", "present", ["size", "master"])])


if __name__ == "__main__":
    main()
