# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the objects of a pool do: one module a class. Importing this package fills the registry of calls."""

from __future__ import annotations

import importlib
import pkgutil

from lab.classes import appliance, host, sr, vbd, vdi, vif, vm
from lab.world import World

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
from lab.classes import (
    appliance,
    auth,
    blob,
    event,
    host,
    message,
    network,
    pbd,
    pool,
    refusals,
    role,
    session,
    sr,
    sr_life,
    subject,
    task,
    vbd,
    vdi,
    vdi_branch,
    vdi_copy,
    vdi_life,
    vdi_tracking,
    vif,
    vm,
    vm_clone,
    vm_memory,
    vm_migrate,
    vm_power,
    vm_settings,
    vm_snapshot,
    vm_template,
)
from lab.world import World

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
from lab.classes import (
    appliance,
    auth,
    blob,
    event,
    host,
    message,
    network,
    pbd,
    pool,
    refusals,
    role,
    session,
    sr,
    sr_life,
    subject,
    task,
    vbd,
    vdi,
    vdi_branch,
    vdi_copy,
    vdi_life,
    vdi_tracking,
    vif,
    vm,
    vm_clone,
    vm_memory,
    vm_migrate,
    vm_power,
    vm_settings,
    vm_snapshot,
    vm_template,
)
from lab.world import World

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
from lab.classes import (
    appliance,
    blob,
    event,
    host,
    message,
    network,
    pbd,
    pool,
    refusals,
    session,
    sr,
    sr_life,
    task,
    vbd,
    vdi,
    vdi_branch,
    vdi_copy,
    vdi_life,
    vdi_tracking,
    vif,
    vm,
    vm_clone,
    vm_memory,
    vm_migrate,
    vm_power,
    vm_settings,
    vm_snapshot,
    vm_template,
)
from lab.world import World

__all__ = [
    "appliance", "auth", "blob", "event", "host", "message", "network", "pbd", "pool", "refusals", "role", "session",
    "sr", "sr_life", "subject", "task", "vbd", "vdi", "vdi_branch", "vdi_copy", "vdi_life", "vdi_tracking", "vif",
    "vm", "vm_clone", "vm_memory", "vm_migrate", "vm_power", "vm_settings", "vm_snapshot", "vm_template",
]  # fmt: skip


def install(world: World) -> None:
    """Let the world compute allowed operations by the rules of its classes."""
    world.allowed.update(
        VM=vm.allowed_operations,
        VDI=vdi.allowed_operations,
        VBD=vbd.allowed_operations,
        VIF=vif.allowed_operations,
        host=host.allowed_operations,
        SR=sr.allowed_operations,
        VM_appliance=appliance.allowed_operations,
    )
