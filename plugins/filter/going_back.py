# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: going_back
short_description: Which instances can go back to a version before
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Tells of instances to which version a rollback takes them.
options:
  _input:
    description: Instances, as M(skinnybox.xenserver.vm_pool_info) returns them.
    type: list
    elements: dict
    required: true
  to:
    description: The version to go back to, such as V(noble:7). By default each goes to the one before its last upgrade.
    type: str
positional: to
"""

EXAMPLES = r"""
- name: Look at the web servers
  skinnybox.xenserver.vm_pool_info:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: web
  register: web

- name: Tell where a rollback would take them
  ansible.builtin.debug:
    msg: "{{ (web.instances | skinnybox.xenserver.going_back).moving | map(attribute='way_back') }}"
"""

RETURN = r"""
_value:
  description:
    - C(moving) are the instances that go back, each with C(way_back), the version that it goes back to.
    - C(stuck) are those that are neither there nor can go there, by name, with the versions that they can go back to.
  type: dict
  sample: {moving: [{name: web-017, way_back: "noble:7"}], stuck: {web-018: ["noble:5"]}}
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan import way_back


def going_back(instances: Any, to: str | None = None) -> dict[str, Any]:
    """Instances that go back, and those that cannot. Raises AnsibleFilterError."""
    try:
        return way_back.going_back(instances, to)
    except (KeyError, TypeError, AttributeError) as problem:
        raise AnsibleFilterError(
            f"going_back: these are no instances as vm_pool_info returns them ({problem!r})"
        ) from None


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"going_back": going_back}
