# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One way to run modules that work on the machine where Ansible runs them, without a host pool: inside an instance."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ansible.module_utils.basic import AnsibleModule

from .layers.instance import NotAnInstance
from .layers.printable import Text, printable
from .layers.upper import ForeignLayer


class Refused(Exception):
    """The options cannot be meant, or nothing can be done here; nothing was changed."""


class Run:
    """One run of a module: its options, and whether it may write."""

    def __init__(self, module: AnsibleModule) -> None:
        self.params: Mapping[str, Any] = module.params
        self.check_mode: bool = module.check_mode
        self.warn: Callable[[str], None] = module.warn


def run_module(
    work: Callable[[Run], dict[str, Any]],
    options: Mapping[str, Any],
    problems: tuple[type[Exception], ...] = (),
    **specification: Any,
) -> None:
    """Run a module: ``work`` gets a :class:`Run` and returns the result, with its own ``changed`` if it writes.

    Exceptions of the classes in ``problems`` carry a sentence for the user, as those do that all guest modules share.
    In what is returned, odd characters of file names are escaped, see layers.printable.
    """
    expected: tuple[type[Exception], ...] = (Refused, NotAnInstance, ForeignLayer, OSError, *problems)
    module = AnsibleModule(argument_spec=dict(options), supports_check_mode=True, **specification)
    try:
        result = work(Run(module))
    except expected as problem:
        module.fail_json(msg=str(problem).encode(errors="backslashreplace").decode())
    else:
        module.exit_json(**{"changed": False, **shown(result)})


def shown(value: Any) -> Any:
    """A result with all its texts printable: keys, too; a Text stays as it is."""
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {shown(key): shown(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(part) for part in value]
    return value
