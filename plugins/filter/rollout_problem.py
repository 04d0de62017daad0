# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_problem
short_description: What is wrong with the rollout of a VM pool
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Says in a sentence what P(skinnybox.xenserver.rollout#filter) would fail for, so that a task can fail with just
    that.
options:
  _input:
    description: The rollout, as for P(skinnybox.xenserver.rollout#filter).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Check the rollout
  ansible.builtin.assert:
    that: allowed | skinnybox.xenserver.rollout_problem == ''
    fail_msg: "{{ allowed | skinnybox.xenserver.rollout_problem }}"
  vars:
    allowed: {canary: 1, batch: 10%}
"""

RETURN = r"""
_value:
  description: The sentence. It is empty when nothing is wrong.
  type: str
  sample: "rollout.batch: 'lots' is neither a number of instances nor a share such as 25%."
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.skinnybox.xenserver.plugins.filter.rollout import rollout


def rollout_problem(words: Any) -> str:
    """The sentence, or an empty string."""
    try:
        rollout(words)
    except AnsibleFilterError as problem:
        return str(problem)
    return ""


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"rollout_problem": rollout_problem}
