#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: guard_info
short_description: Find what could lose, copy or damage a master, or leak a disk
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Looks at master images, VM pools and their disks for what endangers them, mostly what somebody did by hand with a
    tool that knows nothing of shared disks. Each finding says what is wrong with which object, and how to mend it.
  - It only looks, with one call for each class of objects, however many there are.
  - An object counts as Skinnybox's by its label and its uuid, never by its name.
  - These guards find V(danger), that is what loses, copies or damages something now or by the next ordinary step.
    C(master-writable), C(master-sharable), C(master-reset), C(master-owner-key), C(master-in-control-domain) (an
    import into it), C(master-lost), C(master-detached), C(blueprint-disk), C(blueprint-incomplete),
    C(blueprint-no-template), C(instance-snapshot), C(instance-unblocked) (migration or revert), C(disk-shared),
    C(disk-sharable), C(disk-read-only), C(disk-missing), C(ephemeral-without-parent), C(duplicate-mac),
    C(duplicate-address), C(duplicate-identity), C(chain-depth) (25 of 30 images), C(sr-space) (less than 2 % free).
  - These find a V(warning), that is a protection that is missing, or a leak. C(foreign-vm-on-master),
    C(master-misattached), C(master-out-of-reach), C(master-twice), C(blueprint-unblocked), C(instance-unblocked),
    C(instance-template), C(instance-snapshot-schedule), C(instance-copy), C(instance-unfinished), C(duplicate-name),
    C(disk-owner-key), C(copied-disk), C(orphan-overlay), C(orphan-disk), C(surplus-disk), C(coalescing-off),
    C(labels-damaged), C(chain-depth) (15 images), C(sr-space) (less than 10 % free), C(leftover),
    C(removal-interrupted), C(rebuild-interrupted), C(upgrade-interrupted), C(upgrade-failed).
  - These find a V(note). C(master-without-replica), C(master-uncached), C(kept-overlay), C(dead-lock),
    C(old-root-attached), C(previous-lost), and milder cases of the others.
extends_documentation_fragment:
  - skinnybox.xenserver.connection
  - skinnybox.xenserver.query
  - skinnybox.xenserver.attributes.info
options:
  name:
    description: Only what concerns the VM pool of this name, its masters among it.
    type: str
  master:
    description: Only what concerns this master image (V(noble)) or version (V(noble:7)).
    type: str
seealso:
  - module: skinnybox.xenserver.vm_pool_info
  - module: skinnybox.xenserver.master_image_info
"""

EXAMPLES = r"""
- name: Nothing must endanger a master
  skinnybox.xenserver.guard_info:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
  register: guards
  failed_when: guards.counts.danger > 0

- name: What is wrong with the web servers, and what to do about it
  skinnybox.xenserver.guard_info:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: web
    query: "findings[?severity!='note'].[object.name, problem, remedy]"
"""

RETURN = r"""
findings:
  description: What is wrong, the most urgent first; empty when all is well.
  returned: always
  type: list
  elements: dict
  contains:
    guard:
      description: Which guard found it.
      type: str
      sample: master-writable
    severity:
      description: V(danger), V(warning) or V(note).
      type: str
      sample: danger
    object:
      description: The object that it is about, with its XAPI class (VM, VDI, VBD, VIF, SR, pool), name and uuid.
      type: dict
      sample: {class: VBD, name: position 1 of my-test, uuid: 5a1c0d3e-9a53-4b9e-8f0e-0f6a3a2d1c11}
    pools:
      description: Names of the VM pools that it concerns.
      type: list
      elements: str
      sample: [web]
    masters:
      description: The master image versions that it concerns.
      type: list
      elements: str
      sample: ["noble:7"]
    problem:
      description: What is wrong with the object, for people.
      type: str
      sample: "VM 'my-test' (9f8c…) has 'noble:7 root' of noble:7 attached read-write"
    remedy:
      description: What to type on a host, or to do.
      type: str
      sample: xe vbd-destroy uuid=5a1c0d3e-9a53-4b9e-8f0e-0f6a3a2d1c11
counts:
  description: How many findings there are of each severity.
  returned: always
  type: dict
  sample: {danger: 1, warning: 0, note: 2}
result:
  description: What O(query) selected from the values above.
  returned: when O(query) is given
  type: raw
"""

from ansible_collections.skinnybox.xenserver.plugins.module_utils import module
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.dead_locks import dead_locks
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.guards.check import counts, findings

OPTIONS = {"name": {"type": "str"}, "master": {"type": "str"}}


def look(run: module.Run) -> dict:
    pool = run.read()
    found = findings(pool, dead_locks(pool), run.params["name"], run.params["master"])
    return {"findings": [finding.as_data() for finding in found], "counts": counts(found)}


def main() -> None:
    module.run_info_module(look, OPTIONS)


if __name__ == "__main__":
    main()
