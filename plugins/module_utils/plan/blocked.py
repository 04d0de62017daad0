# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations that XAPI is told to refuse on our VMs, each with the text that it answers with. Pure data.

They are checked before anything else (``OPERATION_BLOCKED``). What must stay possible is left out: the power
operations, ``pool_migrate`` (it only attaches the same disks on another host), ``destroy`` (it keeps all disks).
"""
from __future__ import annotations

_OF_INSTANCES = "Skinnybox instance: this would copy or destroy its shared master image"
_OF_BLUEPRINTS = "Skinnybox blueprint: instances are made from it by skinnybox.xenserver.vm_pool"

#: Of an instance as a whole. Copying ones treat the read-only root as any other disk. ``migrate_send`` copies it
#: and destroys the source; ``reverting`` destroys the disks that the snapshot has another state of, the master too.
INSTANCE = dict.fromkeys(
    (
        "checkpoint",
        "clone",
        "copy",
        "create_template",
        "csvm",
        "export",
        "make_into_template",
        "migrate_send",
        "reverting",
        "snapshot",
        "snapshot_with_quiesce",
    ),
    _OF_INSTANCES,
)

#: Of a blueprint. Started by hand it would run without an overlay, ``VDI.pool_migrate`` of its disks is a
#: ``migrate_send`` of it, and its snapshots would hold the version. Our own ``clone`` must stay possible.
BLUEPRINT = dict.fromkeys(
    (
        "checkpoint",
        "copy",
        "create_template",
        "destroy",
        "export",
        "migrate_send",
        "provision",
        "snapshot",
        "snapshot_with_quiesce",
        "start",
        "start_on",
    ),
    _OF_BLUEPRINTS,
)

#: Of a blueprint that is being retired: a clone made at this moment would share disks that are about to be deleted.
RETIRING = {**BLUEPRINT, "clone": "Skinnybox blueprint: this version is being retired"}
