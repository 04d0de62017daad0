#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_disk_info
short_description: Look at overlay disks and their snapshots
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Returns the overlay disks of instances, and those without a VM, which were kept or whose VM was deleted by hand.
extends_documentation_fragment:
  - skinnybox.xenserver.connection
  - skinnybox.xenserver.query
  - skinnybox.xenserver.attributes.info
options:
  instance:
    description: Name of the instance; all of them by default.
    type: str
  pool:
    description: Name of the VM pool; all of them by default.
    type: str
seealso:
  - module: skinnybox.xenserver.vm_pool_info
"""

EXAMPLES = r"""
- name: Which overlays take more than 4 GiB?
  skinnybox.xenserver.overlay_disk_info:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    pool: web
    query: "overlay_disks[?used > `4294967296`].instance"
  register: large

- name: Which ones wait for the pool to grow again?
  skinnybox.xenserver.overlay_disk_info:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    query: "overlay_disks[?kept].[instance, uuid]"
  register: kept
"""

RETURN = r"""
overlay_disks:
  description:
    - The overlay disks, by VM pool and number. Sizes are bytes, C(used) is what a disk takes on its SR, C(taken) is in
      seconds since 1970.
    - An overlay without a VM is C(kept) on purpose, or an C(orphan) whose VM somebody deleted by hand.
  returned: always
  type: list
  elements: dict
  sample:
    - instance: web-017
      number: 17
      pool: web
      uuid: 7c0f2a51-1d53-4b9e-8f0e-0f6a3a2d1c33
      size: 1073741824
      used: 16908288
      sr: Local SSD 2
      on_boot: persist
      master: noble
      version: 7
      power_state: Running
      attached: true
      kept: false
      orphan: false
      chain_depth: 2
      snapshots: [{name: before-upgrade, taken: 1794000000, uuid: 9d1e…, size: 1073741824, used: 0, sr: Local SSD 2}]
      disks: [{name: data, uuid: 41aa…, size: 10737418240, used: 73728, sr: Local SSD 2}]
result:
  description: What O(query) selected from the values above.
  returned: when O(query) is given
  type: raw
"""

from typing import Any

from ansible_collections.skinnybox.xenserver.plugins.module_utils import module
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.chains import Chains
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import overlay_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.overlays import overlays

OPTIONS = {"instance": {"type": "str"}, "pool": {"type": "str"}}


def look(run: module.Run) -> dict[str, Any]:
    """All overlays that are asked for."""
    pool = run.read()
    chains = Chains(pool)
    found = overlays(pool, run.params["pool"])
    wanted = [one for one in found if run.params["instance"] in (None, one.name)]
    return {"overlay_disks": [overlay_facts(pool, one, chains) for one in wanted]}


def main() -> None:
    module.run_info_module(look, OPTIONS)


if __name__ == "__main__":
    main()
