# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As much of the command line client xe as remedies use, over XAPI: to prove that what is advised helps."""

from __future__ import annotations

import shlex
from typing import Any

CLASSES = {"vm": "VM", "vdi": "VDI", "vbd": "VBD", "sr": "SR", "pool": "pool"}
#: Parameters that stand for a field whose setter is called so.
SETTERS = {"mode": "set_mode", "type": "set_type", "on-boot": "set_on_boot", "is-a-template": "set_is_a_template"}


def run(xapi: Any, command: str) -> bool:
    """Run one command; false when it is none. Raises XenAPI.Failure."""
    words = shlex.split(command)
    if words[0] != "xe":
        return False
    verb, options = words[1], dict(word.split("=", 1) for word in words[2:] if "=" in word)
    kind, _dash, action = verb.partition("-")
    if verb == "vbd-create":
        _create_vbd(xapi, options)
        return True
    if verb == "snapshot-destroy":
        kind = "vm"
    objects = getattr(xapi, CLASSES[kind])
    ref = objects.get_by_uuid(options.pop("uuid"))
    if action == "param-set":
        _set(objects, kind, ref, options)
    elif action == "param-remove":
        getattr(objects, f"remove_from_{options['param-name'].replace('-', '_')}")(ref, options["param-key"])
    elif action == "shutdown":
        objects.hard_shutdown(ref)
    elif action in ("destroy", "unplug"):
        getattr(objects, action)(ref)
    else:
        raise AssertionError(f"xe has {verb}, but this does not: {command}")
    return True


def _set(objects: Any, kind: str, ref: str, options: dict[str, str]) -> None:
    for name, value in options.items():
        field, colon, key = name.partition(":")
        if colon:
            getattr(objects, f"add_to_{field.replace('-', '_')}")(ref, key, value)
        elif name == "snapshot-schedule":
            objects.set_snapshot_schedule(ref, value or "OpaqueRef:NULL")
        else:
            getattr(objects, SETTERS[name])(ref, {"true": True, "false": False}.get(value, value))


def _create_vbd(xapi: Any, options: dict[str, str]) -> None:
    xapi.VBD.create(
        {
            "VM": xapi.VM.get_by_uuid(options["vm-uuid"]),
            "VDI": xapi.VDI.get_by_uuid(options["vdi-uuid"]),
            "userdevice": options["device"],
            "type": options["type"],
            "mode": options["mode"],
            "bootable": False,
            "empty": False,
            "other_config": {},
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
        }
    )
