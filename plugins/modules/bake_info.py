#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bake_info
short_description: Find what many instances have changed alike, and the next master could have
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Compares reports of several instances. Packages of the same version and files with the same content, mode and owner
    that many of them have are better put in the next master, where they are there once.
  - Runs on the controller and needs no connection; the playbook C(skinnybox.xenserver.bake) makes the reports. A report
    takes about half a kilobyte for each difference.
  - Left out is what belongs to one instance by its nature (see M(skinnybox.xenserver.overlay_export)),
    C(/etc/fstab), users and groups, and the databases of packages. Files of packages that are alike are not told again.
extends_documentation_fragment:
  - skinnybox.xenserver.attributes.guest_info
options:
  reports:
    description:
      - Results of M(skinnybox.xenserver.overlay_report) with C(details=files) and C(checksums=true), by instance; two
        at least.
    type: dict
    required: true
  share:
    description: What at least this many percent of the instances have alike is found.
    type: int
    default: 80
  largest:
    description: How many lines RV(text) has at most, of what comes and of what goes each.
    type: int
    default: 50
seealso:
  - module: skinnybox.xenserver.overlay_report
  - module: skinnybox.xenserver.overlay_export
"""

EXAMPLES = r"""
- name: What should the next master have?
  skinnybox.xenserver.bake_info:
    reports: "{{ dict(names | zip(names | map('extract', hostvars, 'report'))) }}"
    share: 60
  vars:
    names: "{{ groups['pool_web'] }}"
  delegate_to: localhost
  run_once: true
  register: bake  # for people: bake.text
"""

RETURN = r"""
text:
  description: The advice for people.
  returned: always
  type: str
  sample: |-
    Put these in the next master, which saves 1.7 GiB in 40 instances:
      package nginx:amd64 1.22.1-9 (installed) in 38 of 40, 45.6 MiB
alike:
  description:
    - What is alike, what saves most first. C(kind) is C(package) or C(file), C(name) a package with its architecture
      and version or a path, C(change) as in the reports, C(share) percent of all, C(saves) bytes on all their overlay
      disks.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: package
      name: nginx:amd64 1.22.1-9
      change: installed
      instances: [web-001, web-002]
      share: 95.0
      saves: 47815065
instances:
  description: How many reports were compared.
  returned: always
  type: int
  sample: 40
"""

from typing import Any

from ansible_collections.skinnybox.xenserver.plugins.module_utils import guest
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.printable import Text
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion import bake

OPTIONS = {
    "reports": {"type": "dict", "required": True},
    "share": {"type": "int", "default": 80},
    "largest": {"type": "int", "default": 50},
}


def advise(run: guest.Run) -> dict[str, Any]:
    """Compare the reports."""
    reports, share, most = run.params["reports"], run.params["share"], run.params["largest"]
    if len(reports) < 2:
        raise guest.Refused(f"Reports of two instances at least are needed to compare them; there are {len(reports)}.")
    if not 1 <= share <= 100:
        raise guest.Refused(f"share: {share} is no percentage from 1 to 100.")
    if most < 0:
        raise guest.Refused("largest must not be negative.")
    if wrong := sorted(name for name, report in reports.items() if not isinstance(report, dict)):
        raise guest.Refused(f"These are no reports: {', '.join(wrong)}.")
    masters = {(report.get("instance") or {}).get("master_id") for report in reports.values()}
    if len(masters) > 1:
        run.warn("The instances are not all on the same master version; what one has, another's master may have.")
    found = bake.find_alike(reports, share)
    return {
        "text": Text(bake.as_text(found, len(reports), share, most)),
        "alike": [alike.as_data(len(reports)) for alike in found],
        "instances": len(reports),
    }


def main() -> None:
    guest.run_module(advise, OPTIONS, problems=(bake.ReportUnusable,))


if __name__ == "__main__":
    main()
