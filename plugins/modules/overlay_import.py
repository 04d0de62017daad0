#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_import
short_description: Bring what an instance has changed into its golden VM
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Runs in the golden VM, as root (C(become)). Makes its root file system have what an archive of
    M(skinnybox.xenserver.overlay_export) has, and not have what that instance deleted. Seal and publish it afterwards.
  - Each file is written beside its place and renamed. Owners are translated by name. All is checked before anything is
    written; when the import is interrupted, run it again with an archive that brings the same. Until then the golden VM
    cannot be sealed.
  - Users and groups are merged by record; where both sides changed the same field, the golden VM's holds.
extends_documentation_fragment:
  - skinnybox.xenserver.attributes.in_guest
options:
  src:
    description: Path of the archive in the golden VM.
    type: path
    required: true
  root:
    description: Directory where the golden VM's root is mounted, when the module does not run in the golden VM itself.
    type: path
    default: /
  on_conflict:
    description:
      - What becomes of a path that the golden VM changed, too, since the instance's master was sealed.
      - V(refuse) writes nothing at all, and names them. V(instance) takes the instance's, V(golden) keeps the golden
        VM's.
      - Where both have changed the package database, nothing is imported in any case.
    type: str
    choices: [refuse, instance, golden]
    default: refuse
  force:
    description:
      - Import into a golden VM that was last sealed as another version than the instance's master, or where the import
        of another archive was interrupted. What differs is then a conflict.
    type: bool
    default: false
seealso:
  - module: skinnybox.xenserver.overlay_export
"""

EXAMPLES = r"""
- name: Import what web-017 has changed
  skinnybox.xenserver.overlay_import:
    src: /var/tmp/web-017.tar.gz
  become: true
"""

RETURN = r"""
placed:
  description: Paths that were written, or would be in check mode. Those that were there already are not among them.
  returned: always
  type: list
  elements: str
  sample: [/etc/nginx/nginx.conf, /usr/sbin/nginx]
deleted:
  description: Paths that were deleted.
  returned: always
  type: list
  elements: str
  sample: [/etc/motd]
accounts:
  description: Files of users and groups that were changed.
  returned: always
  type: list
  elements: str
  sample: [/etc/passwd, /etc/group, /etc/shadow]
notes:
  description: What was decided about users and groups, and should be known.
  returned: always
  type: list
  elements: str
left:
  description: What the golden VM keeps, and why, by path; with O(on_conflict=golden).
  returned: always
  type: dict
  sample: {}
scrubbed:
  description: What the instance did not hand on, and why, by path; see M(skinnybox.xenserver.overlay_export).
  returned: always
  type: dict
  sample: {/root/.bash_history: history}
instance:
  description: Host name of the instance.
  returned: always
  type: str
  sample: web-017
"""

from pathlib import Path
from typing import Any

from ansible_collections.skinnybox.xenserver.plugins.module_utils import guest
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion import golden
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion.index import ArchiveUnusable
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion.plan import Answer, Conflicts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.refusal import Refusal

OPTIONS = {
    "src": {"type": "path", "required": True},
    "root": {"type": "path", "default": "/"},
    "on_conflict": {"type": "str", "choices": ["refuse", "instance", "golden"], "default": "refuse"},
    "force": {"type": "bool", "default": False},
}


def bring_in(run: guest.Run) -> dict[str, Any]:
    """Import the archive, or tell what would be done."""
    answer = Answer(run.params["on_conflict"])
    prepared = golden.prepare(Path(run.params["src"]), run.params["root"], answer, run.params["force"])
    if prepared.changes and not run.check_mode:
        golden.carry_out(prepared)
    plan = prepared.plan
    placed, deleted = sorted(plan.place), sorted(plan.delete)
    return {
        "changed": prepared.changes,
        "placed": placed,
        "deleted": deleted,
        "accounts": list(plan.accounts),
        "notes": list(plan.notes),
        "left": dict(plan.left),
        "scrubbed": dict(prepared.index.scrubbed),
        "instance": prepared.index.hostname,
        "diff": {"before": {"deleted": deleted}, "after": {"placed": placed, "accounts": list(plan.accounts)}},
    }


def main() -> None:
    problems = (golden.ImportRefused, ArchiveUnusable, Conflicts, Refusal)
    guest.run_module(bring_in, OPTIONS, problems=problems)


if __name__ == "__main__":
    main()
