# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and predict changes without making them.
    support: full
  diff_mode:
    description: Returns what would change or has changed when in diff mode.
    support: full
  action_group:
    description: Use C(group/skinnybox.xenserver.xenserver) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - skinnybox.xenserver.xenserver
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode); the module never changes anything.
    support: full
  diff_mode:
    description: The module never changes anything, so there is no diff.
    support: N/A
  action_group:
    description: Use C(group/skinnybox.xenserver.xenserver) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - skinnybox.xenserver.xenserver
"""

    # not GUEST: Ansible would take the fragment of that name
    IN_GUEST = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and predict changes without making them.
    support: full
  diff_mode:
    description: Returns what would change or has changed when in diff mode.
    support: full
"""

    GUEST_INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode); the module changes nothing of the system.
    support: full
  diff_mode:
    description: The module changes nothing of the system, so there is no diff.
    support: N/A
"""
