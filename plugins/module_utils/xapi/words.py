# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XAPI's error codes in plain words, with the remedy where there is one."""

from __future__ import annotations

from typing import Mapping, Sequence

#: Where an answer lacks the parameters that a sentence needs, the part up to this mark is the whole of it.
_MORE = "|"

#: {0} … are the code's parameters as XAPI really gives them. No references among them: they mean nothing to people.
_PLAIN: Mapping[str, str] = {
    "CANNOT_CONTACT_HOST": "the coordinator cannot reach the host",
    "DEVICE_ALREADY_ATTACHED": "the device is attached already",
    "DEVICE_ALREADY_DETACHED": "the device is detached already",
    "DEVICE_ALREADY_EXISTS": "the device position is taken|: {0}",
    "DEVICE_DETACH_REJECTED": "the guest does not let go of the device|: {2}",
    "DEVICE_DETACH_TIMEOUT": "the guest did not let go of the device in time",
    "DISK_VBD_MUST_BE_READWRITE_FOR_HVM": "a read-only disk cannot be plugged into a running VM",
    "EVENT_FROM_TOKEN_PARSE_FAILURE": "XAPI does not know its own event token",
    "EVENT_SUBSCRIPTION_PARSE_FAILURE": "XAPI does not know the class of events|: {0}",
    "HANDLE_INVALID": "an object that was there a moment ago is gone| (class {0})",
    "HA_IS_ENABLED": "high availability is on, which forbids it",
    "HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN": "high availability could then no longer restart all protected VMs",
    "HOST_DISABLED": "the host is disabled (in maintenance mode?): enable it",
    "HOST_EVACUATE_VM_NOT_HA_PROTECTED": "a VM on the host is not protected by high availability",
    "HOST_IN_EMERGENCY_MODE": "the host has lost its coordinator",
    "HOST_IS_SLAVE": "this host is a pool member, not the coordinator|, which is {0}",
    "HOST_NOT_ENOUGH_FREE_MEMORY": "the host has not enough free memory|: {0} bytes are needed, {1} are free",
    "HOST_NOT_ENOUGH_PCPUS": "the VM has more vCPUs than the host has CPUs|: {0} and {1}",
    "HOST_NOT_LIVE": "the host is not live: it is down or has lost the pool",
    "HOST_OFFLINE": "the host is offline",
    "HOST_STILL_BOOTING": "the host is still booting",
    "INTERNAL_ERROR": "XAPI had an internal error|: {0}",
    "INVALID_DEVICE": "there is no such device position|: {0}",
    "INVALID_VALUE": "XAPI does not accept a value|: {0} {1}",
    "MAC_INVALID": "that is no MAC address|: {0}",
    "MAP_DUPLICATE_KEY": "somebody has just set the same key|: {3}",
    "MEMORY_CONSTRAINT_VIOLATION": "the VM's memory limits contradict each other",
    "MEMORY_CONSTRAINT_VIOLATION_MAXPIN": "the VM's memory limits are not allowed|: {0}",
    "MEMORY_CONSTRAINT_VIOLATION_ORDER": (
        "the VM's memory limits are out of order: static minimum, dynamic minimum, dynamic maximum, static maximum"
    ),
    "MESSAGE_METHOD_UNKNOWN": "this version of XAPI does not know the call|: {0}",
    "MESSAGE_PARAMETER_COUNT_MISMATCH": (
        "this version of XAPI wants another number of parameters|: {1} for {0}, not {2}"
    ),
    "MESSAGE_REMOVED": "this version of XAPI has this call no more",
    "MIRROR_FAILED": "mirroring the disk failed",
    "NO_HOSTS_AVAILABLE": (
        "no host can run the VM: too little memory, a disk or network that it does not see, or it is disabled"
    ),
    "OPERATION_BLOCKED": "the operation is blocked on this VM|: {1}",
    "OPERATION_NOT_ALLOWED": "the operation is not allowed now|: {0}",
    "OTHER_OPERATION_IN_PROGRESS": "another operation on the same object is under way|: {2}",
    "PERMISSION_DENIED": "XAPI keeps this call to itself",
    "PROVISION_ONLY_ALLOWED_ON_TEMPLATE": "only a template can be provisioned",
    "RBAC_PERMISSION_DENIED": "the user's role does not permit it|: {0} (pool-operator and pool-admin may do all)",
    "SESSION_AUTHENTICATION_FAILED": "wrong user name or password",
    "SESSION_INVALID": "the session has expired",
    "SR_BACKEND_FAILURE_44": "the SR has not enough space",
    "SR_BACKEND_FAILURE_46": "the disk is in use on another host or was not detached cleanly there",
    "SR_BACKEND_FAILURE_47": "the SR is not available: look at its connection to the storage",
    "SR_BACKEND_FAILURE_58": "the host that manages the SR's volumes cannot be asked",
    "SR_BACKEND_FAILURE_78": "the storage manager could not create the disk|: {1}",
    "SR_BACKEND_FAILURE_79": "the SR cannot have a disk of this size|: {1}",
    "SR_BACKEND_FAILURE_80": "the storage manager could not delete the disk|: {1}",
    "SR_BACKEND_FAILURE_81": "the storage manager could not clone the disk|: {1}",
    "SR_BACKEND_FAILURE_82": "the storage manager could not snapshot the disk|: {1}",
    "SR_BACKEND_FAILURE_109": "the disk's chain of snapshots is too long (30 at most): delete some, let it coalesce",
    "SR_BACKEND_FAILURE_180": "the volume could not be prepared for use on the host|: {1}",
    "SR_DEVICE_IN_USE": "the SR's device is in use",
    "SR_FULL": "the SR is full",
    "SR_HAS_NO_PBDS": "the SR is attached to no host: plug one of its PBDs",
    "SR_HAS_PBD": "the SR is still attached to a host",
    "SR_NOT_EMPTY": "there are disks in the SR",
    "SR_OPERATION_NOT_SUPPORTED": "SRs of this type cannot do it",
    "TASK_CANCELLED": "the task was cancelled",
    "TOO_MANY_PENDING_TASKS": "XAPI has too many tasks to do",
    "TOO_MANY_STORAGE_MIGRATES": "too many storage migrations are under way|: {0} at most",
    "UUID_INVALID": "there is no such object|: {0} {1}",
    "VBD_CDS_MUST_BE_READONLY": "a CD can only be attached read-only",
    "VBD_IS_EMPTY": "the CD drive is empty",
    "VBD_NOT_EMPTY": "the CD drive is not empty",
    "VBD_NOT_REMOVABLE_MEDIA": "it is no CD drive",
    "VBD_NOT_UNPLUGGABLE": "this device cannot be unplugged",
    "VDI_CBT_ENABLED": "changed block tracking is on for the disk",
    "VDI_HAS_RRDS": "the disk keeps performance data of the SR",
    "VDI_INCOMPATIBLE_TYPE": "a disk of this type cannot be used so|: {1}",
    "VDI_IN_USE": "the disk is in use|, which forbids {1}",
    "VDI_IO_ERROR": "reading or writing the disk failed",
    "VDI_IS_A_PHYSICAL_DEVICE": "the disk is a physical device",
    "VDI_IS_SHARABLE": "the disk is marked sharable, which forbids snapshots",
    "VDI_MISSING": "the disk's data is missing in the SR",
    "VDI_NEEDS_VM_FOR_MIGRATE": "the disk can only be moved together with its VM",
    "VDI_NOT_IN_MAP": "it was not said where the disk is to go",
    "VDI_NOT_MANAGED": "the disk is no disk for VMs, it belongs to the storage manager",
    "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION": "a disk that is reset at each boot forbids it",
    "VDI_READONLY": "the disk is read-only",
    "VDI_TOO_SMALL": "the disk is too small|: {1} bytes",
    "VIF_NOT_IN_MAP": "it was not said to which network the NIC is to go",
    "VM_BAD_POWER_STATE": "the VM's power state forbids it|: it is {2}, it must be {1}",
    "VM_CANNOT_DELETE_DEFAULT_TEMPLATE": "it is one of XenServer's own templates",
    "VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT": "the guest did not answer the request to shut down",
    "VM_HVM_REQUIRED": "the host cannot run hardware-virtualised VMs",
    "VM_INCOMPATIBLE_WITH_THIS_HOST": "the VM cannot run on the host|: {2}",
    "VM_IS_SNAPSHOT": "it is a snapshot of a VM",
    "VM_IS_TEMPLATE": "the VM is a template",
    "VM_LACKS_FEATURE": "the VM's guest tools do not support it (do they run?)",
    "VM_MIGRATE_FAILED": "the migration failed|: {3}",
    "VM_MISSING_PV_DRIVERS": "the VM's guest tools do not run: they are needed for changes of a running VM",
    "VM_OLD_PV_DRIVERS": "the VM's guest tools are too old|: {1}.{2}",
    "VM_REQUIRES_NETWORK": "the host lacks a network that the VM needs",
    "VM_REQUIRES_SR": "the host does not see an SR that the VM needs",
    "VM_SHUTDOWN_TIMEOUT": "the VM did not shut down in time|: {1} seconds",
}

#: Families of codes that have a name or a number at their end.
_FAMILIES: Mapping[str, str] = {
    "SR_BACKEND_FAILURE_": "the SR's storage manager failed|: {1}",
    "VM_LACKS_FEATURE_": _PLAIN["VM_LACKS_FEATURE"],
}


def explain(code: str, params: Sequence[str]) -> str:
    """Say a XAPI error code in plain words; an unknown one is shown with its parameters."""
    words = _PLAIN.get(code) or next((w for family, w in _FAMILIES.items() if code.startswith(family)), None)
    if words is None:
        shown = ", ".join(param for param in params if param and not param.startswith("OpaqueRef:"))
        return f"XAPI answered {code}" + (f": {shown}" if shown else "")
    short, _mark, more = words.partition(_MORE)
    try:
        return short + more.format(*(param.strip() for param in params)).rstrip(": ")
    except IndexError:
        return short
