#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: health_info
short_description: Look whether an instance is healthy
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Runs in the instance. Waits until systemd has started everything, then tells which units have failed, which of
    those that are asked for are not active, and which packages C(dpkg --audit) finds broken.
  - The playbook C(upgrade) asks it before and after. Nothing fails when the instance is not healthy; that is in the
    result.
extends_documentation_fragment:
  - skinnybox.xenserver.attributes.guest_info
options:
  units:
    description: Units of systemd that must be active, such as V(nginx.service).
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for what may yet become well.
    type: int
    default: 300
  known:
    description: RV(problems) of an earlier look, which do not count.
    type: list
    elements: str
    default: []
seealso:
  - module: skinnybox.xenserver.instance
"""

EXAMPLES = r"""
- name: Look how it is now
  skinnybox.xenserver.health_info:
    units: [nginx.service]
  register: before

- name: Look whether anything has become worse
  skinnybox.xenserver.health_info:
    units: [nginx.service]
    known: "{{ before.problems }}"
  register: after
  failed_when: not after.healthy
"""

RETURN = r"""
healthy:
  description: Whether there are no problems but those in O(known).
  returned: success
  type: bool
new_problems:
  description: The problems that are not in O(known).
  returned: success
  type: list
  elements: str
problems:
  description: All that is wrong, a sentence each.
  returned: success
  type: list
  elements: str
  sample: [unit nginx.service has failed]
inactive_units:
  description: Those of O(units) that are not active.
  returned: success
  type: list
  elements: str
state:
  description: What C(systemctl is-system-running) says.
  returned: success
  type: str
  sample: running
boot_id:
  description: The kernel's id of this boot.
  returned: success
  type: str
"""

from ansible_collections.skinnybox.xenserver.plugins.module_utils import guest
from ansible_collections.skinnybox.xenserver.plugins.module_utils.health import (
    NotAskable,
    boot_id,
    run_command,
    wait_until_settled,
)

OPTIONS = {
    "units": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 300},
    "known": {"type": "list", "elements": "str", "default": []},
}


def look(run: guest.Run) -> dict:
    units, known = run.params["units"], run.params["known"]
    health = wait_until_settled(units, run.params["timeout"], known, run_command)
    new = [problem for problem in health.problems if problem not in known]
    return {
        "healthy": not new,
        "new_problems": new,
        "problems": health.problems,
        "inactive_units": list(health.inactive),
        "state": health.state,
        "boot_id": boot_id(),
    }


def main() -> None:
    guest.run_module(look, OPTIONS, problems=(NotAskable,))


if __name__ == "__main__":
    main()
