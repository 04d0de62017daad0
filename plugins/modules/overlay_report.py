#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_report
short_description: Tell in what an instance differs from its master
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Compares the overlay of an instance with the master it runs on, file by file. Everything that was added, changed,
    given other metadata, replaced by another type of file or deleted is found; content is compared, not times.
  - Sums it up by directory, Debian package and user, and tells how full the overlay disk is and when it will be full.
  - Runs in the instance (with C(become), only root may read an overlay), without a connection to a host pool. It can
    also look at an overlay disk that is mounted anywhere, see O(upper).
  - It looks at a running system. What changes meanwhile is reported as it was at some time while the module ran.
  - File names are escaped where they have control characters, bytes that are no UTF-8, or a backslash (C(\n), C(\xe9),
    C(\\)).
extends_documentation_fragment:
  - skinnybox.xenserver.attributes.guest_info
options:
  details:
    description:
      - How much is returned. V(summary) are numbers only, V(packages) also what they are made of by package,
        directory and user, V(files) also each file. RV(text) is always there.
    type: str
    choices: [summary, packages, files]
    default: packages
  paths:
    description:
      - Shell patterns; RV(files) has only what one of them matches, and everything when there is none. C(*) matches
        slashes, too.
    type: list
    elements: str
    default: []
  largest:
    description: How many of the largest files and directories are returned.
    type: int
    default: 20
  checksums:
    description: Whether RV(files) has the SHA-256 of each file, which takes reading them all.
    type: bool
    default: false
  save_sample:
    description:
      - Whether what is used now is saved on the overlay disk, for forecasts. Run it so at regular times, such as daily.
        The latest 200 samples are kept.
    type: bool
    default: false
  upper:
    description:
      - The upper directory of an overlay disk that is mounted here, when this is not the instance itself, such as
        V(/mnt/overlay/layers/6f1f4a4e-6f0e-4f63-9c3a-2d1b50b7a001/upper).
    type: path
  lowers:
    description:
      - What the upper directory lies on, the topmost first, the mounted root of the master last, such as
        V(/mnt/overlay/identity), V(/mnt/overlay/personality), V(/mnt/master).
      - It must be the master with the id that the upper directory's parent is named after.
    type: list
    elements: path
seealso:
  - module: skinnybox.xenserver.rebase_info
"""

EXAMPLES = r"""
- name: In what do the web servers differ from their master?
  skinnybox.xenserver.overlay_report:
    largest: 10
  become: true
  register: overlay  # for people: overlay.text

- name: Save how full the overlay is, and fail when it will be full within two weeks
  skinnybox.xenserver.overlay_report:
    details: summary
    save_sample: true
  become: true
  register: overlay
  failed_when: overlay.disk.percent > 90 or overlay.disk.forecast and overlay.disk.forecast.days < 14

- name: Each difference below /etc, with checksums
  skinnybox.xenserver.overlay_report:
    details: files
    paths: [/etc/*]
    checksums: true
  become: true

- name: An overlay disk that is mounted on a rescue system
  skinnybox.xenserver.overlay_report:
    upper: /mnt/overlay/layers/6f1f4a4e-6f0e-4f63-9c3a-2d1b50b7a001/upper
    lowers: [/mnt/overlay/identity, /mnt/master]
  become: true
"""

RETURN = r"""
instance:
  description: The instance that this system is; V(null) with O(upper).
  returned: always
  type: dict
  contains:
    uuid:
      description: Its uuid.
      type: str
    master_id:
      description: The id of the master version that it runs on.
      type: str
text:
  description: The report for people.
  returned: always
  type: str
summary:
  description: The report in numbers.
  returned: always
  type: dict
  contains:
    differences:
      description: >-
        How many paths there are of each kind. C(added), C(changed) (content), C(metadata) (mode, owner, group, or
        extended attributes, ACLs and capabilities among them), C(replaced) (other type), C(deleted), C(opaque)
        (a directory that was removed and made again) and C(identical) (copied up, but the same as on the master).
      type: dict
      sample: {added: 12, changed: 4, metadata: 1, replaced: 0, deleted: 2, opaque: 1, identical: 3}
    packages:
      description: How many packages were C(installed), C(removed), C(upgraded), C(downgraded), or C(modified).
      type: dict
      sample: {installed: 1, removed: 0, upgraded: 3, downgraded: 0, modified: 2}
    conffiles:
      description: How many configuration files of packages a person changed or deleted.
      type: int
    modified_files:
      description: How many other files of packages are not as on the master though the package's version is.
      type: int
    foreign_files:
      description: How many files differ that no package brought.
      type: int
    bytes:
      description: Size of all files in the upper directory.
      type: int
    allocated:
      description: What they take on the overlay disk; less than RV(summary.bytes) where files are sparse.
      type: int
    divergence:
      description: >-
        How far the instance is from its master, from V(0) (as the master is) to V(99). It is 50 at 50 points, 75 at
        100. A point for each conffile that a person changed, three for each other file of a package changed or
        deleted, five for each package with another version, one for each hundred files of no package.
      type: int
disk:
  description: The overlay disk.
  returned: always
  type: dict
  contains:
    size:
      description: Bytes in all, as also C(used) and C(available).
      type: int
    percent:
      description: How full it is.
      type: int
    inodes:
      description: How many files it can have, C(inodes_used) of which there are.
      type: int
    forecast:
      description: >-
        When it will be full, from the samples and from now, at the median of the growth between any two of them.
        V(null) when there are less than three over an hour, or when it does not grow.
      type: dict
      sample: {days: 41.5, full_at: "2026-10-02T03:00:00Z", bytes_per_day: 15728640, samples: 30}
packages:
  description: >-
    Packages that are not as on the master, with C(change), C(version) and C(master_version), the C(conffiles) that a
    person changed, other files of it that were C(modified) or deleted, the number of C(files) that differ, their
    C(bytes) and what is C(allocated).
  returned: when O(details) is not V(summary)
  type: list
  elements: dict
  sample:
    - name: curl
      architecture: amd64
      change: upgraded
      version: 7.88.1-10+deb12u8
      master_version: 7.88.1-10+deb12u7
      conffiles: []
      modified: []
      files: 6
      bytes: 523264
      allocated: 536576
directories:
  description: Directories up to three deep with the most bytes, each with all that is below it.
  returned: when O(details) is not V(summary)
  type: list
  elements: dict
  sample: [{name: /var, files: 7, bytes: 9437184, allocated: 9441280}]
foreign:
  description: The same of files that no package brought.
  returned: when O(details) is not V(summary)
  type: list
  elements: dict
  sample: [{name: /srv, files: 2, bytes: 8192, allocated: 8192}]
users:
  description: All differences by the user who owns the files.
  returned: when O(details) is not V(summary)
  type: list
  elements: dict
  sample: [{name: www-data, files: 7, bytes: 9437184, allocated: 9441280}]
largest:
  description: The files that take the most, with their growth over the master's file.
  returned: when O(details) is not V(summary)
  type: list
  elements: dict
  sample: [{path: /var/lib/db, change: added, bytes: 8388608, allocated: 8388608, growth: 8388608}]
growth:
  description: Directories that have grown since the last sample, at C(growth_since).
  returned: when O(details) is not V(summary)
  type: list
  elements: dict
  sample: [{path: /var/lib, bytes: 1048576}]
growth_since:
  description: The time of the last sample, V(null) when there is none.
  returned: when O(details) is not V(summary)
  type: str
  sample: "2026-09-01T03:00:00Z"
files:
  description: >-
    Each difference, by path. C(metadata) are the kinds of metadata that differ, C(attributes) the extended attributes
    that the file has, C(packages) those that it belongs to, C(links) other names of the same file, C(hides) what is not
    seen any more below a directory. C(breaks_link) says that the master's file has other names, which still show
    what it was.
  returned: when O(details=files)
  type: list
  elements: dict
  sample:
    - path: /etc/ssh/sshd_config
      change: changed
      type: file
      bytes: 3281
      allocated: 4096
      mode: "0644"
      uid: 0
      gid: 0
      user: root
      target: null
      modified: "2026-08-30T11:02:41Z"
      metadata: []
      attributes: []
      packages: [openssh-server]
      conffile: true
      foreign: false
      links: []
      breaks_link: false
      hides: []
"""

import time

from ansible_collections.skinnybox.xenserver.plugins.module_utils import guest
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers import samples
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.instance import mounted_overlay, this_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.report import Report, examine
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.report_data import as_data
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.report_text import as_text

OPTIONS = {
    "details": {"type": "str", "choices": ["summary", "packages", "files"], "default": "packages"},
    "paths": {"type": "list", "elements": "str", "default": []},
    "largest": {"type": "int", "default": 20},
    "checksums": {"type": "bool", "default": False},
    "save_sample": {"type": "bool", "default": False},
    "upper": {"type": "path"},
    "lowers": {"type": "list", "elements": "path"},
}


def tell(run: guest.Run) -> dict:
    largest = run.params["largest"]
    if largest < 0:
        raise guest.Refused("largest must not be negative.")
    if run.params["upper"]:
        upper, lowers = run.params["upper"], mounted_overlay(run.params["upper"], run.params["lowers"])
        instance, title = None, f"Overlay {upper}"
    else:
        here = this_instance()
        upper, lowers = here.upper, here.lowers
        instance = {"uuid": here.uuid, "master_id": here.master_id}
        title = f"Instance {here.uuid} on master {here.master_id}"
    kept = samples.file_of(upper)
    if run.params["save_sample"] and not kept:
        raise guest.Refused(f"save_sample: {upper} is not layers/<master id>/upper of an overlay disk.")
    report = examine(upper, lowers, samples.read(kept), int(time.time()))
    data = as_data(report, run.params["details"], run.params["paths"], largest, run.params["checksums"])
    saved = run.params["save_sample"] and save(run, kept, report)
    return {"changed": saved, "instance": instance, "text": as_text(report, title, largest), **data}


def save(run: guest.Run, kept: str, report: Report) -> bool:
    """Add a sample; a full disk is no reason to withhold the report that says so."""
    try:
        if not run.check_mode:
            samples.add(kept, report.sample)
    except OSError as problem:
        run.warn(f"The sample could not be saved: {problem}")
        return False
    return True


def main() -> None:
    guest.run_module(tell, OPTIONS, required_together=[("upper", "lowers")])


if __name__ == "__main__":
    main()
