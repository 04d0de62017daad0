# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between us and XAPI, in plain words."""

from __future__ import annotations

from typing import Sequence

from .words import explain


class XapiError(Exception):
    """Base of all errors of this package; the text is one sentence for people."""


class Unreachable(XapiError):
    """No conversation was possible: refused, timed out, certificate not accepted, no XAPI there."""


class LoginRefused(Unreachable):
    """XAPI does not accept user and password: never tried again."""


class UnknownResult(XapiError):
    """Whether a call that writes was carried out is not known: only a look at the world can tell."""


class ConnectionLost(UnknownResult):
    """The connection broke during a call that writes."""


class TaskLost(UnknownResult):
    """XAPI has forgotten the task of an asynchronous call."""


class WriteRefused(XapiError):
    """A call that writes was tried on a read-only client: a defect of ours, never of the user's."""


class TaskTimeout(XapiError):
    """A task did not end in the time that it was given."""


class ApiFailure(XapiError):
    """XAPI refused or failed a call. ``code`` is its error code, ``params`` the rest of its answer."""

    def __init__(self, call: str, details: Sequence[str]) -> None:
        self.call = call
        self.code = details[0] if details else "UNKNOWN"
        self.params = tuple(details[1:])
        super().__init__(f"{explain(self.code, self.params)} ({self.code} from {call})")
