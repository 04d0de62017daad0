#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_disk
short_description: Grow, reset, snapshot, revert, detach and delete the overlay disk of an instance
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Works on the overlay disk of one instance, which holds all in which it differs from its master image.
  - Growing, O(state=reset), O(state=reverted) and O(state=absent) need a halted instance; a running one is shut down
    and started again only with O(allow_restart).
  - Nothing is written when what is asked for cannot be.
extends_documentation_fragment:
  - skinnybox.xenserver.connection
  - skinnybox.xenserver.locking
  - skinnybox.xenserver.waiting
  - skinnybox.xenserver.attributes
options:
  instance:
    description: Name of the instance; of an overlay without a VM, the name that its instance had.
    type: str
    required: true
  pool:
    description: Name of its VM pool. Needed only when several have an instance of that name.
    type: str
  state:
    description:
      - V(present) sees that it has at least O(size). One that is lost is not made anew here, as that takes what is
        declared of the instance; M(skinnybox.xenserver.instance) with
        O(skinnybox.xenserver.instance#module:state=rebuilt) does it.
      - V(reset) replaces it by a fresh one with the same identity, that is, hostname, machine-id, SSH host key,
        addresses and authorized keys. All else that the instance has written is lost. Snapshots stay. This is done at
        every run.
      - V(snapshot) takes a snapshot called O(snapshot), unless there is one. That of a running instance holds what it
        would hold if its power failed.
      - V(reverted) brings back what it held when O(snapshot) was taken. This is done at every run. The snapshot stays.
      - V(detached) removes the instance and keeps its overlay, data disks and snapshots. The VM pool uses them again
        when it grows, with the same name, addresses and identity.
      - V(absent) deletes the overlay and its snapshots, or only O(snapshot). The instance cannot start without one;
        M(skinnybox.xenserver.instance) with O(skinnybox.xenserver.instance#module:state=rebuilt) makes it a fresh one.
        An overlay that has no VM is deleted with the data disks of its instance.
    type: str
    choices: [present, reset, snapshot, reverted, detached, absent]
    default: present
  size:
    description:
      - With O(state=present), the size that it is to have, such as V(4 GiB). A larger one never shrinks.
      - The instance grows the file system by itself when it boots.
    type: str
  snapshot:
    description:
      - Name of a snapshot. Required with O(state=snapshot).
      - With O(state=reverted) the newest snapshot is meant when none is given.
    type: str
  allow_restart:
    description: Whether a running instance may be shut down and started again for what needs a halted one.
    type: bool
    default: false
  force:
    description: With O(state=absent), shut a running instance down and delete its overlay all the same.
    type: bool
    default: false
seealso:
  - module: skinnybox.xenserver.overlay_disk_info
  - module: skinnybox.xenserver.vm_pool
"""

EXAMPLES = r"""
- name: More room for web-017, at once
  skinnybox.xenserver.overlay_disk:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    instance: web-017
    size: 4 GiB
    allow_restart: true

- name: Something to come back to
  skinnybox.xenserver.overlay_disk:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    instance: web-017
    state: snapshot
    snapshot: before-upgrade

- name: Come back to it
  skinnybox.xenserver.overlay_disk:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    instance: web-017
    state: reverted
    snapshot: before-upgrade
    allow_restart: true

- name: As on the first day, but the same machine to everybody who knows it
  skinnybox.xenserver.overlay_disk:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    instance: web-017
    state: reset
    allow_restart: true
"""

RETURN = r"""
overlay_disk:
  description: The overlay after the run, as M(skinnybox.xenserver.overlay_disk_info) returns it; empty without one.
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
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.chains import Chains
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import overlay_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.overlays import overlays
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import HostPool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.overlay_disk import (
    parse_overlay_disk,
    plan_overlay_disk,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.plan import Plan

OPTIONS = {
    **module.LOCK_OPTIONS,
    **module.WAIT_OPTIONS,
    "instance": {"type": "str", "required": True},
    "pool": {"type": "str"},
    "state": {
        "type": "str",
        "choices": ["present", "reset", "snapshot", "reverted", "detached", "absent"],
        "default": "present",
    },
    "size": {"type": "str"},
    "snapshot": {"type": "str"},
    "allow_restart": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
}


def check(params: Mapping[str, Any]) -> None:
    """Refuse what is wrong in itself. Raises Refused."""
    parse_overlay_disk(params)


def work(run: module.Run) -> dict[str, Any]:
    """Bring the overlay to the state that is asked for."""
    wish = parse_overlay_disk(run.params)

    def make_plan(pool: HostPool) -> Plan:
        plan = plan_overlay_disk(wish, pool, run.name_of(pool))
        return Plan(pool, (plan,) if plan else ())

    def show(pool: HostPool) -> dict[str, Any]:
        found = [one for one in overlays(pool, wish.pool) if one.name == wish.instance]
        return {"overlay_disk": overlay_facts(pool, found[0], Chains(pool)) if found else {}}

    return module.bring_about(run, None, make_plan, show=show)


def main() -> None:
    module.run_module(work, OPTIONS, check=check)


if __name__ == "__main__":
    main()
