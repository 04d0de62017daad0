#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_pool_info
short_description: Look at VM pools and their instances
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Returns the instances of one VM pool or of all, read with a handful of calls however many there are.
extends_documentation_fragment:
  - skinnybox.xenserver.connection
  - skinnybox.xenserver.query
  - skinnybox.xenserver.attributes.info
options:
  name:
    description: Name of the VM pool; all of them by default.
    type: str
seealso:
  - module: skinnybox.xenserver.vm_pool
"""

EXAMPLES = r"""
- name: Which web servers are down?
  skinnybox.xenserver.vm_pool_info:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: web
    query: "instances[?power_state=='Halted'].name"
  register: down
"""

RETURN = r"""
instances:
  description: The instances, by pool and number. Sizes are bytes.
  returned: always
  type: list
  elements: dict
  sample:
    - name: web-001
      number: 1
      pool: web
      uuid: 5a1c0d3e-9a53-4b9e-8f0e-0f6a3a2d1c11
      instance: 2f6b1c3e-7d53-4b9e-8f0e-0f6a3a2d1c22
      master: noble
      version: 7
      master_id: 3f0c2a51-6a0b-4c5e-9d55-9b3c5a7e1d07
      previous: ["noble:6"]
      upgrade_to:
      moving_to:
      restarting: false
      power_state: Running
      host: xen2
      vcpus: 2
      vcpus_max: 4
      memory: 2147483648
      memory_max: 4294967296
      addresses: [10.0.4.11]
      static_addresses: [10.0.4.11/24]
      networks: [Production]
      macs: ["0a:4e:15:92:aa:01"]
      ssh_host_key: ssh-ed25519 AAAAC3… root@web-001
      overlay: {uuid: 7c0f…, size: 1073741824, used: 16908288, sr: Local SSD 2}
      swap:
      disks: [{name: data, uuid: 1d2c…, size: 10737418240, used: 2097152, sr: Local SSD 2}]
      report: {state: running, master: 3f0c2a51-6a0b-4c5e-9d55-9b3c5a7e1d07, layer: rebased, kept: "812"}
      boot: {state: running, master: 3f0c2a51-6a0b-4c5e-9d55-9b3c5a7e1d07, layer: rebased, kept: 812}
pools:
  description: The VM pools that have instances, with the number of their instances and of those which run.
  returned: always
  type: list
  elements: dict
  sample: [{"name": "web", "instances": 40, "running": 39}]
result:
  description: What O(query) selected from the values above.
  returned: when O(query) is given
  type: raw
"""

from collections import Counter

from ansible_collections.skinnybox.xenserver.plugins.module_utils import module
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import instance_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.instances import instances

OPTIONS = {"name": {"type": "str"}}


def look(run: module.Run) -> dict:
    pool = run.read()
    found = [instance_facts(pool, instance) for instance in instances(pool, run.params["name"])]
    totals = Counter(instance["pool"] for instance in found)
    running = Counter(instance["pool"] for instance in found if instance["power_state"] == "Running")
    pools = [{"name": name, "instances": totals[name], "running": running[name]} for name in sorted(totals)]
    return {"instances": found, "pools": pools}


def main() -> None:
    module.run_info_module(look, OPTIONS)


if __name__ == "__main__":
    main()
