# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as text for people. Pure."""
from __future__ import annotations

from .actions import Attention, Create, Reattach, Remove, RemoveOverlay, Start, Stop, Tidy, VmPoolPlan
from .sizes import show_size


def plan_lines(plan: VmPoolPlan) -> list[str]:
    """A headline, a line an action, a summary."""
    if plan.spec is None:
        headline = f"{plan.host_pool} / {plan.vm_pool}: {plan.present} instances, to be removed"
    else:
        master = plan.master.title if plan.master else str(plan.spec.master)
        headline = (
            f"{plan.host_pool} / {plan.vm_pool}: {plan.present} of {plan.spec.size} instances, master {master}"
        )
    width = max((len(action.name) for action in plan.actions), default=0)
    lines = [f"  {action.sign} {action.name:<{width}}  {action.text()}" for action in plan.actions]
    return [headline, *lines, summary(plan)]


def summary(plan: VmPoolPlan) -> str:
    """``Plan: 2 to create, 0 to change, 1 to remove. Disk: …``, or that nothing is to be done."""
    if not plan.actions:
        return "Plan: nothing to do."

    def count(*kinds: type) -> int:
        return sum(isinstance(action, kinds) for action in plan.actions)

    parts = [
        f"{count(Create)} to create",
        f"{count(Reattach, Start, Stop)} to change",
        f"{count(Remove, RemoveOverlay, Tidy)} to remove",
    ]
    if needs_you := count(Attention):
        parts.append(f"{needs_you} needs you" if needs_you == 1 else f"{needs_you} need you")
    text = "Plan: " + ", ".join(parts) + "."
    made = [action for action in plan.actions if isinstance(action, Create)]
    if most := sum(create.bytes_at_most for create in made):
        now = sum(create.bytes_now for create in made)
        text += f" Disk: {show_size(now)} now, {show_size(most)} at most."
    return text
