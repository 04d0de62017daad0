# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.identity import check_hostname
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.naming import (
    check_template,
    free_numbers,
    instance_name,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused


def test_the_default_pads_numbers() -> None:
    assert instance_name("{pool}-{number:03d}", "web", 7) == "web-007"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{pool}", "gives every instance the same name"),
        ("web", "gives every instance the same name"),
        ("{pool}-{index}", "may use only"),
        ("{pool}-{number", "may use only"),
        ("{}-{number}", "may use only"),
        ("{number.real.x}", "may use only"),
        ("{pool:d}-{number}", "may use only"),
        ("{pool}_{number}", "is no hostname"),
        ("-{pool}-{number}", "is no hostname"),
        ("{pool}-{number}\n", "is no hostname"),
        ("{pool}-{number} ", "is no hostname"),
        ("Web-{number}", "is no hostname"),
        ("x" * 64 + "{number}", "is no hostname"),
        ("{pool}..{number}", "is no hostname"),
    ],
)
def test_bad_templates(template: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        check_template(template, "web")


@given(st.text(alphabet="abz09-._{}\n A", max_size=70))
def test_what_naming_accepts_the_seed_accepts(text: str) -> None:
    """A name that only the seed refuses would be refused after the first write."""
    try:
        name = instance_name(text.replace("{", "{{").replace("}", "}}") + "{number}", "web", 1)
    except Refused:
        return
    check_hostname(name)


@given(st.sets(st.integers(1, 30)))
def test_the_lowest_free_numbers_come_first(used: set[int]) -> None:
    found = list(itertools.islice(free_numbers(used), 10))
    assert found == sorted(set(range(1, 50)) - used)[:10]
