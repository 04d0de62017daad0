# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XAPI tasks of our own making, which XenCenter, Xen Orchestra and xe show. A killed run leaves them pending."""

from __future__ import annotations

from contextlib import suppress

from ..xapi.client import Client
from ..xapi.errors import ConnectionLost, XapiError

_PREFIX = "Skinnybox: "


def own_task(title: str, doing: str = "") -> str:
    """The name of a task of ours, such as ``Skinnybox: VM pool web: upload``."""
    return f"{_PREFIX}{title}: {doing}" if doing else _PREFIX + title


def _end_task(client: Client, task: str) -> None:
    """End and destroy a task of ours. That it cannot be done hurts nobody: XAPI forgets such tasks after a day."""
    with suppress(XapiError):
        # Destroyed while it is pending it would only be marked.
        for call in (("task.set_status", task, "success"), ("task.destroy", task)):
            try:
                client.call(*call)
            except ConnectionLost:
                client.call(*call)


def end_left_tasks(client: Client, title: str) -> None:
    """End the tasks of this title that are left, by us or by a killed run. Only for who holds the lock of the title."""
    with suppress(XapiError):
        for ref, record in client.read("task.get_all_records").items():
            name = record["name_label"]
            if name == own_task(title) or name.startswith(own_task(title) + ": "):
                _end_task(client, ref)
