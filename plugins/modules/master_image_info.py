#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: master_image_info
short_description: Look at master images and their versions
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Returns the published versions of one master image or of all, with the instances that use them.
extends_documentation_fragment:
  - skinnybox.xenserver.connection
  - skinnybox.xenserver.query
  - skinnybox.xenserver.attributes.info
options:
  name:
    description: Name of the master image; all of them by default.
    type: str
seealso:
  - module: skinnybox.xenserver.master_image
"""

EXAMPLES = r"""
- name: Which versions does nothing use?
  skinnybox.xenserver.master_image_info:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: noble
    query: "master_images[?!instances].version"
  register: unused
"""

RETURN = r"""
master_images:
  description: The versions, by name and number. Sizes are bytes.
  returned: always
  type: list
  elements: dict
  sample:
    - name: noble
      version: 7
      master_id: 0c8f2c57-52f4-4f0c-a4a8-9d2e0d6ad3a1
      promoted: true
      blueprint: 1d2e3f40-5a6b-4c7d-8e9f-0a1b2c3d4e5f
      golden_vm: 9b8a7c6d-5e4f-4a3b-9c2d-1e0f9a8b7c6d
      network: netplan
      root: {uuid: 3f…, size: 21474836480, used: 2147483648, sr: Local SSD 1}
      boot: {uuid: 4a…, size: 67108864, used: 33554432, sr: Local SSD 1}
      replicas:
        - blueprint: 5e6f7081-9a2b-4c3d-8e4f-5a6b7c8d9e0f
          root: {uuid: 6b…, size: 21474836480, used: 2147483648, sr: Local SSD 2}
          boot: {uuid: 7c…, size: 67108864, used: 33554432, sr: Local SSD 2}
      instances: [web-001, web-002]
result:
  description: What O(query) selected from the values above.
  returned: when O(query) is given
  type: raw
"""

from ansible_collections.skinnybox.xenserver.plugins.module_utils import module
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import master_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.masters import master_versions

OPTIONS = {"name": {"type": "str"}}


def look(run: module.Run) -> dict:
    pool = run.read()
    versions = master_versions(pool)
    wanted = run.params["name"]
    found = [master_facts(pool, version, versions) for version in versions if wanted in (None, version.name)]
    return {"master_images": found}


def main() -> None:
    module.run_info_module(look, OPTIONS)


if __name__ == "__main__":
    main()
