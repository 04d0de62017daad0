#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_vacuum
short_description: Have an instance's overlay vacuumed at its next boot
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Runs in an instance, as root (C(become)). Asks for a vacuum of the layer in use, which the next boot does before it
    mounts the layer; see M(skinnybox.xenserver.overlay_vacuum_info) for what it removes. Whoever looks at the
    instance's files sees no difference, but for caches. When the vacuum fails, the instance boots all the same.
  - To boot it is up to you, with O(skinnybox.xenserver.instance#module:state=restarted) for example.
extends_documentation_fragment:
  - skinnybox.xenserver.attributes.in_guest
options:
  state:
    description:
      - V(requested) has the next boot do a vacuum. When nothing is needless, nothing is requested.
      - V(absent) takes the request back.
    type: str
    choices: [requested, absent]
    default: requested
seealso:
  - module: skinnybox.xenserver.overlay_vacuum_info
  - module: skinnybox.xenserver.overlay_layer
"""

EXAMPLES = r"""
- name: Vacuum at the next boot
  skinnybox.xenserver.overlay_vacuum: {}
  become: true

- name: Leave all as it is
  skinnybox.xenserver.overlay_vacuum:
    state: absent
  become: true
"""

RETURN = r"""
requested:
  description: Whether the next boot does a vacuum, or would in check mode.
  returned: always
  type: bool
  sample: true
found:
  description: What is needless now, as numbers by kind, and the C(bytes) that the disk gets back.
  returned: when O(state=requested)
  type: dict
  sample: {bytes: 8421376, copies: 212, whiteouts: 3, opaque: 1, directories: 14, caches: 7}
last:
  description: What the last vacuum of the layer removed, see M(skinnybox.xenserver.overlay_vacuum_info).
  returned: always
  type: dict
  sample: {}
"""

import uuid
from pathlib import Path
from typing import Any

from ansible_collections.skinnybox.xenserver.plugins.module_utils import guest
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.durable import write_durably
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.instance import this_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase import vacuum

OPTIONS = {"state": {"type": "str", "choices": ["requested", "absent"], "default": "requested"}}


def ask(run: guest.Run) -> dict[str, Any]:
    """Write or remove the request."""
    instance = this_instance()
    layer = Path(instance.upper).parent
    request = layer / vacuum.REQUEST
    was_requested = request.exists()
    result: dict[str, Any] = {"last": vacuum.read_result(layer), "requested": False}
    if run.params["state"] == "requested":
        needless = vacuum.needless_in(Path(instance.overlay), Path(instance.master), instance.master_id)
        result["found"] = vacuum.summary(needless)
        result["requested"] = was_requested or bool(needless)
    result["changed"] = result["requested"] != was_requested
    result["diff"] = {
        "before": {"requested": was_requested},
        "after": {"requested": result["requested"], "needless": result.get("found", {})},
    }
    if result["changed"] and not run.check_mode:
        if result["requested"]:
            write_durably(request, f"{uuid.uuid4()}\n")
        else:
            request.unlink()
    return result


def main() -> None:
    guest.run_module(ask, OPTIONS, problems=(vacuum.VacuumRefused,))


if __name__ == "__main__":
    main()
