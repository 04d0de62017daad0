# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as text for people. Pure."""

from __future__ import annotations

from .actions import Action, VmPoolPlan
from .sizes import show_size
from .storage import Space, total


def plan_lines(*plans: VmPoolPlan) -> list[str]:
    """For each VM pool a headline and a line an action; then one summary of all."""
    lines = []
    for plan in plans:
        lines.append(headline(plan))
        width = max((len(action.name) for action in plan.actions), default=0)
        lines += [f"  {action.sign} {action.name:<{width}}  {action.text()}" for action in plan.actions]
    return [*lines, summary([action for plan in plans for action in plan.actions])]


def headline(plan: VmPoolPlan) -> str:
    """``london / web: 38 of 40 instances, master noble:7``."""
    of_pool = f"{plan.host_pool} / {plan.vm_pool}"
    if plan.spec is None:
        return f"{of_pool}: {plan.present} instances"
    master = plan.master.title if plan.master else str(plan.spec.master)
    return f"{of_pool}: {plan.present} of {plan.spec.size} instances, master {master}"


def summary(actions: list[Action]) -> str:
    """``Plan: 2 to create, 0 to change, 1 to remove. Disk: … Restarts: 1.``, or that nothing is to be done."""
    if not actions:
        return "Plan: nothing to do."

    def count(sign: str) -> int:
        return sum(action.sign == sign for action in actions)

    parts = [f"{count('+')} to create", f"{count('~')} to change", f"{count('-')} to remove"]
    if needs_you := count("!"):
        parts.append(f"{needs_you} needs you" if needs_you == 1 else f"{needs_you} need you")
    sentences = ["Plan: " + ", ".join(parts) + "."]
    if spaces := space_by_sr(actions):
        sentences.append(_disk(spaces))
    if restarts := sum(action.downtime == "restart" for action in actions):
        sentences.append(f"Restarts: {restarts}.")
    return " ".join(sentences)


def space_by_sr(actions: list[Action]) -> list[Space]:
    """What all actions allocate together, by the SR's name."""
    found = total(space for action in actions for space in action.space())
    return sorted(found, key=lambda space: (space.sr.name, space.sr.uuid))


def _disk(spaces: list[Space]) -> str:
    """``Disk: 48 MiB now, 2 GiB at most (Local SSD 1: 16 MiB, 1 GiB; …).``; whoever has one SR knows which."""
    now, at_most = sum(space.now for space in spaces), sum(space.at_most for space in spaces)
    parts = [f"{one.sr.name}: {show_size(one.now)}, {show_size(one.at_most)}" for one in spaces]
    by_sr = f" ({'; '.join(parts)})" if len(parts) > 1 else ""
    return f"Disk: {show_size(now)} now, {show_size(at_most)} at most{by_sr}."
