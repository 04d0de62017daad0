# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.ansible import run_module
from tests.support.golden import Golden, make_golden
from tests.support.lab import Lab, new_lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A fresh lab without guests."""
    with new_lab() as lab:
        yield lab


@pytest.fixture
def golden(lab: Lab) -> Golden:
    """A sealed, halted golden VM called noble-golden."""
    return make_golden(lab)


@pytest.fixture
def master(lab: Lab, golden: Golden) -> dict[str, object]:
    """noble:1, published from it; what the module returned."""
    result = run_module(lab, "master_image", name="noble", golden_vm=golden.name)
    assert not result.failed, result.msg
    return result["master_image"]
