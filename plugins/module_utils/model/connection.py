# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance as a host of Ansible: how SSH reaches it, and its groups. Pure."""

from __future__ import annotations

import shlex
from typing import Any, Mapping


def addresses(facts: Mapping[str, Any]) -> list[str]:
    """Where an instance (as facts.instance_facts tells of it) is, or else where it should be; the best one first."""
    # What the guest reports is where it is; what was declared is where it should be.
    return facts["addresses"] or [address.partition("/")[0] for address in facts["static_addresses"]]


def ssh_variables(facts: Mapping[str, Any], with_host_key: bool = True) -> dict[str, str]:
    """Ansible's variables of a host: where SSH finds the instance, and by which host key it knows it.

    The key is handed over by a command, which needs OpenSSH 8.5 on the controller.
    """
    known = addresses(facts)
    found = {"ansible_host": known[0]} if known else {}
    kind, _space, rest = facts["ssh_host_key"].partition(" ")
    if with_host_key and rest:
        # No file to keep in step: ssh asks a command for the keys of the host it talks to.
        command = f"/bin/echo %H {kind} {rest.split()[0]}"
        found["ansible_ssh_extra_args"] = " ".join(
            ["-o", shlex.quote(f"KnownHostsCommand={command}"), "-o", "UserKnownHostsFile=/dev/null"]
        )
    return found


def groups(facts: Mapping[str, Any]) -> list[str]:
    """Names of the inventory groups of an instance, but that of its host: it may run elsewhere in a moment."""
    version = f"{facts['master']}_{facts['version']}"
    return ["skinnybox_instances", f"pool_{facts['pool']}", f"master_{facts['master']}", f"version_{version}"]
