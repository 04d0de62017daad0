# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role overlayroot on a running golden VM."""

from __future__ import annotations

from tests.guests.conftest import Preparation


def test_check_mode_announces_changes_and_makes_none(preparation: Preparation) -> None:
    assert preparation.check.status == 0, preparation.check.output
    assert preparation.check.recap["golden"]["changed"] > 0
    assert "/usr/lib/skinnybox\n" not in preparation.after_check


def test_the_role_works(preparation: Preparation) -> None:
    assert preparation.first.status == 0, preparation.first.output
    assert preparation.first.recap["golden"]["changed"] > 0


def test_a_second_run_changes_nothing(preparation: Preparation) -> None:
    assert preparation.second.status == 0, preparation.second.output
    assert preparation.second.recap["golden"]["changed"] == 0
