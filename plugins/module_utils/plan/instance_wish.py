# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for of one instance, out of a module's options."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping

from ..model.identity import check_hostname
from .declaration import parse_vm_pool
from .refusal import Refused
from .spec import VmPoolSpec


@dataclass(frozen=True)
class InstanceWish:
    """An instance by its name, the state that it is to be in, and what is given of how it is to be."""

    name: str
    pool: str | None
    state: str  # present, absent, started, stopped, restarted, rebuilt, upgraded, rolled_back, committed
    spec: VmPoolSpec  # of a VM pool that has only this instance; its name, size and master are not to be used
    has_master: bool
    has_swap: bool
    has_overlay_size: bool
    has_on_boot: bool
    force: bool = False
    when: str = "now"  # or next_restart: when an upgrade takes place
    wait: bool = False  # for guests that are started


def parse_instance(options: Mapping[str, Any]) -> InstanceWish:
    """Check the options of module instance and make a wish of them. Raises Refused."""
    name, state = options["name"], options["state"]
    try:
        check_hostname(name)
    except ValueError as problem:
        raise Refused(f"name: {problem}") from None
    words = (
        "hardware",
        "hardware_profiles",
        "networks",
        "disks",
        "overlay",
        "swap",
        "authorized_keys",
        "instance_name",
    )
    given = {word: options[word] for word in (*words, "master") if options.get(word) is not None}
    if state == "absent" and (idle := sorted(set(given) - {"hardware_profiles", "instance_name"})):
        raise Refused(f"{', '.join(idle)}: no use with state absent.")
    _check_move(options, set(given) - {"hardware_profiles", "instance_name"})
    overlay = given.get("overlay") or {}
    spec = parse_vm_pool({"name": options.get("pool") or "any", "size": 1, "master": "any", **given})
    spec = replace(spec, allow_restart=bool(options.get("allow_restart")) or state in ("restarted", "rebuilt"))
    return InstanceWish(
        name=name,
        pool=options.get("pool"),
        state=state,
        spec=spec,
        has_master="master" in given,
        has_swap="swap" in given,
        has_overlay_size=overlay.get("size") is not None,
        has_on_boot=overlay.get("on_boot") is not None,
        force=bool(options.get("force")),
        when=options.get("when") or "now",
        wait=bool(options.get("wait")),
    )


def _check_move(options: Mapping[str, Any], given: set[str]) -> None:
    """What goes with the states that change the master version of an instance. Raises Refused."""
    state, is_later = options["state"], options.get("when") == "next_restart"
    if is_later and state != "upgraded":
        raise Refused(f"when: next_restart goes with state upgraded, not with {state}.")
    useful = {"rolled_back": {"master"}, "committed": set(), "upgraded": {"master"} if is_later else given}
    if idle := sorted(given - useful.get(state, given)):
        raise Refused(f"{', '.join(idle)}: no use with state {state}{' and when next_restart' if is_later else ''}.")
