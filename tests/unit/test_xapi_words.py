# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""XAPI's errors as people read them."""

from __future__ import annotations

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.errors import ApiFailure
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.words import explain
from tests.support.failures import ALL, Error


@pytest.mark.parametrize(
    ("code", "params", "words"),
    [
        ("SR_FULL", [], "the SR is full"),
        (
            "VM_BAD_POWER_STATE",
            ["OpaqueRef:1", "halted", "running"],
            "the VM's power state forbids it: it is running, it must be halted",
        ),
        ("VM_BAD_POWER_STATE", [], "the VM's power state forbids it"),
        ("VDI_IN_USE", [], "the disk is in use"),
        ("VDI_IN_USE", ["OpaqueRef:1"], "the disk is in use"),
        ("VDI_IN_USE", ["OpaqueRef:1", "destroy"], "the disk is in use, which forbids destroy"),
        ("SR_BACKEND_FAILURE_80", ["", "", ""], "the storage manager could not delete the disk"),
        ("SR_BACKEND_FAILURE_16000", ["", "it burns", ""], "the SR's storage manager failed: it burns"),
        (
            "VM_LACKS_FEATURE_SUSPEND",
            ["OpaqueRef:1"],
            "the VM's guest tools do not support it (do they run?)",
        ),
        ("SOMETHING_NEW", ["a", "", "OpaqueRef:1", "b"], "XAPI answered SOMETHING_NEW: a, b"),
        ("SOMETHING_NEW", [], "XAPI answered SOMETHING_NEW"),
    ],
)
def test_a_code_in_plain_words(code: str, params: list[str], words: str) -> None:
    assert explain(code, params) == words


@pytest.mark.parametrize("error", sorted(ALL), ids=lambda error: error[0])
def test_every_error_has_words_of_its_own(error: Error) -> None:
    """With its parameters, and when an older or newer XAPI leaves them out; no reference, no gap."""
    for params in (error[1:], ()):
        words = explain(error[0], params)
        assert error[0] not in words
        assert "OpaqueRef" not in words
        assert not set("{}|") & set(words)
        assert words == words.strip(" :,")


def test_a_failure_names_words_code_and_call() -> None:
    failure = ApiFailure("VM.start", ["HOST_OFFLINE", "x"])
    assert str(failure) == "the host is offline (HOST_OFFLINE from VM.start)"
    assert (failure.code, failure.params) == ("HOST_OFFLINE", ("x",))
