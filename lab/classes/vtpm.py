# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VTPM: trusted platform modules of VMs; what they hold is kept in a secret."""

from __future__ import annotations

import base64
import binascii

from lab.classes import vm_lifecycle as lifecycle
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call

#: The key by which a secret says whose contents it has.
OWNER = "VTPM"


@implements("VTPM.create")
async def create(call: Call, vm: str, is_unique: bool) -> str:
    """A VM has one at most, made while it is halted."""
    async with lifecycle.hold(call, vm, "create_vtpm"):
        vtpm = call.db.create("VTPM", {"VM": vm, "is_unique": is_unique})
        call.db.create("secret", {"value": "", "other_config": {OWNER: vtpm}})
    lifecycle.refresh(call.world, vm)
    return vtpm


@implements("VTPM.destroy")
def destroy(call: Call, vtpm: str) -> None:
    vm = call.db.get("VM", call.db.get("VTPM", vtpm)["VM"])
    if vm["power_state"] != "Halted":
        raise lifecycle.bad_power_state(vm, ("Halted",))
    remove(call, vtpm)
    lifecycle.refresh(call.world, vm.ref)


def remove(call: Call, vtpm: str) -> None:
    """Remove the module and its secret."""
    call.db.delete("secret", _secret(call, vtpm).ref)
    call.db.delete("VTPM", vtpm)


def copy(call: Call, vtpm: str, vm: str) -> None:
    """Give a VM a module with the same contents."""
    new = call.db.create("VTPM", {"VM": vm, "is_unique": call.db.get("VTPM", vtpm)["is_unique"]})
    call.db.create("secret", {"value": _secret(call, vtpm)["value"], "other_config": {OWNER: new}})


def _secret(call: Call, vtpm: str) -> Record:
    call.db.get("VTPM", vtpm)
    return next(secret for secret in call.db.all("secret") if secret["other_config"].get(OWNER) == vtpm)


@implements("VTPM.get_contents")
def get_contents(call: Call, vtpm: str) -> str:
    return str(_secret(call, vtpm)["value"])


@implements("VTPM.set_contents")
def set_contents(call: Call, vtpm: str, contents: str) -> None:
    """The contents are base64 text."""
    try:
        base64.b64decode(contents, validate=True)
    except binascii.Error as error:
        raise Failure("INVALID_VALUE", "contents", "[omitted]") from error
    call.db.set("secret", _secret(call, vtpm).ref, value=contents)
