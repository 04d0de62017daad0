# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layers of an instance, as they lie on its overlay disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.test_overlay_layer import OLD, OLDER, make_layers
from tests.support.guest import MASTER_ID
from tests.support.mounts import why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


def test_what_is_there(tmp_path: Path) -> None:
    done = make_layers(tmp_path).run("overlay_layer_info")
    layers = {layer["master_id"]: layer for layer in done["layers"]}
    assert [layers[name]["current"] for name in (MASTER_ID, OLD, OLDER)] == [True, False, False]
    assert (layers[MASTER_ID]["rebased_from"], layers[MASTER_ID]["rebase_request"]) == (OLD, "r-1")
    assert (layers[OLD]["rebased"], layers[OLD]["files"]) == (None, 3)
    assert layers[OLD]["bytes"] >= 100_000
    assert list(done["leftovers"]) == ["33f2a7f0-51b1-4d2f-9f3e-1d7e2d9f6a04.new"]
    assert not done["changed"]
