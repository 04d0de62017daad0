# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the objects of a pool do: one module a class. Importing this package fills the registry of calls."""

from __future__ import annotations

import importlib
import pkgutil

from lab.classes import appliance, host_lifecycle, pool_services, sr, vbd, vdi, vif, vm_lifecycle
from lab.world import World

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)


def install(world: World) -> None:
    """Let the world compute allowed operations by the rules of its classes."""
    world.allowed.update(
        VM=vm_lifecycle.allowed_operations,
        VDI=vdi.allowed_operations,
        VBD=vbd.allowed_operations,
        VIF=vif.allowed_operations,
        host=host_lifecycle.allowed_operations,
        pool=pool_services.allowed_operations,
        SR=sr.allowed_operations,
        VM_appliance=appliance.allowed_operations,
    )
