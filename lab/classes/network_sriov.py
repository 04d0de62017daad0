# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""network_sriov: cards that are many. The lab's cards are not, so all there is are the checks."""

from __future__ import annotations

from lab.classes import pif_rules as rules
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call


@implements("network_sriov.create")
def create(call: Call, pif: str, network: str) -> str:
    record = rules.forward(call, pif)
    rules.require_managed_network(call, network)
    rules.require_managed(record)
    if rules.kind(record) is not rules.Kind.PHYSICAL:
        raise Failure("PIF_IS_NOT_PHYSICAL", pif)
    raise Failure("PIF_IS_NOT_SRIOV_CAPABLE", pif)
