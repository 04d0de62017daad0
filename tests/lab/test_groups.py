# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Groups of things that the lab's hosts have none of, and classes without objects."""

from __future__ import annotations

import pytest

from .conftest import Client

EMPTY = (
    "PCI", "PGPU", "GPU_group", "VGPU", "VGPU_type", "PUSB", "USB_group", "VUSB", "PVS_site", "PVS_server",
    "PVS_proxy", "PVS_cache_storage", "Feature", "SDN_controller", "Certificate", "Cluster", "Cluster_host",
    "Repository", "Observer", "DR_task", "VMSS", "pool_patch", "pool_update", "host_patch", "host_crashdump", "tunnel",
    "network_sriov", "subject",
)  # fmt: skip


@pytest.mark.parametrize("cls", EMPTY)
def test_class_without_objects(fresh_client: Client, cls: str) -> None:
    proxy = getattr(fresh_client.xapi, cls)
    assert proxy.get_all() == []
    assert proxy.get_all_records() == {}
    unknown = "OpaqueRef:00000000-0000-0000-0000-00000000dead"
    assert fresh_client.error(proxy.get_record, unknown) == ["HANDLE_INVALID", cls, unknown]


@pytest.fixture
def fresh_client(client: Client) -> Client:
    for subject in client.xapi.subject.get_all():
        client.xapi.subject.destroy(subject)
    return client


@pytest.mark.parametrize("cls", ["GPU_group", "USB_group"])
def test_group_comes_and_goes(client: Client, cls: str) -> None:
    proxy = getattr(client.xapi, cls)
    group = proxy.create("name", "description", {"a": "b"})
    assert proxy.get_name_label(group) == "name"
    assert proxy.get_by_name_label("name") == [group]
    proxy.destroy(group)
    assert client.error(proxy.destroy, group) == ["HANDLE_INVALID", cls, group]
