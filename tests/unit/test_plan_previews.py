# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Previews of many instances as one answer."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.skinnybox.xenserver.plugins.filter.rebase_summary import rebase_summary


def preview(*decisions: tuple[str, str, str], fits: bool = True) -> dict[str, Any]:
    keys = ("severity", "path", "reason")
    told = [{**dict(zip(keys, decision, strict=True)), "rule": "conflict"} for decision in decisions]
    return {"decisions": told, "fits": fits, "grow_by": 0 if fits else 1 << 24}


SSHD = ("conflict", "/etc/ssh/sshd_config", "changed on both sides")


def test_clean_instances_are_counted_and_the_others_explained() -> None:
    previews = {f"web-{number:03}": preview() for number in range(1, 38)}
    previews |= {
        "web-038": preview(SSHD),
        "web-040": preview(SSHD, ("danger", "/opt/x", "stale")),
        "web-039": preview(SSHD),
    }
    summary = rebase_summary(previews)
    assert summary["clean"] == [f"web-{number:03}" for number in range(1, 38)]
    assert summary["look"] == ["web-038", "web-039", "web-040"]
    assert summary["text"] == (
        "37 of 40 clean, 3 need a look, here is why:\n"
        "  danger    /opt/x: stale (web-040)\n"
        "  conflict  /etc/ssh/sshd_config: changed on both sides (web-038, web-039, web-040)\n"
    )
    assert summary["reasons"][1] == {
        "severity": "conflict",
        "path": "/etc/ssh/sshd_config",
        "reason": "changed on both sides",
        "instances": ["web-038", "web-039", "web-040"],
    }


def test_many_instances_are_counted() -> None:
    text = rebase_summary({f"i{number}": preview(SSHD) for number in range(8)})["text"]
    assert "(i0, i1, i2, i3, i4 and 3 more)" in text


def test_failures_and_full_disks_come_first() -> None:
    failed = {"failed": True, "msg": "no manifest"}
    summary = rebase_summary({"a": preview(SSHD), "b": preview(fits=False), "c": failed, "d": {"unreachable": True}})
    assert [row["severity"] for row in summary["reasons"]] == ["failed", "failed", "space", "conflict"]
    assert "4 need a look" in summary["text"]


def test_nothing_to_look_at() -> None:
    assert rebase_summary({"a": preview(), "b": preview(("note", "/x", "dropped"))})["text"] == "2 of 2 clean.\n"


@pytest.mark.parametrize("bad", [[], {"a": 1}, {"a": {"changed": False}}])
def test_what_is_no_preview_is_refused(bad: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="rebase_summary"):
        rebase_summary(bad)
