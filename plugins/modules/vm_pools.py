#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_pools
short_description: Bring several VM pools of one host pool to their declared state by one plan
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Does for several VM pools at once what M(skinnybox.xenserver.vm_pool) does for one. The host pool is read once,
    names, addresses and space are checked for all of them together, and nothing is written when one of them cannot
    be met.
  - In check mode the plan is made and not carried out. It can be kept, and be handed back as O(saved_plan) when
    somebody has read it.
extends_documentation_fragment:
  - skinnybox.xenserver.connection
  - skinnybox.xenserver.locking
  - skinnybox.xenserver.waiting
  - skinnybox.xenserver.attributes
options:
  pools:
    description:
      - The VM pools, each with C(name), C(size), C(master) and the other words by which
        M(skinnybox.xenserver.vm_pool) declares one, such as C(overlay), C(hardware), C(networks) or C(placement).
      - VM pools that are not in the list are left alone.
    type: list
    elements: dict
    required: true
  hardware_profiles:
    description:
      - Hardware by name, for the word C(hardware.profile) of any of O(pools). Those of a VM pool itself go before.
    type: dict
  saved_plan:
    description:
      - The RV(saved_plan) of an earlier run in check mode. The plan is made anew and carried out only when it is the
        same; otherwise the module fails before anything is written and says what has changed.
    type: dict
seealso:
  - module: skinnybox.xenserver.vm_pool
  - module: skinnybox.xenserver.vm_pool_info
"""

EXAMPLES = r"""
- name: What would happen
  skinnybox.xenserver.vm_pools:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    fingerprint: "{{ xenserver_fingerprint }}"
    hardware_profiles:
      small: {vcpus: 1, memory: 1 GiB}
    pools:
      - {name: web, size: 40, master: noble, hardware: {profile: small}}
      - {name: db, size: 3, master: "noble:7", disks: [{name: data, size: 20 GiB}]}
  check_mode: true
  register: planned

- name: Just that, or nothing
  skinnybox.xenserver.vm_pools:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    fingerprint: "{{ xenserver_fingerprint }}"
    hardware_profiles:
      small: {vcpus: 1, memory: 1 GiB}
    pools:
      - {name: web, size: 40, master: noble, hardware: {profile: small}}
      - {name: db, size: 3, master: "noble:7", disks: [{name: data, size: 20 GiB}]}
    saved_plan: "{{ planned.saved_plan }}"
"""

RETURN = r"""
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
  sample:
    - "london / db: 3 of 3 instances, master noble:7"
    - "london / web: 39 of 40 instances, master noble:7"
    - "  + web-040  on xen1, overlay 1 GiB on Local SSD 2, 10.0.4.50"
    - "Plan: 1 to create, 0 to change, 0 to remove. Disk: 32 MiB now, 1 GiB at most."
saved_plan:
  description: The plan with all that it rests on, to be kept, for the option of this name.
  returned: in check mode
  type: dict
outcomes:
  description: What became of each action, as M(skinnybox.xenserver.vm_pool) returns it.
  returned: when something was done
  type: list
  elements: dict
instances:
  description: The instances of these VM pools after the run, as M(skinnybox.xenserver.vm_pool_info) returns them.
  returned: always
  type: list
  elements: dict
"""

from typing import Any, Mapping

from ansible_collections.skinnybox.xenserver.plugins.module_utils import module
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import HostPool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.options import VM_POOL_OPTIONS
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.declaration import parse_vm_pool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.plan import (
    Plan,
    check_declared_once,
    plan_vm_pools,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused, of_vm_pool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.saved import check_saved_plan, saved_plan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.spec import VmPoolSpec

OPTIONS = {
    **module.LOCK_OPTIONS,
    **module.WAIT_OPTIONS,
    "pools": {"type": "list", "elements": "dict", "required": True},
    "hardware_profiles": {"type": "dict"},
    "saved_plan": {"type": "dict"},
}

#: The words of one entry of ``pools``.
POOL_OPTIONS = {
    **VM_POOL_OPTIONS,
    "name": {"type": "str", "required": True},
    "size": {"type": "int", "required": True},
    "master": {"type": "str", "required": True},
}


def parse_pools(params: Mapping[str, Any]) -> list[VmPoolSpec]:
    """The declared VM pools. Raises Refused, naming the VM pool."""
    specs = []
    for index, entry in enumerate(params["pools"]):
        if not entry.get("name"):
            raise Refused(f"pools[{index}]: a VM pool needs a name.")
        with of_vm_pool(str(entry["name"])):
            declared = module.check_entry(entry, POOL_OPTIONS)
            profiles = {**(params["hardware_profiles"] or {}), **(declared["hardware_profiles"] or {})}
            specs.append(parse_vm_pool({**declared, "hardware_profiles": profiles}))
    check_declared_once(specs)
    return specs


def check(params: Mapping[str, Any]) -> None:
    """Refuse what is wrong in itself. Raises Refused."""
    parse_pools(params)


def work(run: module.Run) -> dict[str, Any]:
    """Bring all VM pools to their declared state."""
    specs = parse_pools(run.params)

    def make_plan(pool: HostPool) -> Plan:
        plan = plan_vm_pools(specs, pool, run.name_of(pool))
        if run.params["saved_plan"] is not None:
            check_saved_plan(run.params["saved_plan"], plan)
        return plan

    return module.bring_about(run, [spec.name for spec in specs], make_plan, keep=saved_plan)


def main() -> None:
    module.run_module(work, OPTIONS, check=check)


if __name__ == "__main__":
    main()
