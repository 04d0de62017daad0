#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: rebase_info
short_description: Say what an upgrade will do to an instance's changes
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Runs in an instance, as root (C(become)), while it works. Given the manifest of another master version, returns what
    the rebase to it would do to each change of this instance, conflicts and dangers first. Changes nothing.
  - The rules are those of the rebase itself. What they cannot know from a manifest is said to be unknown until then; a
    manifest has no contents of programs, of secret files and of what changes by itself, such as logs.
extends_documentation_fragment:
  - skinnybox.xenserver.attributes.guest_info
options:
  manifest:
    description:
      - File in the instance with the manifest of the master version to go to. It comes from
        M(skinnybox.xenserver.master_manifest_info).
    type: path
    required: true
  remote_src:
    description:
      - With V(false), O(manifest) is a file of the controller. It is brought to the instance for as long as the module
        runs.
    type: bool
    default: true
  details:
    description:
      - Which decisions are returned one by one. With V(summary) conflicts, dangers, and packages of the instance that
        give way to newer ones; with V(notes) also what else it loses, what is merged, and what is unknown until then;
        with V(files) all.
    type: str
    choices: [summary, notes, files]
    default: summary
  paths:
    description:
      - Globs of paths that the returned decisions are limited to. C(*) stays within a name, C(**) crosses directories.
        Numbers are over everything all the same.
    type: list
    elements: str
    default: []
seealso:
  - module: skinnybox.xenserver.master_manifest_info
  - plugin: skinnybox.xenserver.rebase_summary
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What would become of this instance's changes?
  skinnybox.xenserver.rebase_info:
    manifest: /run/skinnybox/next.jsonl.gz
  become: true
  register: preview

- name: Everything below /etc, one by one, with a manifest that lies here
  skinnybox.xenserver.rebase_info:
    manifest: "{{ manifest.path }}" # manifest is the result of master_manifest_info
    remote_src: false
    details: files
    paths: [/etc/**]
  become: true
"""

RETURN = r"""
from_master:
  description: Id of the master version that the instance runs on.
  returned: success
  type: str
  sample: 6f1f4a4e-6f0e-4f63-9c3a-2d1b50b7a001
to_master:
  description: Id of the master version whose manifest was given.
  returned: success
  type: str
  sample: 11f2a7f0-51b1-4d2f-9f3e-1d7e2d9f6a02
clean:
  description: Whether nothing needs a look. There are no conflicts and no dangers, and the disk has room.
  returned: success
  type: bool
  sample: false
kept:
  description: Changes that the instance keeps.
  returned: success
  type: int
  sample: 214
merged:
  description: Files in which the changes of both sides are merged.
  returned: success
  type: int
  sample: 3
dropped:
  description: Changes that give way to the new master, or that it has as well.
  returned: success
  type: int
  sample: 87
conflicts:
  description: Files that both sides changed, where those of the instance stay.
  returned: success
  type: int
  sample: 1
dangers:
  description: What the instance keeps although it may hide a fix of the new master, or may not work with it.
  returned: success
  type: int
  sample: 0
notes:
  description: Decisions by which the instance loses something, as it should be.
  returned: success
  type: int
  sample: 2
unknown:
  description: Decisions that the manifest cannot tell.
  returned: success
  type: int
  sample: 12
rules:
  description: How many decisions each rule makes.
  returned: success
  type: dict
  sample: {added: 180, cache: 40, package-older: 12}
needed:
  description: Bytes that the new layer takes, at most.
  returned: success
  type: int
  sample: 41943040
free:
  description: Bytes that are free on the overlay disk.
  returned: success
  type: int
  sample: 734003200
fits:
  description: Whether the new layer has room beside the old one.
  returned: success
  type: bool
  sample: true
grow_by:
  description: Bytes by which the overlay disk must grow first.
  returned: success
  type: int
  sample: 0
decisions:
  description:
    - What becomes of single paths, the most urgent first, as O(details) and O(paths) ask for.
    - C(change) is what the instance has made of it, in the words of M(skinnybox.xenserver.overlay_report), null where
      it did not touch it.
    - C(action) is what the new layer gets. V(drop) is nothing, so that the new master's is seen; V(keep) the
      instance's; V(take) a copy of the new master's; V(write) a merge; V(delete) what hides the new master's.
    - C(severity) is one of V(clean), V(note), V(conflict) and V(danger).
  returned: success
  type: list
  elements: dict
  sample:
    - path: /etc/ssh/sshd_config
      change: changed
      action: keep
      rule: text-conflict
      severity: conflict
      reason: the same lines changed on both sides; the instance's text stays, the new master's is beside it
      unknown: false
text:
  description: The same for people.
  returned: success
  type: str
  sample: |
    214 kept, 3 merged, 87 dropped, 1 conflicts, 0 dangers, 12 unknown until then.
    The new layer takes at most 40 MiB, 700 MiB are free.
    !  /etc/ssh/sshd_config: the instance's (the same lines changed on both sides)
"""

from typing import Any

from ansible_collections.skinnybox.xenserver.plugins.module_utils import guest
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.instance import this_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.manifest import ManifestTree, ManifestUnusable
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.preview import preview
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.preview_report import Details, as_result
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.refusal import Refusal

OPTIONS: dict[str, dict[str, Any]] = {
    "manifest": {"type": "path", "required": True},
    "remote_src": {"type": "bool", "default": True},
    "details": {"type": "str", "choices": ["summary", "notes", "files"], "default": "summary"},
    "paths": {"type": "list", "elements": "str", "default": []},
}


def look(run: guest.Run) -> dict[str, Any]:
    """What the rebase would do."""
    instance = this_instance()
    manifest = ManifestTree(run.params["manifest"])
    result = as_result(preview(instance, manifest), Details(run.params["details"]), run.params["paths"])
    return {"from_master": instance.master_id, "to_master": manifest.master_id, **result}


def main() -> None:
    guest.run_module(look, OPTIONS, problems=(ManifestUnusable, Refusal))


if __name__ == "__main__":
    main()
