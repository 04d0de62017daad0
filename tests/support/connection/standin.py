# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection of Ansible's to an instance that is a directory, see tests/support/standins.py."""

from __future__ import annotations

DOCUMENTATION = """
name: standin
short_description: Runs what an instance is asked to run on this machine
description: As connection plugin local, within mounts of its own.
author: Skinnybox contributors
options:
  name:
    description: The instance.
    vars:
      - name: inventory_hostname
  directory:
    description: Where the directories of all instances are.
    vars:
      - name: standins
"""

import shlex
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local


class Connection(Local):
    """What ansible uses."""

    transport = "standin"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command in the instance. Raises AnsibleConnectionFailure while it cannot be reached."""
        directory = Path(self.get_option("directory")) / self.get_option("name").partition("@")[0]
        master_id = (directory / "master-id").read_text()
        if (directory / f"unreachable-{master_id}").exists():
            raise AnsibleConnectionFailure("No route to host")
        return super().exec_command(f"{directory}/enter {master_id} {shlex.quote(cmd)}", in_data, sudoable)

    def reset(self) -> None:
        """There is nothing that a reboot ends."""
