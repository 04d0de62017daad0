#!/usr/bin/python
# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: master_image
short_description: Publish, promote and retire versions of master images
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - A master image version is one read-only root disk, one boot CD and a blueprint from which instances are cloned.
    It is immutable once published.
  - It is published from a golden VM, an ordinary VM that was prepared with the roles
    P(skinnybox.xenserver.overlayroot#role) and P(skinnybox.xenserver.seal#role) and shut down. The golden VM is only
    read, and may be booted, patched and sealed again for the next version.
extends_documentation_fragment:
  - skinnybox.xenserver.connection
  - skinnybox.xenserver.locking
  - skinnybox.xenserver.attributes
options:
  name:
    description: Name of the master image.
    type: str
    required: true
  state:
    description:
      - V(published) makes a new version from O(golden_vm), unless its sealed state is published already.
      - V(promoted) makes O(version) (default the newest) the one that VM pools get which declare only the name.
      - V(retired) deletes O(version); refused while anything uses it.
    type: str
    choices: [published, promoted, retired]
    default: published
  golden_vm:
    description: Name or uuid of the golden VM. Required with O(state=published).
    type: str
  version:
    description: Number of the version. Required with O(state=retired).
    type: int
  promote:
    description:
      - With O(state=published), whether the version is promoted at once.
      - By default only the first version of a master image is, so that later ones can be tried first.
    type: bool
  replicas:
    description:
      - With O(state=published), names or uuids of SRs that are to have a copy of the version, besides the SR of the
        golden VM's disks. A name that each host's local SR bears stands for all of them.
      - Instances are made from the copy that their host sees. Copies on other SRs stay until the version is retired.
    type: list
    elements: str
  keep:
    description:
      - With O(state=published), retire versions beyond the newest so many that nothing uses.
      - One that instances can still be rolled back to is in use; a warning names them.
    type: int
seealso:
  - module: skinnybox.xenserver.master_image_info
  - module: skinnybox.xenserver.vm_pool
"""

EXAMPLES = r"""
- name: Publish what is on the golden VM
  skinnybox.xenserver.master_image:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: noble
    golden_vm: noble-golden
    replicas: [Local storage]
    keep: 3

- name: New instances are made from version 8 from now on
  skinnybox.xenserver.master_image:
    hostname: xen1.example.com
    password: "{{ vault_xenserver_password }}"
    name: noble
    state: promoted
    version: 8
"""

RETURN = r"""
master_image:
  description: The version, as M(skinnybox.xenserver.master_image_info) returns it; empty when it is not there.
  returned: always
  type: dict
plan_text:
  description: What was to be done, for people.
  returned: always
  type: list
  elements: str
  sample: ["noble:8 published from VM noble-golden (…)", "noble:8 copied to SR Local SSD 2 (…)", "noble:4 retired"]
"""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Iterator, Mapping

from ansible_collections.skinnybox.xenserver.plugins.module_utils import module
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.golden import inspect_golden_vm
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.lock import is_left
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.publish import (
    clear,
    promote,
    publish,
    replicate,
    retire,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.worksite import Worksite, worksite
from ansible_collections.skinnybox.xenserver.plugins.module_utils.golden.boot_cd import Seal
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import master_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.masters import (
    MasterVersion,
    master_versions,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import (
    Disk,
    HostPool,
    StorageRepository,
    VirtualMachine,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan import master as plan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.declaration import parse_master
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.replicas import replica_srs, without_copy
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.spec import MasterName

OPTIONS = {
    **module.LOCK_OPTIONS,
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["published", "promoted", "retired"], "default": "published"},
    "golden_vm": {"type": "str"},
    "version": {"type": "int"},
    "promote": {"type": "bool"},
    "replicas": {"type": "list", "elements": "str"},
    "keep": {"type": "int"},
}


def check(params: Mapping[str, Any]) -> None:
    """Refuse what is wrong in itself. Raises Refused."""
    if parse_master(params["name"]).number is not None:
        raise Refused(f"name: {params['name']!r} must not hold a version; there is option version for it.")
    if params["keep"] is not None and params["keep"] < 1:
        raise Refused(f"keep: {params['keep']} is not possible; at least one version must stay.")


def bring_about(run: module.Run) -> dict:
    """Publish, promote or retire."""
    states = {"published": bring_published, "promoted": bring_promoted, "retired": bring_retired}
    pool = run.read()
    if is_left(pool, lock_name(run)) and not run.check_mode:
        with run.locked(pool, lock_name(run)):
            # What the killed run had begun has ended now.
            pool = run.read()
    return states[run.params["state"]](run, pool)


def lock_name(run: module.Run) -> str:
    """What is locked while a version is made or goes."""
    return f"master image {run.params['name']}"


@dataclass(frozen=True)
class Publication:
    """What publishing a golden VM's sealed state comes to."""

    golden: VirtualMachine
    root: Disk
    boot: Disk
    seal: Seal
    version: MasterVersion | None  # None: it is not published yet
    number: int
    promotes: bool
    surplus: list[MasterVersion]
    replicas: list[StorageRepository]  # SRs that are to get a copy
    lines: list[str]
    kept: list[str]  # why versions beyond those to be kept are not retired


def plan_publication(run: module.Run, pool: HostPool) -> Publication:
    """Look at the golden VM and at what is published of it. Raises Refused."""
    name = run.params["name"]
    golden = plan.find_golden_vm(pool, run.params["golden_vm"])
    root, boot, seal = inspect_golden_vm(run.client, pool, golden)
    version = plan.published_from(pool, name, seal.master_id)
    number = version.number if version else plan.next_number(pool, name)
    promotes = plan.is_to_be_promoted(pool, name, version, run.params["promote"])
    of_keep = (pool, name, run.params["keep"], version is None, promotes, number)
    surplus = plan.superfluous(*of_keep)
    srs = replica_srs(pool, run.params["replicas"] or ())
    replicas = without_copy(pool, version, srs, root, boot)
    lines = plan.clearing_lines(pool, name)
    if version is None:
        lines.append(f"{name}:{number} published from VM {golden.name} ({golden.uuid})")
    lines += [f"{name}:{number} copied to SR {sr.name} ({sr.uuid})" for sr in replicas]
    if promotes:
        lines.append(f"{name}:{number} promoted")
    lines += [f"{old.title} retired" for old in surplus]
    kept = plan.bound_versions(*of_keep)
    return Publication(golden, root, boot, seal, version, number, promotes, surplus, replicas, lines, kept)


def bring_published(run: module.Run, pool: HostPool) -> dict:
    """A version of the golden VM's sealed state."""
    name = run.params["name"]
    todo = plan_publication(run, pool)
    for sentence in todo.kept:
        run.warn(sentence)
    if todo.lines and not run.check_mode:
        with run.locked(pool, lock_name(run)):
            # Somebody may have done the same, or begun to use an old version, while we looked.
            pool = run.read()
            todo = plan_publication(run, pool)
            carry_out(run, pool, name, todo)
        pool = run.read()
    return report(pool, name, todo.number, todo.lines)


def carry_out(run: module.Run, pool: HostPool, name: str, todo: Publication) -> None:
    """Clear, publish, copy, promote and retire, as planned and in this order. Raises XapiError."""
    title = lock_name(run)
    with worksite(run.client, pool, title=title) as site:
        clear(site, plan.remains(site.pool, name))
        if todo.version is None:
            publish(site, name, todo.number, todo.golden, todo.root, todo.boot, todo.seal)
    with worksite(run.client, run.read(), title=title) as site:
        version = plan.find_version(site.pool, name, todo.number)
        for sr in todo.replicas:
            replicate(site, version, sr)
        if todo.promotes:
            promote(site, version.blueprint.ref, master_versions(site.pool))
        for old in todo.surplus:
            retire(site, old)


@contextmanager
def writing(run: module.Run, pool: HostPool) -> Iterator[Worksite]:
    """Alone on this master image, with the host pool read anew."""
    title = lock_name(run)
    with run.locked(pool, title), worksite(run.client, run.read(), title=title) as site:
        yield site


def bring_promoted(run: module.Run, pool: HostPool) -> dict:
    """A version as the one that VM pools get by the name alone."""
    name = run.params["name"]
    version = plan.find_version(pool, name, run.params["version"])
    lines = [] if plan.is_promoted(pool, version) else [f"{version.title} promoted"]
    if lines and not run.check_mode:
        with writing(run, pool) as site:
            promote(site, plan.find_version(site.pool, name, version.number).blueprint.ref, master_versions(site.pool))
        pool = run.read()
    return report(pool, name, version.number, lines)


def bring_retired(run: module.Run, pool: HostPool) -> dict:
    """A version gone, with what an interrupted run left."""
    name, number = run.params["name"], run.params["version"]
    version = plan.find_retirable(pool, MasterName(name, number))
    lines = plan.clearing_lines(pool, name)
    if version:
        lines.append(f"{version.title} retired")
    if lines and not run.check_mode:
        with writing(run, pool) as site:
            version = plan.find_retirable(site.pool, MasterName(name, number))
            clear(site, plan.remains(site.pool, name))
            if version:
                retire(site, version)
        pool = run.read()
    return report(pool, name, number, lines)


def report(pool: HostPool, name: str, number: int, lines: list[str]) -> dict:
    """The module's result."""
    versions = master_versions(pool)
    found: MasterVersion | None = next((v for v in versions if (v.name, v.number) == (name, number)), None)
    result = {
        "changed": bool(lines),
        "plan_text": lines,
        "master_image": master_facts(pool, found, versions) if found else {},
    }
    if lines:
        result["diff"] = {"prepared": "\n".join(lines) + "\n"}
    return result


def main() -> None:
    module.run_module(
        bring_about,
        OPTIONS,
        check=check,
        required_if=[("state", "published", ["golden_vm"]), ("state", "retired", ["version"])],
    )


if __name__ == "__main__":
    main()
