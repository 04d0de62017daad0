#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_export
short_description: Write what an instance has changed into an archive for its golden VM
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Runs in an instance, as root (C(become)). Writes an archive of all in which the instance differs from its master,
    for M(skinnybox.xenserver.overlay_import). The playbook C(skinnybox.xenserver.promote) does both.
  - The archive is a tar file (pax, gzip) with owners, times, ACLs, capabilities, hard links and holes. Whiteouts and
    opaque directories become a list of deletions.
  - Scrubbed, that is left out and listed, is what makes the instance itself (host name, machine id, SSH host keys,
    network), its secrets (private keys, authorized keys, C(/etc/ssl/private) and the like), histories, logs, caches,
    temporary files, what belongs to Skinnybox, and C(/boot). What the boot does to C(/etc/fstab) is undone.
  - An instance with other kernels than its master is refused, since a golden VM boots from its own C(/boot).
  - Users and groups go as records. Passwords are scrubbed, unless O(keep) names C(/etc/shadow). New users come locked.
extends_documentation_fragment:
  - skinnybox.xenserver.attributes.in_guest
options:
  dest:
    description:
      - Path of the archive in the instance; only root can read it. The same content makes the same archive, which is
        not written again.
    type: path
    required: true
  keep:
    description:
      - Globs of what is not scrubbed, such as V(/home/*/.ssh/**). V(*) stays within a name, V(**) does not.
      - Directories that it lies in go along.
    type: list
    elements: str
    default: []
  scrub:
    description: Globs of what else is scrubbed.
    type: list
    elements: str
    default: []
seealso:
  - module: skinnybox.xenserver.overlay_import
  - module: skinnybox.xenserver.overlay_report
"""

EXAMPLES = r"""
- name: What would be promoted, and what not?
  skinnybox.xenserver.overlay_export:
    dest: /var/tmp/web-017.tar.gz
    scrub: [/srv/data/**]
  become: true
  check_mode: true
  register: export
"""

RETURN = r"""
promoted:
  description: Paths that are in the archive, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [/etc/nginx/nginx.conf, /usr/sbin/nginx]
deleted:
  description: Paths of the master that the instance has deleted.
  returned: always
  type: list
  elements: str
  sample: [/etc/motd]
scrubbed:
  description:
    - Why a path is left out, by path; one of C(identity), C(network), C(secret), C(history), C(log), C(cache),
      C(temporary), C(state), C(boot), C(skinnybox), C(socket), C(asked) (by O(scrub)).
  returned: always
  type: dict
  sample: {/etc/ssh/ssh_host_rsa_key: identity, /root/.bash_history: history}
bytes:
  description: Sum of the sizes of the files that are promoted.
  returned: always
  type: int
  sample: 8421376
master_id:
  description: Id of the instance's master version.
  returned: always
  type: str
  sample: 6f1f4a4e-6f0e-4f63-9c3a-2d1b50b7a001
dest:
  description: Path of the archive.
  returned: always
  type: str
  sample: /var/tmp/web-017.tar.gz
"""

from pathlib import Path
from typing import Any

from ansible_collections.skinnybox.xenserver.plugins.module_utils import guest
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.instance import this_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion import export
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion.archive import Unsettled

OPTIONS = {
    "dest": {"type": "path", "required": True},
    "keep": {"type": "list", "elements": "str", "default": []},
    "scrub": {"type": "list", "elements": "str", "default": []},
}


def write(run: guest.Run) -> dict[str, Any]:
    """Write the archive, or tell what would be in it."""
    target = Path(run.params["dest"])
    prepared = export.prepare(this_instance(), target, run.params["keep"], run.params["scrub"])
    content = prepared.content
    promoted, deleted = [change.raw.path for change in content.changes], list(content.deletions)
    return {
        "changed": prepared.would_write(target) if run.check_mode else prepared.write(target),
        "promoted": promoted,
        "deleted": deleted,
        "scrubbed": content.scrubbed,
        "bytes": content.bytes,
        "master_id": prepared.instance.master_id,
        "dest": str(target),
        "diff": {"before": {}, "after": {"promoted": promoted, "deleted": deleted}},
    }


def main() -> None:
    guest.run_module(write, OPTIONS, problems=(export.ExportRefused, Unsettled))


if __name__ == "__main__":
    main()
