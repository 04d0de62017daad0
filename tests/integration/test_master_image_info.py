# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module master_image_info against a lab."""

from __future__ import annotations

from tests.support.ansible import run_module
from tests.support.golden import Golden, seal_again
from tests.support.lab import Lab


def test_versions_in_the_words_of_master_image(lab: Lab, golden: Golden) -> None:
    assert run_module(lab, "master_image_info")["master_images"] == []
    first = run_module(lab, "master_image", name="noble", golden_vm="noble-golden")["master_image"]
    seal_again(lab, golden)
    run_module(lab, "master_image", name="noble", golden_vm="noble-golden")
    run_module(lab, "vm_pool", name="web", size=1, master="noble")
    lab.reset_calls()
    result = run_module(lab, "master_image_info")
    assert lab.writes() == []
    assert lab.calls()["total"] <= 15
    assert [(v["version"], v["promoted"], v["instances"]) for v in result["master_images"]] == [
        (1, True, ["web-001"]),
        (2, False, []),
    ]
    assert {**result["master_images"][0], "instances": []} == first
    assert run_module(lab, "master_image_info", name="jammy")["master_images"] == []
    query = "master_images[?promoted].version"
    assert run_module(lab, "master_image_info", name="noble", query=query)["result"] == [1]
