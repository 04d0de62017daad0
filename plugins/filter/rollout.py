# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: rollout
short_description: Check the rollout of a VM pool and fill in what it does not say
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Checks how instances of a VM pool are to move to another master version, as the word C(rollout) of its declaration
    says it. What cannot be meant is an error that names the word.
options:
  _input:
    description: The rollout. Nothing in it is required.
    type: dict
    suboptions:
      canary:
        description: How many instances go first, a number or a share such as V(5%). With V(0) there is no canary.
        type: raw
        default: 1
      batch:
        description: How many go at a time afterwards, a number or a share of all that move.
        type: raw
        default: 25%
      max_failures:
        description:
          - The rollout stops when this many instances have failed. One that fails among the canaries always stops it.
        type: int
        default: 1
      bake_time:
        description:
          - How long the canaries must stay healthy before others follow. Seconds, or a number with its unit, such as
            V(10 min).
        type: raw
        default: 0
      health:
        description: What an instance must show before it counts as upgraded.
        type: dict
        suboptions:
          units:
            description: Units of systemd that must be active. No other unit may fail that had not failed before.
            type: list
            elements: str
          tasks:
            description: File of the controller with tasks to be run for each instance. A task that fails fails it.
            type: str
          timeout:
            description: How long all that may take. Seconds, or a number with its unit.
            type: raw
            default: 300
      max_conflicts:
        description: How many conflicts the preview of an instance may have, before it is refused.
        type: int
        default: 0
      max_dangers:
        description: How many dangers the preview of an instance may have, before it is refused.
        type: int
        default: 0
"""

EXAMPLES = r"""
- name: Say how many go at a time
  ansible.builtin.debug:
    msg: "{{ ({'canary': 2, 'batch': '10%', 'bake_time': '10 min'} | skinnybox.xenserver.rollout).serial }}"
"""

RETURN = r"""
_value:
  description:
    - The rollout with all its words, times in seconds, and C(serial), the batches in the form of Ansible's keyword of
      that name.
  type: dict
  sample:
    canary: "1"
    batch: 25%
    serial: [1, 25%]
    max_failures: 1
    bake_time: 600
    health: {units: [nginx.service], tasks: , timeout: 300}
    max_conflicts: 0
    max_dangers: 0
"""

from dataclasses import asdict
from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.skinnybox.xenserver.plugins.module_utils.module import check_entry
from ansible_collections.skinnybox.xenserver.plugins.module_utils.options import ROLLOUT_OPTIONS
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.rollout import parse_rollout


def rollout(words: Any) -> dict[str, Any]:
    """The checked rollout as plain data. Raises AnsibleFilterError."""
    if words is not None and not isinstance(words, Mapping):
        raise AnsibleFilterError("rollout: it is no dictionary.")
    try:
        checked = parse_rollout(check_entry(words or {}, ROLLOUT_OPTIONS))
    except Refused as refusal:
        text = str(refusal)
        raise AnsibleFilterError(text if text.startswith("rollout") else f"rollout: {text}") from None
    data = asdict(checked)
    return {**data, "health": {**data["health"], "units": list(checked.health.units)}, "serial": checked.serial}


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"rollout": rollout}
