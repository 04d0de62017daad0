#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_vacuum_info
short_description: Look at what a vacuum of an instance's overlay would remove
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Runs in an instance, as root (C(become)). Reads the layer in use and tells what in it is needless. Nothing is
    changed, and the instance goes on as before.
  - Needless are copies that are equal to what the master has, deletions of what no longer exists, and caches below
    C(/var) that are made anew when they are missed.
extends_documentation_fragment:
  - skinnybox.xenserver.attributes.guest_info
options: {}
seealso:
  - module: skinnybox.xenserver.overlay_vacuum
  - module: skinnybox.xenserver.overlay_layer_info
"""

EXAMPLES = r"""
- name: What would a vacuum return?
  skinnybox.xenserver.overlay_vacuum_info: {}
  become: true
  register: vacuum
"""

RETURN = r"""
requested:
  description: Whether the next boot does a vacuum.
  returned: always
  type: bool
  sample: false
found:
  description: What is needless now, as numbers by kind, and the C(bytes) that the disk gets back.
  returned: always
  type: dict
  sample: {bytes: 8421376, copies: 212, whiteouts: 3, opaque: 1, directories: 14, caches: 7}
last:
  description:
    - What the last vacuum of the layer removed; C(time) in seconds since 1970, and C(seconds) that it took. One whose
      C(done) is false was interrupted, and the next boot goes on with it. Empty when there was none.
  returned: always
  type: dict
  sample:
    {bytes: 90112, copies: 9, whiteouts: 0, opaque: 0, directories: 2, caches: 1, done: true, seconds: 0.4,
     time: 1794000000, request: 6f1f4a4e-6f0e-4f63-9c3a-2d1b50b7a001}
"""

from pathlib import Path
from typing import Any

from ansible_collections.skinnybox.xenserver.plugins.module_utils import guest
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.instance import this_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase import vacuum


def look(run: guest.Run) -> dict[str, Any]:
    """What a vacuum would do, and what the last one did."""
    instance = this_instance()
    layer = Path(instance.upper).parent
    needless = vacuum.needless_in(Path(instance.overlay), Path(instance.master), instance.master_id)
    return {
        "requested": (layer / vacuum.REQUEST).exists(),
        "found": vacuum.summary(needless),
        "last": vacuum.read_result(layer),
    }


def main() -> None:
    guest.run_module(look, {}, problems=(vacuum.VacuumRefused,))


if __name__ == "__main__":
    main()
