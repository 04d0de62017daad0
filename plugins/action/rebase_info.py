# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module rebase_info, to which a manifest of the controller is brought for as long as it runs."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action.normal import ActionModule as Normal


class ActionModule(Normal):
    """What ansible calls for a task with this module."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Bring the manifest if it lies here, and run the module."""
        asked_for = self._task.args
        if asked_for.get("manifest") and not boolean(asked_for.get("remote_src", True), strict=False):
            self._task.args = {**asked_for, "manifest": self._bring(str(asked_for["manifest"]))}
        try:
            return super().run(tmp, task_vars)
        finally:
            self._task.args = asked_for  # a task may be tried again

    def _bring(self, manifest: str) -> str:
        """Copy a file into the task's temporary directory, which Ansible removes; where it is then.

        Raises AnsibleActionFail.
        """
        try:
            here = self._find_needle("files", manifest)
        except AnsibleError as problem:
            raise AnsibleActionFail(f"manifest: {problem.message}") from None
        shell = self._connection._shell
        directory = shell.tmpdir or self._make_tmp_path()
        there = shell.join_path(directory, "manifest.jsonl.gz")
        self._transfer_file(here, there)
        self._fixup_perms2((directory, there))
        return str(there)
