# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is in a host pool, in a form in which two can be compared: names instead of references and uuids."""

from __future__ import annotations

import hashlib
import urllib.parse
import urllib.request
from typing import Any

from .lab import Lab

#: Labels whose values are different in every run.
_CHANCE = {"instance", "host_key", "nics", "master_id", "root", "boot", "promoted", "golden_vm", "networks"}
_CHANCE |= {"kept", "overlay", "replaces", "replica"}


def picture(lab: Lab) -> dict[str, list[Any]]:
    """VMs with their attachments and NICs, disks, and keys of the host pool; templates of the lab left out."""
    xapi = lab.xapi
    vms, vdis, vbds, vifs = (getattr(xapi, name).get_all_records() for name in ("VM", "VDI", "VBD", "VIF"))
    names = {record["uuid"]: record["name_label"] for record in vms.values()}
    srs = {ref: record["name_label"] for ref, record in xapi.SR.get_all_records().items()}
    shown_vms = []
    for ref, record in vms.items():
        if record["is_control_domain"] or "default_template" in record["other_config"]:
            continue
        attachments = sorted(
            (vbd["userdevice"], vbd["type"], vbd["mode"], vdis[vbd["VDI"]]["name_label"])
            for vbd in vbds.values()
            if vbd["VM"] == ref and vbd["VDI"] in vdis
        )
        nics = sorted((vif["device"], vif["network"]) for vif in vifs.values() if vif["VM"] == ref)
        shown_vms.append(
            (record["name_label"], record["power_state"], record["is_a_template"], _labels(record, names), attachments,
             nics, sorted(record["blocked_operations"]), sorted(record["xenstore_data"]), _hardware(record))
        )  # fmt: skip
    shown_vdis = [
        (
            record["name_label"],
            record["virtual_size"],
            srs[record["SR"]],
            _labels(record, names),
            record["is_a_snapshot"],
            record["on_boot"],
        )
        for record in vdis.values()
        if record["managed"]  # "base copies" are the storage manager's business
    ]
    (pool,) = xapi.pool.get_all_records().values()
    return {
        "VM": sorted(shown_vms),
        "VDI": sorted(shown_vdis),
        "VBD": sorted((vbd["userdevice"], vbd["type"], vbd["mode"]) for vbd in vbds.values()),
        "VIF": sorted(vif["device"] for vif in vifs.values()),
        "pool": sorted(pool["other_config"]),
    }


def _hardware(record: dict[str, Any]) -> list[str]:
    names = ("VCPUs_max", "VCPUs_at_startup", "memory_static_max", "memory_dynamic_max", "memory_dynamic_min")
    return [f"{name}={record[name]}" for name in names] + [f"{k}={v}" for k, v in sorted(record["platform"].items())]


def _labels(record: dict[str, Any], names: dict[str, str]) -> list[tuple[str, str]]:
    """Labels with what is by chance replaced by what it means."""
    shown = []
    for key, value in sorted(record["other_config"].items()):
        name = key.removeprefix("skinnybox:")
        if key == name:
            continue
        if name == "uuid":
            value = "its own" if value == record["uuid"] else "another's"
        elif name == "vm":
            value = f"VM {names.get(value, 'that is gone')}"
        elif name in _CHANCE:
            value = "set" if value else "empty"
        shown.append((name, value))
    return shown


def sha256_of(lab: Lab, vdi: str) -> str:
    """Hash of a disk's content, as anybody sees it who exports it."""
    query = urllib.parse.urlencode({"session_id": lab.session.handle, "vdi": vdi, "format": "raw"})
    digest = hashlib.sha256()
    with urllib.request.urlopen(f"{lab.url}/export_raw_vdi?{query}", timeout=60, context=lab.context) as answer:
        while piece := answer.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def find_vm(lab: Lab, name: str) -> str:
    """The one VM of that name."""
    (ref,) = lab.xapi.VM.get_by_name_label(name)
    return ref


def find_disk(lab: Lab, name: str) -> str:
    """The one disk of that name."""
    (ref,) = lab.xapi.VDI.get_by_name_label(name)
    return ref


def names(lab: Lab, prefix: str | tuple[str, ...] = "web-") -> list[str]:
    """Names of VMs that begin so."""
    found = [record["name_label"] for record in lab.xapi.VM.get_all_records().values()]
    return sorted(name for name in found if name.startswith(prefix))


def disk_names(lab: Lab, prefix: str | tuple[str, ...] = "web-") -> list[str]:
    """Names of disks that begin so."""
    found = [record["name_label"] for record in lab.xapi.VDI.get_all_records().values()]
    return sorted(name for name in found if name.startswith(prefix))


def power_states(lab: Lab, prefix: str | tuple[str, ...] = "web-") -> dict[str, str]:
    """Power states by name."""
    found = lab.xapi.VM.get_all_records().values()
    return {r["name_label"]: r["power_state"] for r in found if r["name_label"].startswith(prefix)}
