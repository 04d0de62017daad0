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
  instance_name:
    description: Template of instance names, also used as hostnames. C({pool}) and C({number}) stand for their values.
    type: str
    default: "{pool}-{number:03d}"
  overlay:
    description: The overlay disk of each instance.
    type: dict
    suboptions:
      size:
        description: Its size, such as V(1 GiB). Only what is written takes space on thin SRs.
        type: str
        default: 1 GiB
      sr:
        description: Names or uuids of the SRs on which it may be; the master image's by default.
        type: list
        elements: str
      on_boot:
        description:
          - With V(reset), each boot begins from the fresh overlay, as XAPI's C(VDI.on_boot) has it; nothing is kept.
        type: str
        choices: [persist, reset]
        default: persist
  swap:
    description: Size of a swap disk for each instance, such as V(512 MiB). Without it there is none.
    type: str
  hardware:
    description:
      - Hardware of each instance; what is left out is as the golden VM's in new instances, and not compared in others.
    type: dict
    suboptions:
      profile:
        description: Name of one of O(hardware_profiles), whose values hold unless they are given here.
        type: str
      vcpus:
        description: Number of vCPUs.
        type: int
      vcpus_max:
        description: Number of vCPUs to which a running instance may grow; as O(hardware.vcpus) by default.
        type: int
      memory:
        description: Memory, such as V(2 GiB).
        type: str
      memory_max:
        description: Memory to which a running instance may grow; as O(hardware.memory) by default.
        type: str
      cores_per_socket:
        description: How many vCPUs the guest sees as cores of one socket.
        type: int
      cpu_weight:
        description: Weight in Xen's scheduler, from V(1) to V(65535).
        type: int
      cpu_cap:
        description: The most CPU time it gets, in hundredths of a physical CPU; V(0) is no limit.
        type: int
  hardware_profiles:
    description: Hardware by name, with the words of O(hardware), for O(hardware.profile).
    type: dict
  disks:
    description: Data disks of each instance, in order. They are empty when they are made.
    type: list
    elements: dict
    suboptions:
      name:
        description: Its name, by which it is known.
        type: str
        required: true
      size:
        description: Its size, such as V(10 GiB). It may grow and never shrinks.
        type: str
        required: true
      sr:
        description: Name or uuid of its SR; the overlay's by default.
        type: str
  networks:
    description: The NICs of each instance, in order. By default, those of the golden VM, with DHCP.
    type: list
    elements: dict
    suboptions:
      network:
        description: Name or uuid of the network; the golden VM's at the same place by default.
        type: str
      ipv4:
        description: IPv4 of this NIC.
        type: dict
        suboptions:
          method:
            description: V(static) when there are O(networks[].ipv4.addresses), else V(dhcp).
            type: str
            choices: [dhcp, static, none]
          addresses:
            description: Ranges such as V(10.0.4.11-10.0.4.90/24). Instance number n gets the n-th address.
            type: list
            elements: str
          gateway:
            description: Default gateway.
            type: str
      ipv6:
        description: IPv6 of this NIC.
        type: dict
        suboptions:
          method:
            description: V(static) when there are O(networks[].ipv6.addresses), else V(auto) (router advertisements).
            type: str
            choices: [auto, dhcp, static, none]
          addresses:
            description: Ranges such as V(fd00:4::11-fd00:4::90/64). Instance number n gets the n-th address.
            type: list
            elements: str
          gateway:
            description: Default gateway.
            type: str
      dns:
        description: Name servers.
        type: list
        elements: str
      search:
        description: Search domains.
        type: list
        elements: str
  authorized_keys:
    description:
      - Public SSH keys that may log in to new instances as root, in the form of an C(authorized_keys) file.
      - A text of one or several lines, or a list of such texts.
    type: raw
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
          - JMESPath expression that selects the allowed hosts from the list of XAPI's host records, such as
            V([?contains(tags, 'web')]); all hosts by default. It needs the Python library jmespath.
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
        description: Whether to V(delete) their overlays, or to V(keep) them for when the pool grows again.
        type: str
        choices: [delete, keep]
        default: delete
  allow_restart:
    description:
      - Whether running instances may be restarted for changes that need a halted VM. Without it the plan names them.
    type: bool
    default: false
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
