# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_reasons
short_description: Why an instance should not move to another master version
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Compares the preview of an instance with what the rollout of its VM pool allows.
options:
  _input:
    description: The rollout, as P(skinnybox.xenserver.rollout#filter) returns it.
    type: dict
    required: true
  preview:
    description: The result of M(skinnybox.xenserver.rebase_info), or an empty dictionary.
    type: dict
    required: true
  health:
    description: The result of M(skinnybox.xenserver.health_info), or an empty dictionary.
    type: dict
    required: true
positional: preview, health
"""

EXAMPLES = r"""
- name: Say why this one should stay
  ansible.builtin.debug:
    msg: "{{ allowed | skinnybox.xenserver.rollout_reasons(preview, health) }}"
  vars:
    allowed: "{{ {'max_conflicts': 2} | skinnybox.xenserver.rollout }}"
"""

RETURN = r"""
_value:
  description: The reasons; none when it may move.
  type: list
  elements: str
  sample: ["3 conflicts (2 allowed, rollout.max_conflicts)"]
"""

from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.rollout import reasons


def rollout_reasons(rollout: Mapping[str, Any], preview: Mapping[str, Any], health: Mapping[str, Any]) -> list[str]:
    """Reasons why an instance should not move. Raises AnsibleFilterError."""
    try:
        return reasons(rollout, preview, health)
    except (KeyError, TypeError, AttributeError) as problem:
        raise AnsibleFilterError(
            f"rollout_reasons: these are no results of rollout, rebase_info and health_info: {problem!r}"
        ) from None


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"rollout_reasons": rollout_reasons}
