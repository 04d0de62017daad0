# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role overlayroot on a running golden VM."""

from __future__ import annotations

from tests.guests.conftest import Preparation, Published


def test_check_mode_announces_changes_and_makes_none(preparation: Preparation) -> None:
    assert preparation.check.status == 0, preparation.check.output
    assert preparation.check.recap["golden"]["changed"] > 0
    assert "/usr/lib/skinnybox\n" not in preparation.after_check


def test_the_role_works(preparation: Preparation) -> None:
    assert preparation.run.status == 0, preparation.run.output
    assert preparation.run.recap["golden"]["changed"] > 0


def test_a_second_run_changes_nothing(master: Published) -> None:
    """Playbook seal runs the role again, before role seal."""
    assert "TASK [skinnybox.xenserver.overlayroot : Build the initramfs of the boot CD]" in master.sealed.output
    assert master.sealed.changes == [
        # role seal's own tools: had role overlayroot installed anything, the task would be here twice
        "skinnybox.xenserver.guest_files : Install the files",
        "skinnybox.xenserver.seal : Write master id, manifest and boot CD",
        "skinnybox.xenserver.seal : Shut down",
    ], master.sealed.output
