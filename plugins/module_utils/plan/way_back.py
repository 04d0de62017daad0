# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where instances go back to, of what is told of them (see model.facts). Versions are titles: ``noble:7``. Pure."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

Facts = Mapping[str, Any]


def title_of(instance: Facts) -> str:
    """The version that an instance is on."""
    return f"{instance['master']}:{instance['version']}"


def way_back(instance: Facts) -> str:
    """The version that a rollback takes it to; empty when there is none.

    An instance in the middle of an upgrade goes back to where it comes from, one in the middle of a rollback goes on.
    One that a killed run had only shut down is still on its version, where it is started again; one that is there at
    the end of a rollback, with nowhere to go from there, has that finished.
    """
    title, goal, previous = title_of(instance), instance["moving_to"], instance["previous"]
    if goal and goal != title:
        return goal if goal in previous else title
    if not goal and instance["restarting"] and instance["power_state"] == "Halted":
        return title
    return previous[0] if previous else goal or ""


def going_back(instances: Iterable[Facts], to: str | None) -> dict[str, Any]:
    """Which of these instances go back, each with its ``way_back``, and which of them cannot.

    With ``to``, those which are there already do not move; ``stuck`` has where the others can go back to, by name.
    Without it, those which have nowhere to go back to stay where they are.
    """
    moving: list[dict[str, Any]] = []
    stuck: dict[str, list[str]] = {}
    for instance in instances:
        back, is_there = way_back(instance), to == title_of(instance)
        if to is None or to == back:
            moving += [{**instance, "way_back": back}] if back else []
        elif to in instance["previous"] and not is_there:
            moving.append({**instance, "way_back": to})
        elif not is_there or instance["moving_to"]:
            stuck[instance["name"]] = list(instance["previous"])
    return {"moving": moving, "stuck": stuck}
