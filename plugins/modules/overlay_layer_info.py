#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_layer_info
short_description: Look at the layers on an instance's overlay disk
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Runs in an instance, as root (C(become)). Returns the layers of its overlay disk. There is one for each master
    version that it has run on; those of the versions before make it possible to go back.
extends_documentation_fragment:
  - skinnybox.xenserver.attributes.guest_info
options: {}
seealso:
  - module: skinnybox.xenserver.overlay_layer
  - module: skinnybox.xenserver.overlay_vacuum_info
"""

EXAMPLES = r"""
- name: What do the layers of the versions before take?
  skinnybox.xenserver.overlay_layer_info: {}
  become: true
  register: overlay
"""

RETURN = r"""
layers:
  description:
    - The layers by master id. C(bytes) is what one takes on the disk, C(files) how many entries it has.
    - C(rebased) is when it was carried over from that of C(rebased_from), in seconds since 1970, and C(rebase_request)
      the upgrade that did so; all three are null in a layer that began empty.
  returned: always
  type: list
  elements: dict
  sample:
    - master_id: 6f1f4a4e-6f0e-4f63-9c3a-2d1b50b7a001
      current: true
      bytes: 8421376
      files: 412
      rebased_from: 11f2a7f0-51b1-4d2f-9f3e-1d7e2d9f6a02
      rebase_request: 0b0c5a7e-95a3-4a4c-8f44-5d0b6a1f0017
      rebased: 1794000000
leftovers:
  description:
    - What killed runs left beside them, as names and the bytes that they take. M(skinnybox.xenserver.overlay_layer)
      removes it.
  returned: always
  type: dict
  sample: {}
"""

from typing import Any

from ansible_collections.skinnybox.xenserver.plugins.module_utils import guest
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.instance import this_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.overlay_layers import leftovers, list_layers


def look(run: guest.Run) -> dict[str, Any]:
    """All layers."""
    instance = this_instance()
    layers = list_layers(instance.overlay, instance.master_id)
    return {"layers": [layer.as_data() for layer in layers], "leftovers": leftovers(instance.overlay)}


def main() -> None:
    guest.run_module(look, {})


if __name__ == "__main__":
    main()
