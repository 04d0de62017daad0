# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's own channel, which no XenServer has: what was called, and what is to go wrong.

| Path | Verbs | |
|---|---|---|
| `/lab/calls` | GET (`?log=0`), DELETE | counts and log of all calls |
| `/lab/faults` | GET, POST a fault, DELETE | what is to happen to later calls, see `lab.control.faults.Fault` |
| `/lab/pace` | GET, PUT {operation: seconds} | how long operations last |
| `/lab/sessions` | GET, DELETE (`?originator=`) | who is logged in; expire sessions |
| `/lab/srs/<uuid>` | PUT {"free": bytes} | a repository that is as full as asked (null: as its disks make it) |
| `/lab/vms/<uuid>` | PUT {"boot": "fails" or "works"} | a guest that does not boot |
| `/lab/hosts` | GET | all hosts, whether they are on, and who coordinates |
| `/lab/hosts/<uuid>/die` | POST {"seconds": s, "noticed": bool} | a host loses its power (for a while; unnoticed) |
| `/lab/hosts/<uuid>/revive` | POST | it gets its power back |
| `/lab/stop` | POST {"destroy": bool} | end of the lab |
"""

from __future__ import annotations

from lab.control.calls import CallLog, Logged
from lab.control.channel import Control
from lab.control.faults import Drop, Fault

__all__ = ["CallLog", "Control", "Drop", "Fault", "Logged"]
