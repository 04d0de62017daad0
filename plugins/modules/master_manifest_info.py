#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: master_manifest_info
short_description: Fetch the manifest of a master image's version
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - The manifest lists all files of a master with owners, modes and checksums. It lies on the boot CD of each version,
    from where it is read through the host pool; no VM is started for it.
  - M(skinnybox.xenserver.rebase_info) tells with it what an upgrade would do to an instance.
  - It is kept in a file of the controller that bears the master id, and fetched once. A version never changes.
extends_documentation_fragment:
  - skinnybox.xenserver.connection
  - skinnybox.xenserver.query
  - skinnybox.xenserver.attributes.info
options:
  master:
    description: The master image, by name (its promoted version) or with a version, such as V(noble:8).
    type: str
    required: true
  dest:
    description:
      - The directory in which manifests are kept; it is made when it is not there. The file is fetched in check mode,
        too.
    type: path
    default: ~/.cache/skinnybox/manifests
seealso:
  - module: skinnybox.xenserver.rebase_info
  - module: skinnybox.xenserver.master_image_info
"""

EXAMPLES = r"""
- name: Fetch the manifest of the version to come
  skinnybox.xenserver.master_manifest_info:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    master: noble:8
  register: next_version
"""

RETURN = r"""
master:
  description: Name of the master image.
  returned: success
  type: str
  sample: noble
version:
  description: Number of the version.
  returned: success
  type: int
  sample: 8
master_id:
  description: The id that the golden VM got when it was sealed.
  returned: success
  type: str
  sample: 0c8f2c57-52f4-4f0c-a4a8-9d2e0d6ad3a1
path:
  description: The file of the controller in which the manifest is, compressed by gzip.
  returned: success
  type: str
  sample: /home/me/.cache/skinnybox/manifests/0c8f2c57-52f4-4f0c-a4a8-9d2e0d6ad3a1.jsonl.gz
bytes:
  description: Its size.
  returned: success
  type: int
  sample: 2345678
fetched:
  description: Whether it was fetched by this run. Else it was there already.
  returned: success
  type: bool
result:
  description: What O(query) selected from the values above.
  returned: when O(query) is given
  type: raw
"""

from pathlib import Path

from ansible_collections.skinnybox.xenserver.plugins.module_utils import module
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.manifest import (
    fetch_manifest,
    keep_manifest,
    kept_manifest,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.declaration import parse_master
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.lookup import find_master

OPTIONS = {
    "master": {"type": "str", "required": True},
    "dest": {"type": "path", "default": "~/.cache/skinnybox/manifests"},
}


def look(run: module.Run) -> dict:
    wanted = parse_master(run.params["master"])
    version = find_master(run.read(), wanted)
    path = Path(run.params["dest"]) / f"{version.master_id}.jsonl.gz"
    is_kept = kept_manifest(path, version.master_id)
    if not is_kept:
        keep_manifest(path, fetch_manifest(run.client, version))
    return {
        "master": version.name,
        "version": version.number,
        "master_id": version.master_id,
        "path": str(path),
        "bytes": path.stat().st_size,
        "fetched": not is_kept,
    }


def main() -> None:
    module.run_info_module(look, OPTIONS)


if __name__ == "__main__":
    main()
