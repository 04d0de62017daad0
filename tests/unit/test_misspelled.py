# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of the command line that nobody would miss, but for whom they were meant."""

from __future__ import annotations

import pytest

from ansible_collections.skinnybox.xenserver.plugins.lookup.misspelled import misspelled

KNOWN = ["pool", "instance", "to", "force", "preflight", "rollout"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["pool", "instance", "to"], {}),
        (["polo"], {"polo": "pool"}),
        (["pool", "instances"], {"instances": "instance"}),
        (["instnace", "forse"], {"instnace": "instance", "forse": "force"}),
        (["preflght", "rolout", "vm_pool"], {"preflght": "preflight", "rolout": "rollout", "vm_pool": "pool"}),
        (["ansible_user", "xenserver_password", "colour", "ports", "host", "pool_of_threads"], {}),
    ],
)
def test_names_that_are_much_alike(given: list[str], found: dict[str, str]) -> None:
    assert misspelled(given, KNOWN) == found
