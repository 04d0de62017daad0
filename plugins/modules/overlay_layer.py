#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_layer
short_description: Remove old layers from an instance's overlay disk
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Runs in an instance, as root (C(become)). Removes layers of master versions that it has run on before.
  - It cannot go back to those versions then, so commit it first with M(skinnybox.xenserver.instance).
  - The layer in use is never removed. What killed runs left beside the layers is removed, too.
extends_documentation_fragment:
  - skinnybox.xenserver.attributes.in_guest
options:
  state:
    description: Layers can only be removed; boots make them.
    type: str
    choices: [absent]
    default: absent
  master_id:
    description: The layer of this master version is removed.
    type: str
  all_but:
    description:
      - All layers but those of these master versions are removed. V(current) stands for the one in use, which is kept
        in any case.
    type: list
    elements: str
seealso:
  - module: skinnybox.xenserver.instance
  - module: skinnybox.xenserver.overlay_layer_info
  - module: skinnybox.xenserver.overlay_vacuum
"""

EXAMPLES = r"""
- name: Keep only the layer in use
  skinnybox.xenserver.overlay_layer:
    all_but: [current]
  become: true

- name: Remove the layer of one version
  skinnybox.xenserver.overlay_layer:
    master_id: 11f2a7f0-51b1-4d2f-9f3e-1d7e2d9f6a02
  become: true
"""

RETURN = r"""
removed:
  description: Names of the layers and leftovers that were removed, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [11f2a7f0-51b1-4d2f-9f3e-1d7e2d9f6a02]
bytes:
  description: What they took on the disk.
  returned: always
  type: int
  sample: 8421376
layers:
  description: The layers that stay, as M(skinnybox.xenserver.overlay_layer_info) returns them.
  returned: always
  type: list
  elements: dict
"""

from typing import Any, Mapping, Sequence

from ansible_collections.skinnybox.xenserver.plugins.module_utils import guest
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers import overlay_layers
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.instance import this_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.overlay_layers import Layer

OPTIONS = {
    "state": {"type": "str", "choices": ["absent"], "default": "absent"},
    "master_id": {"type": "str"},
    "all_but": {"type": "list", "elements": "str"},
}


def prune(run: guest.Run) -> dict[str, Any]:
    """Remove what the options name."""
    instance = this_instance()
    layers = overlay_layers.list_layers(instance.overlay, instance.master_id)
    wanted = unwanted(layers, run.params)
    leftovers = overlay_layers.leftovers(instance.overlay)
    removed = [*wanted, *leftovers]
    if removed and not run.check_mode:
        overlay_layers.remove_layers(instance.overlay, removed)
    stay = [layer for layer in layers if layer.master_id not in wanted]
    return {
        "changed": bool(removed),
        "removed": removed,
        "bytes": sum(layer.bytes for layer in layers if layer.master_id in wanted) + sum(leftovers.values()),
        "layers": [layer.as_data() for layer in stay],
        "diff": {
            "before": {"layers": [layer.master_id for layer in layers], "leftovers": sorted(leftovers)},
            "after": {"layers": [layer.master_id for layer in stay], "leftovers": []},
        },
    }


def unwanted(layers: Sequence[Layer], params: Mapping[str, Any]) -> list[str]:
    """Ids of the layers that the options say are to go. Raises Refused."""
    current = next(layer.master_id for layer in layers if layer.current)
    if params["all_but"] is None:
        if params["master_id"] == current:
            raise guest.Refused(f"The instance runs on the layer of master {current}; it cannot be removed.")
        return [layer.master_id for layer in layers if layer.master_id == params["master_id"]]
    kept = {current if name == "current" else name for name in params["all_but"]}
    if unknown := sorted(kept - {layer.master_id for layer in layers}):
        there = ", ".join(layer.master_id for layer in layers)
        raise guest.Refused(f"No layer of master {', '.join(unknown)}, which all_but says to keep. There are: {there}.")
    return [layer.master_id for layer in layers if layer.master_id not in {*kept, current}]


def main() -> None:
    choice = ["master_id", "all_but"]
    guest.run_module(prune, OPTIONS, required_one_of=[choice], mutually_exclusive=[choice])


if __name__ == "__main__":
    main()
