# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for a boot report: what ends it, and what is told of it."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.upgrade import NotMoved
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.upgrade_end import await_end
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.boot_report import REPORT_KEY
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.upgrade_changes import FinishMove

INSTANCE: Any = SimpleNamespace(vm=SimpleNamespace(ref="vm"), overlay=None)
GOAL = FinishMove("seven", "noble:7", is_back=False)


def seen(power_state: str = "Running", report: str = "") -> dict[str, Any]:
    return {"power_state": power_state, "xenstore_data": {REPORT_KEY: report} if report else {}}


def site(*snapshots: dict[str, Any] | None, patience: float = 60.0) -> Any:
    """A worksite where events tell of these states of the VM, one at a time; what is written is noted."""
    left, written = list(snapshots), list[str]()

    def read(method: str, *_params: Any) -> Any:
        if method == "event.from":
            return {"token": "t", "events": [{"snapshot": left.pop(0)}] if left else []}
        return {"VM.get_VBDs": [], "VM.get_other_config": {"skinnybox:upgrading": "seven"}}.get(method, {})

    client = SimpleNamespace(read=read, stopping=threading.Event(), generation=0)
    return SimpleNamespace(
        client=client,
        read=read,
        patience=patience,
        done=lambda _step: None,
        repeat=lambda method, *params: written.append(" ".join((method, *map(str, params)))),
        written=written,
    )


def test_it_runs_and_the_move_is_over() -> None:
    here = site(seen(), seen(report="state=running;master=seven"))
    await_end(here, INSTANCE, GOAL)
    assert here.written == ["VM.remove_from_other_config vm skinnybox:upgrading"]


CASES: list[tuple[list[dict[str, Any] | None], float, str]] = [
    ([seen(), seen("Halted")], 60.0, "it switched itself off while booting; look at its console"),
    ([seen(), None], 60.0, "it switched itself off while booting"),
    ([seen()], 0.0, "its guest has reported nothing within 0 seconds; look at its console"),
    ([seen(report="state=failed;code=rebase;reason=no room"), seen("Halted")], 60.0, "no room (rebase). "),
    (
        [seen(report="state=degraded;reason=no overlay")],
        60.0,
        "it runs without its overlay and keeps nothing: no overlay.",
    ),
    ([seen(report="state=running;master=six")], 60.0, "it has come up from another version."),
    ([seen(report="state=failed;reason=a\nb\x1b[2J")], 0.0, "noble:7 did not boot: a b [2J"),
    ([seen(report="state=failed")], 0.0, "noble:7 did not boot: failed"),
]


@pytest.mark.parametrize(("snapshots", "patience", "sentence"), CASES, ids=[case[2][:30] for case in CASES])
def test_it_does_not_and_why(snapshots: list[dict[str, Any] | None], patience: float, sentence: str) -> None:
    here = site(*snapshots, patience=patience)
    with pytest.raises(NotMoved) as failure:
        await_end(here, INSTANCE, GOAL)
    assert sentence in f"{failure.value}. {failure.value.left}"
    assert here.written == []
