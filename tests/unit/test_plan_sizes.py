# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.sizes import GIB, KIB, MIB, parse_size, show_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1 GiB", GIB),
        ("512MiB", 512 * MIB),
        ("2G", 2 * GIB),
        ("1.5 gib", 3 * GIB // 2),
        (" 4 KB ", 4 * KIB),
        ("1 T", 1 << 40),
    ],
)
def test_sizes_are_binary_with_any_usual_spelling(text: str, size: int) -> None:
    assert parse_size(text, "overlay.size") == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "big",
        "1073741824",
        "1",
        "-1 GiB",
        "1 GiB extra",
        "1e3 G",
        "GiB",
        "0 GiB",
        "0.0001 KiB",
        "1,5 GiB",
        "1 PiB",
        "nan G",
    ],
)
def test_what_is_no_size_is_refused_by_the_options_name(text: str) -> None:
    with pytest.raises(Refused, match=r"^overlay\.size: .+\.$"):
        parse_size(text, "overlay.size")


@given(st.integers(0, 1 << 60))
def test_shown_sizes_are_true_to_a_twentieth(size: int) -> None:
    text = show_size(size)
    if text.endswith("bytes"):
        assert text == f"{size} bytes"
    else:
        assert abs(parse_size(text, "x") - size) <= size / 20
