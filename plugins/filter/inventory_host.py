# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: inventory_host
short_description: What makes an inventory host of an instance
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Out of an instance, as M(skinnybox.xenserver.vm_pool_info) returns it, makes what M(ansible.builtin.add_host)
    needs for it. The inventory plugin P(skinnybox.xenserver.instances#inventory) makes the same, and a group for each
      host.
options:
  _input:
    description: An instance, one of RV(skinnybox.xenserver.vm_pool_info#module:instances).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Look at the web servers
  skinnybox.xenserver.vm_pool_info:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: web
  register: web

- name: Have them as hosts in this run
  ansible.builtin.add_host:
    name: "{{ item.name }}"
    groups: "{{ (item | skinnybox.xenserver.inventory_host).groups }}"
    ansible_host: "{{ (item | skinnybox.xenserver.inventory_host).variables.ansible_host }}"
  loop: "{{ web.instances }}"
"""

RETURN = r"""
_value:
  description:
    - C(groups) are the names of its groups. C(variables) tell SSH where it is and by which host key it is known.
      Without an address there is no C(ansible_host).
  type: dict
  sample:
    groups: [skinnybox_instances, pool_web, master_noble, version_noble_7]
    variables:
      ansible_host: 10.0.4.11
      ansible_ssh_extra_args: -o 'KnownHostsCommand=/bin/echo %H ssh-ed25519 AAAAC3…' -o UserKnownHostsFile=/dev/null
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible.inventory.group import to_safe_group_name

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.connection import groups, ssh_variables


def inventory_host(facts: Any) -> dict[str, Any]:
    """Groups and variables of an instance. Raises AnsibleFilterError for what is none."""
    try:
        names = [to_safe_group_name(name, force=True, silent=True) for name in groups(facts)]
        return {"groups": names, "variables": ssh_variables(facts)}
    except (KeyError, TypeError, AttributeError) as problem:
        raise AnsibleFilterError(
            f"inventory_host: this is no instance as vm_pool_info returns it ({problem})"
        ) from None


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"inventory_host": inventory_host}
