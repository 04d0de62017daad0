# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  instance_name:
    description: Template of instance names, also used as hostnames. C({pool}) and C({number}) stand for their values.
    type: str
    default: "{pool}-{number:03d}"
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
        description:
          - Number of vCPUs to which a running instance may grow. By default as O(hardware.vcpus) in new instances, and
            no less than that in others.
        type: int
      memory:
        description: Memory, such as V(2 GiB).
        type: str
      memory_max:
        description:
          - Memory to which a running instance may grow. By default as O(hardware.memory) in new instances, and no less
            than that in others.
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
    description:
      - Data disks of each instance, in order. They are empty when they are made. One that is not in the list any more
        is kept, and named.
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
    description:
      - The NICs of each instance, in order. By default, those of the golden VM, with DHCP.
      - Instances that are there get or lose NICs, and have them moved to other networks; MAC addresses never change.
        What the guest configures itself, such as its addresses, it keeps until it is rebuilt.
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
  allow_restart:
    description:
      - Whether running instances may be restarted for changes that need a halted VM. Without it the plan names them,
        and they are made when the instance is halted next.
      - All that waits for it is done within one restart of each instance; several instances are restarted at a time.
    type: bool
    default: false
"""
