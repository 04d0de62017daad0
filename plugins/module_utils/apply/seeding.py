# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of a new instance with what the controller writes into them: its overlay and its swap disk."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Callable, Mapping

from ..model.identity import HostKey, Identity, Ipv4, Ipv6, Nic
from ..model.labels import Kind
from ..plan.actions import Create, NicPlan
from ..plan.attachments import nic_label
from ..plan.spec import VmPoolSpec
from ..seed.chunked import encode
from ..seed.image import SeedImage
from ..seed.overlay import build_overlay
from ..seed.swap import build_swap
from ..xapi.streams import import_chunked
from .disks import NewDisk, create_disk, finish_disk, new_disk
from .on_boot import set_on_boot
from .own_tasks import own_task
from .worksite import Worksite


def make_overlay(
    site: Worksite,
    spec: VmPoolSpec,
    create: Create,
    nics: list[tuple[NicPlan, str]],
    host_key: HostKey,
    labels: Mapping[str, str],
    machine: str | None = None,
    finished: bool = True,
) -> NewDisk:
    """Make the overlay disk of an instance with its identity in it; see :func:`make_disk`.

    ``machine`` is a uuid for a machine-id that is not the instance's uuid. Raises XapiError, ToolError.
    """
    nics_label = nic_label([(nic.device, mac, nic.network.uuid) for nic, mac in nics])
    labels = {**labels, "host_key": host_key.public, "nics": nics_label}

    def build(disk: NewDisk, directory: Path) -> SeedImage:
        identity = Identity(
            instance=labels["instance"],
            pool=spec.name,
            overlay=disk.uuid,
            hostname=create.name,
            nics=tuple(_nic(nic, mac) for nic, mac in nics),
            authorized_keys=spec.authorized_keys,
            host_key=host_key,
            network=create.master.network,
            machine=machine,
        )
        return build_overlay(identity, disk.size, directory)

    sr = create.overlay_sr.ref
    disk = make_disk(site, create.name, sr, Kind.OVERLAY, create.overlay_size, labels, build, finished)
    if create.on_boot != "persist":  # as XAPI makes disks
        set_on_boot(site, disk.ref, sr, create.on_boot)
    return disk


def make_swap(
    site: Worksite, name: str, sr: str, size: int, labels: Mapping[str, str], finished: bool = True
) -> NewDisk:
    """Make a swap disk of `size` bytes for the instance of this name on an SR (a reference); see :func:`make_disk`.

    Raises XapiError, ToolError.
    """

    def build(disk: NewDisk, directory: Path) -> SeedImage:
        return build_swap(disk.uuid, disk.size, directory)

    return make_disk(site, name, sr, Kind.SWAP, size, labels, build, finished)


def make_disk(
    site: Worksite,
    name: str,
    sr: str,
    kind: Kind,
    size: int,
    labels: Mapping[str, str],
    build: Callable[[NewDisk, Path], SeedImage],
    finished: bool = True,
) -> NewDisk:
    """Make a labelled disk for the instance of this name, build its content and upload that.

    ``sr`` is a reference, ``size`` bytes. One that is not to be ``finished`` lacks its uuid label: it is not the
    instance's yet. Raises XapiError, ToolError.
    """
    description = f"Skinnybox {kind.value} disk of {name}"
    disk = new_disk(site, create_disk(site, f"{name} {kind.value}", description, sr, size, kind, labels))
    if finished:
        finish_disk(site, disk.ref, disk.uuid)
    # 0700 and removed also on an error: the image of an overlay holds the private host key.
    with tempfile.TemporaryDirectory(prefix="skinnybox-") as directory:
        body = b"".join(encode(build(disk, Path(directory)).extents()))
    upload(site, disk.ref, sr, body)
    return disk


def upload(site: Worksite, vdi: str, sr: str, body: bytes) -> None:
    """Write framed extents (see seed.chunked) into a disk of ours that no VM uses yet. Raises XapiError."""

    def act() -> None:
        with site.writing():
            import_chunked(site.client, site.tasks, vdi, body, own_task(site.title, "upload"))

    with site.windows.upload(sr):
        # The same bytes at the same places: written twice they are what they were.
        site.settle(act, lambda: None)


def _nic(nic: NicPlan, mac: str) -> Nic:
    ipv4 = None if nic.ipv4_method == "none" else Ipv4(nic.ipv4, nic.ipv4_gateway)
    ipv6 = Ipv6(nic.ipv6, nic.ipv6_method, nic.ipv6_gateway)  # type: ignore[arg-type]
    return Nic(mac.lower(), ipv4, ipv6, nic.dns, nic.search)
