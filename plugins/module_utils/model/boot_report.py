# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the boot hook of an instance reports to the hypervisor, in one key of ``VM.xenstore_data``. Pure.

The guest writes it, so it is not to be trusted. It stays when the VM halts: whoever waits for the next boot's report
removes it before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping, Union

REPORT_KEY = "vm-data/skinnybox/report"

#: Characters of a reason that people are shown.
_LONGEST = 1000

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")


def guest_report(text: str) -> dict[str, str]:
    """The words of a report: ``key=value``, separated by semicolons."""
    words = (word.partition("=") for word in text.split(";") if "=" in word)
    return {key.strip(): value.strip() for key, _equals, value in words}


@dataclass(frozen=True)
class BootReport:
    """How a boot ended; empty values when there is no report."""

    values: Mapping[str, str]

    @property
    def state(self) -> str:
        """``running``, ``degraded`` (nothing is kept), ``failed``, or empty."""
        return self.values.get("state", "")

    def is_running_on(self, master_id: str) -> bool:
        """Whether the instance has come up from this master version."""
        return self.state == "running" and self.values.get("master") == master_id

    @property
    def reason(self) -> str:
        """Why the boot failed, as a sentence without its period; empty when the guest does not say."""
        reason = _shown(self.values.get("reason") or self.values.get("message") or "").rstrip(".")
        code = _shown(self.values.get("code", ""))
        return f"{reason or 'it does not say why'} ({code})" if code else reason

    def trouble(self, master_id: str) -> str:
        """Why the instance has not come up from this master version, without a period; empty when it has."""
        if self.is_running_on(master_id):
            return ""
        if self.state == "running":
            return "it has come up from another version"
        if self.state == "degraded":
            return f"it runs without its overlay and keeps nothing{': ' if self.reason else ''}{self.reason}"
        return self.reason or self.state

    def as_data(self) -> dict[str, Union[str, int, float]]:
        """The report as plain data, with numbers as numbers."""
        return {key: _number(value) for key, value in self.values.items()}


def boot_report(xenstore_data: Mapping[str, str]) -> BootReport:
    """The report that is there, of the boot under way or the last one."""
    return BootReport(guest_report(xenstore_data.get(REPORT_KEY, "")))


def _shown(text: str) -> str:
    """What the guest says, fit for a message."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST])


def _number(text: str) -> Union[str, int, float]:
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)
