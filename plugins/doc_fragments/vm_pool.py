# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  master:
    description: The master image, by name (its promoted version) or with a version, such as V(noble:7).
    type: str
  overlay:
    description: The overlay disk of each instance.
    type: dict
    suboptions:
      size:
        description: Its size, such as V(1 GiB). Only what is written takes space on thin SRs.
        type: str
        default: 1 GiB
      sr:
        description:
          - Names or uuids of the SRs on which it may be; by default those of the master image and its replicas.
          - A name that each host's local SR bears stands for all of them. Of several, the one with most space is taken
            that the instance's host sees.
        type: list
        elements: str
      on_boot:
        description:
          - With V(reset), each boot begins from the fresh overlay, as XAPI's C(VDI.on_boot) has it; nothing is kept.
            That of an instance which is there already, from what its overlay holds when this is first applied.
          - The SR's storage manager must have the feature C(VDI_RESET_ON_BOOT).
        type: str
        choices: [persist, reset]
        default: persist
  swap:
    description: Size of a swap disk for each instance, such as V(512 MiB). Without it there is none, or none any more.
    type: str
  power_state:
    description:
      - Whether instances are to be V(running) or V(halted).
      - V(unmanaged) leaves each as it is, and new ones halted.
    type: str
    choices: [running, halted, unmanaged]
    default: running
  placement:
    description: On which hosts instances may run.
    type: dict
    suboptions:
      spread:
        description: What instances are spread over evenly.
        type: str
        choices: [host, rack, none]
        default: none
      rack:
        description:
          - What names the rack of a host, a key of its C(other_config), or the first part of a tag such as V(rack:a7).
        type: str
        default: rack
      hosts:
        description:
          - JMESPath expression that selects the allowed hosts from a list of host records, such as
            V([?contains(tags, 'web')]); it gives records, names or uuids. All hosts are allowed by default.
          - A record has C(uuid), C(name_label), C(enabled), C(live), C(address), C(cpu_count), C(memory_total),
            C(memory_overhead), C(memory_free), C(tags) and C(other_config), as XAPI has them. It needs the Python
            library jmespath.
        type: str
  scale_in:
    description: What happens when there are more instances than O(size).
    type: dict
    suboptions:
      order:
        description:
          - Which go first, the V(newest) (the highest numbers, the default), the V(oldest), those on the V(host) that
            has most of them, or those V(named) in O(scale_in.instances).
        type: str
        choices: [newest, oldest, host, named]
      instances:
        description: The names of those that go.
        type: list
        elements: str
      overlays:
        description:
          - Whether to V(delete) their overlays and data disks, or to V(keep) them for when the pool grows again. Then
            they are used before fresh ones are made, those with the lowest numbers first.
        type: str
        choices: [delete, keep]
        default: delete
  fail_fast:
    description: Whether to begin nothing more as soon as one instance has failed. Without it the others go on.
    type: bool
    default: false
  concurrency:
    description: How many operations may be under way at a time.
    type: dict
    suboptions:
      per_host:
        description: VM operations on each host; XenServer runs four.
        type: int
        default: 4
      per_sr:
        description: Disk operations on each SR; XenServer runs one, and another one waiting loses no time.
        type: int
        default: 2
"""
