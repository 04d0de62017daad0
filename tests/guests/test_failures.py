# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An instance without its own healthy overlay disk does not boot: it says why, and powers itself off."""

from __future__ import annotations

import os
import urllib.parse
import urllib.request
from collections.abc import Callable

import pytest

from tests.guests.guest_lab import GuestLab
from tests.support.golden import import_disk
from tools.xapi_client import attach

MIB = 1 << 20
OVERLAY = "1"


def missing(lab: GuestLab, vm: str, other: str) -> None:
    """No overlay disk at all."""
    lab.detach(vm, OVERLAY)


def blank(lab: GuestLab, vm: str, other: str) -> None:
    """A new disk where the overlay should be."""
    lab.detach(vm, OVERLAY)
    attach(lab.xapi, vm, import_disk(lab, "blank", bytes(MIB), size=256 * MIB), OVERLAY)


def foreign(lab: GuestLab, vm: str, other: str) -> None:
    """The overlay of another instance."""
    lab.detach(vm, OVERLAY)
    attach(lab.xapi, vm, lab.disk(other, OVERLAY), OVERLAY)


def corrupt(lab: GuestLab, vm: str, other: str) -> None:
    """The right disk, with noise in its inodes."""
    damaged = import_disk(lab, "damaged", damaged_copy(lab, lab.disk(vm, OVERLAY)))
    lab.detach(vm, OVERLAY)
    attach(lab.xapi, vm, damaged, OVERLAY)


def damaged_copy(lab: GuestLab, vdi: str) -> bytes:
    """The start of an overlay disk, with the inode table, which follows the superblock, overwritten from its end."""
    query = urllib.parse.urlencode({"session_id": lab.session.handle, "vdi": vdi, "format": "raw"})
    with urllib.request.urlopen(f"{lab.url}/export_raw_vdi?{query}", timeout=60) as answer:
        content = bytearray(answer.read(32 * MIB))
    content[64 << 10 : 128 << 10] = os.urandom(64 << 10)
    return bytes(content)


SPOILERS: dict[str, Callable[[GuestLab, str, str], None]] = {
    function.__name__: function for function in (missing, blank, foreign, corrupt)
}


@pytest.fixture(scope="module")
def failed(lab: GuestLab, pool: list[str]) -> dict[str, str]:
    """Kind of failure -> VM that was started with it and has powered itself off."""
    # The last instance lends its overlay and never runs.
    victims = dict(zip(SPOILERS, pool[-1 - len(SPOILERS) : -1], strict=True))
    for kind, vm in victims.items():
        SPOILERS[kind](lab, vm, pool[-1])

    # Two at a time: more would make each as much slower.
    vms = list(victims.values())
    for pair in (vms[:2], vms[2:]):
        for vm in pair:
            lab.start(vm)
        for vm in pair:
            lab.wait_until_halted(vm)
    return victims


@pytest.mark.parametrize("kind", SPOILERS)
def test_the_reason_is_on_the_console_and_with_the_hypervisor(lab: GuestLab, failed: dict[str, str], kind: str) -> None:
    vm = failed[kind]
    assert f"skinnybox: FATAL {kind}: " in lab.console(vm)
    assert lab.report(vm)["state"] == "failed"
    assert lab.report(vm)["code"] == kind
    assert "overlay disk" in lab.report(vm)["reason"]
    assert "login:" not in lab.console(vm).partition("FATAL")[2]
