# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The storage of a fresh host pool: drivers, repositories, and the discs in them."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from lab.repositories import space, volumes
from lab.storage.kinds import KINDS
from lab.world import Call, World

GIB = 1024**3
MIB = 1024**2


async def furnish(call: Call, hosts: list[str]) -> tuple[str, str]:
    """Drivers, a local repository on each host and shared ones on all; the first local one, and the one for disks."""
    world = call.world
    _drivers(world)
    local = [_repository(world, [host], "Local storage", "ext", 100 * GIB, shared=False) for host in hosts]
    shared = _repository(world, hosts, "Shared storage", "nfs", 200 * GIB, shared=True)
    isos = _repository(world, hosts, "ISO images", "iso", 10 * GIB, shared=True)
    tools = _repository(world, hosts, "XenServer Tools", "iso", 0, shared=True)
    config = {"xensource_internal": "true", "xenserver_tools_sr": "true"}
    world.database.set("SR", tools, is_tools_sr=True, other_config=config)
    for name in ("blank-1.iso", "blank-2.iso"):
        await _iso(call, isos, name)
    await _iso(call, tools, "guest-tools.iso", is_tools_iso=True)
    return local[0], shared


def _drivers(world: World) -> None:
    for name, kind in KINDS.items():
        fields = {
            "name_label": kind.label, "type": name, "vendor": "Lab", "version": "1.0", "required_api_version": "1.0",
            "features": dict(kind.features), "capabilities": sorted(kind.features),
            "driver_filename": f"/opt/xensource/sm/{name.upper()}SR",
            "supported_image_formats": ["vhd"] if "VDI_SNAPSHOT" in kind.features else [],
        }  # fmt: skip
        world.database.create("SM", fields)


def _repository(world: World, hosts: list[str], name: str, kind: str, size: int, shared: bool) -> str:
    fields = {
        "name_label": name, "type": kind, "content_type": "iso" if kind == "iso" else "user", "shared": shared,
        "physical_size": size,
    }  # fmt: skip
    sr = world.database.create("SR", fields)
    for host in hosts:
        world.database.create("PBD", {"host": host, "SR": sr, "currently_attached": True})
    world.refresh("SR", sr)
    return sr


async def _iso(call: Call, sr: str, name: str, is_tools_iso: bool = False) -> None:
    uuid = str(uuids.uuid4())
    await call.world.disks.create(uuid, 2 * MIB)
    fields: dict[str, Any] = {
        "uuid": uuid, "SR": sr, "name_label": name, "virtual_size": 2 * MIB, "type": "user", "read_only": True,
        "is_tools_iso": is_tools_iso, "location": name, "managed": True, "physical_utilisation": 2 * MIB,
    }  # fmt: skip
    volumes.register(call, fields)
    await space.update(call.world, sr)
