# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: upgrade_text
short_description: What the upgrade or rollback of an instance was like, in a line
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Out of the result of M(skinnybox.xenserver.instance) with O(skinnybox.xenserver.instance#module:state=upgraded) or
    O(skinnybox.xenserver.instance#module:state=rolled_back) makes a line for people.
options:
  _input:
    description: The module's result.
    type: dict
    required: true
  origin:
    description: Title of the version on which it was.
    type: str
    required: true
  target:
    description: Title of the version on which it is now.
    type: str
    required: true
positional: origin, target
"""

EXAMPLES = r"""
- name: Upgrade it
  skinnybox.xenserver.instance:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: web-017
    state: upgraded
    master: noble:8
    wait: true
  register: upgraded

- name: Tell
  ansible.builtin.debug:
    msg: "{{ upgraded | skinnybox.xenserver.upgrade_text('noble:7', 'noble:8') }}"
"""

RETURN = r"""
_value:
  description: The line.
  type: str
  sample: noble:7 -> noble:8, down for 41.2 s; kept 12, merged 3, dropped 40, conflicts 0, dangers 0
"""

from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.rollout import story


def upgrade_text(result: Mapping[str, Any], origin: str, target: str) -> str:
    """The line. Raises AnsibleFilterError."""
    if not isinstance(result, Mapping):
        raise AnsibleFilterError("upgrade_text: this is no result of module instance.")
    return story(result, origin, target)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"upgrade_text": upgrade_text}
