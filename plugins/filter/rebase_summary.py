# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: rebase_summary
short_description: Sum up what an upgrade will do to the changes of many instances
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Makes one answer of the results of M(skinnybox.xenserver.rebase_info) of many instances. It says how many are clean,
    which need a look, and why.
  - An instance needs a look when its preview failed, when its overlay disk has no room for the new layer, or for each
    conflict and danger.
options:
  _input:
    description: Results of M(skinnybox.xenserver.rebase_info) by the name of the instance.
    type: dict
    required: true
seealso:
  - module: skinnybox.xenserver.rebase_info
"""

EXAMPLES = r"""
- name: Say what an upgrade of all these instances would meet
  ansible.builtin.debug:
    msg: "{{ (previews | skinnybox.xenserver.rebase_summary).text }}"
  vars:
    previews: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'preview'))) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - C(clean) and C(look) are names of instances. C(reasons) says what to look at, the most urgent first, with the
      instances that it is about. C(text) is the same for people.
  type: dict
  sample:
    clean: [web-001, web-002]
    look: [web-003]
    reasons:
      - severity: conflict
        path: /etc/ssh/sshd_config
        reason: changed here and in the new master
        instances: [web-003]
    text: |
      2 of 3 clean, 1 needs a look, here is why:
        conflict  /etc/ssh/sshd_config: changed here and in the new master (web-003)
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.previews import summarize


def rebase_summary(previews: Any) -> dict[str, Any]:
    """Sum up previews, by instance."""
    if not isinstance(previews, Mapping) or not all(isinstance(one, Mapping) for one in previews.values()):
        raise AnsibleFilterError("skinnybox.xenserver.rebase_summary takes results of rebase_info by instance")
    try:
        return summarize(previews)
    except ValueError as problem:
        raise AnsibleFilterError(f"skinnybox.xenserver.rebase_summary: {problem}") from problem


class FilterModule:
    """What Ansible asks a file of filters for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"rebase_summary": rebase_summary}
