# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-ins for guests in a lab that has none: each VM that starts does what its boot hook would, in a moment.

What a hook knows is all that they look at: which root and which CD the VM has, the layers on its overlay, the keys that
the hypervisor gives it. They report as a hook does, or refuse and switch the VM off.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import XenAPI

from .lab import PASSWORD, Lab

KEY = "vm-data/skinnybox/"
Record = dict[str, Any]


class Refusal(Exception):
    """The guest does not come up: a code and a reason."""


@dataclass
class Guests:
    """What the guests of a lab have on their overlays, and which of them misbehave."""

    lab: Lab
    #: by uuid of the overlay disk: by master id, the request for which the layer was built; empty for none
    layers: dict[str, dict[str, str]] = field(default_factory=dict)
    #: master ids from which nobody comes up, with the reason
    broken: dict[str, str] = field(default_factory=dict)
    #: master ids from which guests come up and report nothing
    silent: set[str] = field(default_factory=set)
    #: how often each layer was built, by overlay and master id
    built: list[tuple[str, str]] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._up: set[str] = set()
        session = XenAPI.Session(self.lab.url)
        session.xenapi.login_with_password("root", PASSWORD, "1.0", "guests")
        self.xapi = session.xenapi
        self._thread = threading.Thread(target=self._follow, name="guests", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End them; raises what went wrong in them."""
        self._ended.set()
        self._thread.join()
        if self.errors:
            raise self.errors[0]

    def _follow(self) -> None:
        token = ""
        try:
            while not self._ended.is_set():
                batch = self.xapi.event.__getattr__("from")(["vm"], token, 0.3)
                token = batch["token"]
                for event in batch["events"]:
                    if event.get("snapshot"):
                        self._see(event["ref"], event["snapshot"])
        except BaseException as error:
            self.errors.append(error)

    def _see(self, vm: str, record: Record) -> None:
        """Boot a VM that was seen halted, or whose report was removed: both may be too quick to be seen."""
        if record["other_config"].get("skinnybox:kind") != "instance" or record["is_a_template"]:
            return
        if record["power_state"] != "Running":
            self._up.discard(vm)
        elif vm not in self._up or KEY + "report" not in record["xenstore_data"]:
            self._up.add(vm)
            # It may be gone again, at the hands of a test.
            with suppress(XenAPI.Failure):
                self._boot(vm, record)

    def _boot(self, vm: str, record: Record) -> None:
        disks = self._disks(record)
        root, boot, overlay = (disks.get(position) for position in ("0", "3", "1"))
        assert root and boot and overlay, f"{record['name_label']} was started without all its disks"
        master_id = root["other_config"]["skinnybox:master_id"]
        kernel = boot["other_config"]["skinnybox:master_id"]
        assert kernel == master_id, f"{record['name_label']} was started with another version's kernel"
        try:
            if master_id in self.broken:
                raise Refusal("rebase", self.broken[master_id])
            how = self._layer(master_id, overlay, record["xenstore_data"], disks)
        except Refusal as refusal:
            code, reason = refusal.args
            self._report(vm, f"state=failed;master={master_id};code={code};reason={reason}")
            self.xapi.VM.hard_shutdown(vm)
            return
        if master_id not in self.silent:
            self._report(vm, f"state=running;master={master_id};layer={how};kept=3;merged=1;conflicts=0;seconds=0.5")

    def _layer(self, master_id: str, overlay: Record, keys: dict[str, str], disks: dict[str, Record]) -> str:
        """Choose or build the layer for a version; how that went, as the report has it."""
        if overlay["on_boot"] == "reset":
            self.layers.pop(overlay["uuid"], None)
        layers = self.layers.setdefault(overlay["uuid"], {})
        policy, base = keys.get(KEY + "new_layer", ""), keys.get(KEY + "rebase_from", "")
        request = keys.get(KEY + "rebase_request", "")
        is_other = policy == "rebase" and base != master_id and layers.get(master_id) != request
        if master_id in layers and not is_other:
            return "kept"
        if policy == "fail" or (policy not in ("rebase", "create") and layers):
            raise Refusal("no-layer", f"there is no layer of master {master_id}")
        how = "new"
        if policy == "rebase" and layers:
            roots = [disk["other_config"].get("skinnybox:master_id") for place, disk in disks.items() if place > "3"]
            if base not in layers or base not in roots:
                raise Refusal("rebase-base", f"the layer or the root of {base} is missing")
            how = "rebased"
        layers[master_id] = request
        self.built.append((overlay["uuid"], master_id))
        return how

    def _disks(self, record: Record) -> dict[str, Record]:
        """A VM's disks by position; those of a master must be read-only."""
        found = {}
        for ref in record["VBDs"]:
            vbd = self.xapi.VBD.get_record(ref)
            disk = found[vbd["userdevice"]] = self.xapi.VDI.get_record(vbd["VDI"])
            assert vbd["mode"] == "RO" or disk["other_config"].get("skinnybox:kind") not in ("root", "boot")
        return found

    def _report(self, vm: str, text: str) -> None:
        self.xapi.VM.remove_from_xenstore_data(vm, KEY + "report")
        self.xapi.VM.add_to_xenstore_data(vm, KEY + "report", text)


@contextmanager
def guests_of(lab: Lab) -> Iterator[Guests]:
    """Guests for all VMs that start meanwhile."""
    guests = Guests(lab)
    try:
        yield guests
    finally:
        guests.close()
