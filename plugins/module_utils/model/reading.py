# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the model of a host pool out of what XAPI answers, one class after another. Pure: no I/O.

Values are taken from either protocol: 64-bit integers are text in XML-RPC and numbers in JSON-RPC.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Callable, Mapping

from .labels import Labels
from .records import (
    UNABLE,
    Abilities,
    Attachment,
    Disk,
    Host,
    HostPool,
    Network,
    NetworkInterface,
    StorageRepository,
    VirtualMachine,
    is_uncollected,
)

Record = Mapping[str, Any]
#: XAPI's date and time for what has not happened, without its dashes.
_NEVER = "19700101T00:00:00"

#: The answer of ``get_all_records`` of one class: records by reference.
Records = Mapping[str, Record]


class Reading:
    """A host pool of which one class after another becomes known, in the order of :data:`CLASSES`.

    Each class's records are turned into what the model keeps as they come, so that the full records of one class
    only are in memory at a time.
    """

    def __init__(self) -> None:
        self._pool: tuple[str, Record] = ("", {})
        self._metrics: dict[str, Record] = {}
        self._hosts: dict[str, Host] = {}
        self._hosts_of_sr: dict[str, list[str]] = {}
        self._features: dict[str, frozenset[str]] = {}
        self._srs: dict[str, StorageRepository] = {}
        self._hosts_of_network: dict[str, list[str]] = {}
        self._networks: dict[str, Network] = {}
        self._attachments: dict[str, list[Attachment]] = {}
        self._interfaces: dict[str, list[NetworkInterface]] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._abilities: dict[str, Abilities] = {}
        self._vms: dict[str, VirtualMachine] = {}
        self._disks: dict[str, Disk] = {}

    def take(self, cls: str, records: Records) -> None:
        """Take the records of one class."""
        _TAKE[cls](self, records)

    def host_pool(self) -> HostPool:
        """The model, when all of :data:`CLASSES` have been taken."""
        ref, pool = self._pool
        return HostPool(
            ref=ref,
            uuid=pool["uuid"],
            name=pool["name_label"],
            coordinator=pool["master"],
            default_sr=pool["default_SR"],
            other_config=pool["other_config"],
            restrictions=pool["restrictions"],
            hosts=self._hosts,
            srs=self._srs,
            networks=self._networks,
            disks=self._disks,
            vms=self._vms,
        )

    def _take_pool(self, records: Records) -> None:
        self._pool = next(iter(records.items()))

    def _take_host_metrics(self, records: Records) -> None:
        self._metrics = dict(records)

    def _take_hosts(self, records: Records) -> None:
        for ref, r in records.items():
            metrics = self._metrics.get(r["metrics"], {})
            self._hosts[ref] = Host(
                ref=ref,
                uuid=r["uuid"],
                name=r["name_label"],
                enabled=bool(r["enabled"]),
                live=bool(metrics.get("live", False)),
                address=r["address"],
                cpus=int(r["cpu_info"].get("cpu_count", 0)),
                memory=int(metrics.get("memory_total", 0)),
                memory_overhead=int(r["memory_overhead"]),
                tags=tuple(r["tags"]),
                other_config=r["other_config"],
            )

    def _take_pbds(self, records: Records) -> None:
        for r in records.values():
            if r["currently_attached"]:
                self._hosts_of_sr.setdefault(r["SR"], []).append(r["host"])

    def _take_storage_managers(self, records: Records) -> None:
        self._features = {r["type"]: frozenset(r["features"]) for r in records.values()}

    def _take_srs(self, records: Records) -> None:
        for ref, r in records.items():
            self._srs[ref] = StorageRepository(
                ref=ref,
                uuid=r["uuid"],
                name=r["name_label"],
                type=r["type"],
                content_type=r["content_type"],
                shared=bool(r["shared"]),
                size=int(r["physical_size"]),
                used=int(r["physical_utilisation"]),
                attached_hosts=tuple(self._hosts_of_sr.get(ref, ())),
                features=self._features.get(r["type"], frozenset()),
                tags=tuple(r["tags"]),
                other_config=r["other_config"],
            )

    def _take_pifs(self, records: Records) -> None:
        for r in records.values():
            self._hosts_of_network.setdefault(r["network"], []).append(r["host"])

    def _take_networks(self, records: Records) -> None:
        for ref, r in records.items():
            hosts = tuple(dict.fromkeys(self._hosts_of_network.get(ref, ())))
            self._networks[ref] = Network(ref, r["uuid"], r["name_label"], hosts, r["other_config"])

    def _take_vbds(self, records: Records) -> None:
        for ref, r in records.items():
            self._attachments.setdefault(r["VM"], []).append(
                Attachment(
                    ref=ref,
                    uuid=r["uuid"],
                    vm=r["VM"],
                    vdi=r["VDI"],
                    position=r["userdevice"],
                    type=r["type"],
                    mode=r["mode"],
                    bootable=bool(r["bootable"]),
                    attached=bool(r["currently_attached"]),
                    owner="owner" in r["other_config"],
                )
            )

    def _take_vifs(self, records: Records) -> None:
        for ref, r in records.items():
            self._interfaces.setdefault(r["VM"], []).append(
                NetworkInterface(
                    ref=ref,
                    uuid=r["uuid"],
                    vm=r["VM"],
                    network=r["network"],
                    device=int(r["device"]),
                    mac=r["MAC"],
                    attached=bool(r["currently_attached"]),
                )
            )

    def _take_guest_metrics(self, records: Records) -> None:
        self._addresses = {ref: guest_addresses(r["networks"]) for ref, r in records.items()}
        alike: dict[Abilities, Abilities] = {}
        for ref, r in records.items():
            abilities = _abilities(r)
            self._abilities[ref] = alike.setdefault(abilities, abilities)

    def _take_vms(self, records: Records) -> None:
        self._vms = {ref: self._vm(ref, r) for ref, r in records.items()}

    def _vm(self, ref: str, r: Record) -> VirtualMachine:
        running = r["power_state"] == "Running"
        return VirtualMachine(
            ref=ref,
            uuid=r["uuid"],
            name=r["name_label"],
            power_state=r["power_state"],
            is_template=bool(r["is_a_template"]),
            is_snapshot=bool(r["is_a_snapshot"]),
            is_control_domain=bool(r["is_control_domain"]),
            host=r["resident_on"],
            scheduled_host=r["scheduled_to_be_resident_on"],
            affinity=r["affinity"],
            vcpus=int(r["VCPUs_max"]),
            vcpus_at_startup=int(r["VCPUs_at_startup"]),
            vcpus_params=r["VCPUs_params"],
            memory=int(r["memory_static_max"]),
            memory_dynamic_max=int(r["memory_dynamic_max"]),
            memory_dynamic_min=int(r["memory_dynamic_min"]),
            memory_static_min=int(r["memory_static_min"]),
            memory_overhead=int(r["memory_overhead"]),
            platform=r["platform"],
            boot_params=r["HVM_boot_params"],
            xenstore_data=r["xenstore_data"],
            blocked_operations=r["blocked_operations"],
            current_operations=tuple(sorted(r["current_operations"].values())),
            snapshot_of=r["snapshot_of"],
            snapshot_schedule=r["snapshot_schedule"],
            tags=tuple(r["tags"]),
            labels=Labels.of(r["other_config"]),
            # Stale after a shutdown or a clone: only a running guest's word counts (XAPI clears it at start).
            addresses=self._addresses.get(r["guest_metrics"], ()) if running else (),
            abilities=self._abilities.get(r["guest_metrics"], UNABLE) if running else UNABLE,
            attachments=tuple(sorted(self._attachments.pop(ref, ()), key=_by_position)),
            interfaces=tuple(sorted(self._interfaces.pop(ref, ()), key=lambda interface: interface.device)),
        )

    def _take_vdis(self, records: Records) -> None:
        self._disks = {ref: _disk(ref, r) for ref, r in records.items()}


_TAKE: dict[str, Callable[[Reading, Records], None]] = {
    "pool": Reading._take_pool,
    "host_metrics": Reading._take_host_metrics,
    "host": Reading._take_hosts,
    "PBD": Reading._take_pbds,
    "SM": Reading._take_storage_managers,
    "SR": Reading._take_srs,
    "PIF": Reading._take_pifs,
    "network": Reading._take_networks,
    "VBD": Reading._take_vbds,
    "VIF": Reading._take_vifs,
    "VM_guest_metrics": Reading._take_guest_metrics,
    "VM": Reading._take_vms,
    "VDI": Reading._take_vdis,
}
#: The classes that make up a host pool, in the order in which they are taken: what belongs to others before them.
CLASSES = tuple(_TAKE)


def host_pool(records: Mapping[str, Records]) -> HostPool:
    """Make the model out of the answers of ``get_all_records`` of :data:`CLASSES`."""
    reading = Reading()
    for cls in CLASSES:
        reading.take(cls, records[cls])
    return reading.host_pool()


def _disk(ref: str, r: Record) -> Disk:
    return Disk(
        ref=ref,
        uuid=r["uuid"],
        name=r["name_label"],
        type=r["type"],
        sr=r["SR"],
        size=int(r["virtual_size"]),
        used=int(r["physical_utilisation"]),
        managed=bool(r["managed"]),
        missing=bool(r["missing"]),
        uncollected=is_uncollected(r["other_config"]),
        read_only=bool(r["read_only"]),
        sharable=bool(r["sharable"]),
        on_boot=r["on_boot"],
        # VDI.parent is always NULL: only the storage manager knows.
        parent=r["sm_config"].get("vhd-parent", ""),
        is_snapshot=bool(r["is_a_snapshot"]),
        snapshot_of=r["snapshot_of"],
        snapshot_time=epoch(r["snapshot_time"]),
        snapshots=tuple(r["snapshots"]),
        labels=Labels.of(r["other_config"]),
        vbds=tuple(r["VBDs"]),
    )


def _abilities(r: Record) -> Abilities:
    """XAPI asks an HVM guest's own word, and where there is none, whether it has drivers for Xen's devices."""

    def can(word: str) -> bool:
        return r[word] == "yes" or (r[word] == "unspecified" and bool(r["PV_drivers_detected"]))

    prefix = "feature-"
    announced = (key[len(prefix) :] for key, value in r["other"].items() if key.startswith(prefix) and value == "1")
    return Abilities(can("can_use_hotplug_vbd"), can("can_use_hotplug_vif"), frozenset(announced))


def epoch(moment: Any) -> float:
    """XAPI's date and time (``20260101T00:00:00Z``, as xmlrpc.client gives it) as epoch seconds."""
    text = str(moment).replace("-", "").rstrip("Z")
    if text == _NEVER:
        return 0.0  # most disks are no snapshots
    return datetime.strptime(text[:17], "%Y%m%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()


def _by_position(attachment: Attachment) -> tuple[int, str]:
    position = attachment.position
    return (int(position), "") if position.isdigit() else (1 << 31, position)


def guest_addresses(networks: Mapping[str, str]) -> tuple[str, ...]:
    """Addresses out of ``VM_guest_metrics.networks``: IPv4 before IPv6, by NIC; link-local ones left out.

    Keys are ``<device>/ip`` (old agents), ``<device>/ipv4/<n>`` and ``<device>/ipv6/<n>``.
    """
    found = []
    for key, address in networks.items():
        device, _slash, rest = key.partition("/")
        family = 6 if rest.startswith("ipv6") else 4
        if device.isdigit() and address and not address.lower().startswith("fe80:"):
            found.append((int(device), family, key, address))
    return tuple(dict.fromkeys(address for _device, _family, _key, address in sorted(found)))
