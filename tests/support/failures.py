# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With which errors XAPI may answer a call: code and parameters as xapi really gives them, by call."""

from __future__ import annotations

REF = "OpaqueRef:11111111-2222-3333-4444-555555555555"
UUID = "11111111-2222-3333-4444-555555555555"

Error = tuple[str, ...]

#: What any call may answer.
ANY: tuple[Error, ...] = (
    ("HANDLE_INVALID", "VM", REF),
    ("SESSION_INVALID", REF),
    ("RBAC_PERMISSION_DENIED", "vm.some_call", "No permission in user session"),
    ("MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.some_call", "2", "3"),
    ("MESSAGE_METHOD_UNKNOWN", "VM.some_call"),
    ("INTERNAL_ERROR", "Not_found"),
    ("OTHER_OPERATION_IN_PROGRESS", "VM", REF, "clone", REF),
    ("OPERATION_NOT_ALLOWED", "a reason in words"),
    ("HOST_OFFLINE", REF),
    ("CANNOT_CONTACT_HOST", REF),
    ("TOO_MANY_PENDING_TASKS",),
    ("HOST_STILL_BOOTING",),
)

_SPACE: Error = ("SR_BACKEND_FAILURE_44", "", "There is insufficient space", "")
_GONE_SR: Error = ("SR_BACKEND_FAILURE_47", "", "The SR is not available [opterr=no such volume group]", "")
_LVM: Error = ("SR_BACKEND_FAILURE_58", "", "LVM master refuses", "")
_NO_PBDS: Error = ("SR_HAS_NO_PBDS", REF)
_RUNNING: Error = ("VM_BAD_POWER_STATE", REF, "halted", "running")
_HALTED: Error = ("VM_BAD_POWER_STATE", REF, "running", "halted")
_MEMORY: tuple[Error, ...] = (
    ("MEMORY_CONSTRAINT_VIOLATION_ORDER",),
    ("MEMORY_CONSTRAINT_VIOLATION_MAXPIN", "the maximum is above the host's"),
    _RUNNING,
)
_PLUG: tuple[Error, ...] = (
    _HALTED,
    ("DEVICE_ALREADY_ATTACHED", REF),
    ("VM_MISSING_PV_DRIVERS", REF),
    ("VM_OLD_PV_DRIVERS", REF, "6", "0"),
    ("OPERATION_NOT_ALLOWED", "hot plug is not allowed"),
)
_UNPLUG: tuple[Error, ...] = (
    ("DEVICE_ALREADY_DETACHED", REF),
    ("DEVICE_DETACH_REJECTED", "VBD", REF, "in use by the guest"),
    ("DEVICE_DETACH_TIMEOUT", "VBD", REF),
)
_RESIZE: tuple[Error, ...] = (
    ("VDI_IN_USE", REF, "resize"),
    ("SR_BACKEND_FAILURE_79", "", "VDI Invalid size", ""),
    ("SR_OPERATION_NOT_SUPPORTED", REF),
    _NO_PBDS,
    _SPACE,
)
_START: tuple[Error, ...] = (
    _RUNNING,
    ("VM_IS_TEMPLATE", REF, "start"),
    ("OPERATION_BLOCKED", REF, "for some reason"),
    ("VM_REQUIRES_SR", REF, REF),
    ("VM_REQUIRES_NETWORK", REF, REF),
    ("HOST_NOT_ENOUGH_FREE_MEMORY", "2147483648", "1073741824"),
    ("HOST_NOT_ENOUGH_PCPUS", "8", "4"),
    ("HOST_DISABLED", REF),
    ("HOST_NOT_LIVE",),
    ("VM_INCOMPATIBLE_WITH_THIS_HOST", REF, REF, "lacks a feature of its CPU"),
    ("VDI_IN_USE", REF),
    ("VDI_READONLY", REF),
    ("MEMORY_CONSTRAINT_VIOLATION",),
    ("HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN",),
    ("VM_HVM_REQUIRED", REF),
    ("SR_BACKEND_FAILURE_46", "", "The VDI is not available [opterr=VDI already attached RW]", ""),
    ("SR_BACKEND_FAILURE_180", "", "LVM provision attach failure", ""),
)

#: Besides what any call may answer.
OF: dict[str, tuple[Error, ...]] = {
    "VDI.create": (
        _NO_PBDS, _SPACE, _GONE_SR, _LVM, ("SR_BACKEND_FAILURE_78", "", "VDI Creation failed [opterr=no space]", ""),
        ("SR_BACKEND_FAILURE_79", "", "VDI Invalid size [opterr=too large]", ""), ("VDI_INCOMPATIBLE_TYPE", "", "user"),
        ("SR_FULL", "1", "2"),
    ),
    "VDI.destroy": (
        ("VDI_IN_USE", REF, "destroy"), ("VDI_NOT_MANAGED", REF), _NO_PBDS, ("VDI_IS_A_PHYSICAL_DEVICE", REF),
        ("VDI_HAS_RRDS", REF), ("HA_IS_ENABLED",), ("SR_OPERATION_NOT_SUPPORTED", REF),
        ("SR_BACKEND_FAILURE_80", "", "Failed to mark VDI hidden", ""),
    ),
    "VDI.resize": _RESIZE,
    "VDI.resize_online": _RESIZE,
    "VDI.snapshot": (
        ("VDI_IS_SHARABLE", REF), ("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION",), _SPACE, _NO_PBDS,
        ("SR_BACKEND_FAILURE_82", "", "Failed to snapshot VDI", ""),
        ("SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", ""), ("VDI_MISSING", REF, REF),
        ("SR_OPERATION_NOT_SUPPORTED", REF),
    ),
    "VDI.clone": (
        ("SR_BACKEND_FAILURE_81", "", "Failed to clone VDI", ""),
        ("SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", ""), _SPACE, ("VDI_MISSING", REF, REF),
    ),
    "VDI.copy": (
        ("VDI_IN_USE", REF, "copy"), ("VDI_READONLY", REF), ("VDI_TOO_SMALL", REF, "1048576"), _SPACE,
        ("VDI_MISSING", REF, REF),
    ),
    "VDI.set_on_boot": (
        _RUNNING, ("VDI_IN_USE", REF, "set_on_boot"), ("SR_OPERATION_NOT_SUPPORTED", REF),
        ("PERMISSION_DENIED", ""),
    ),
    "VBD.create": (
        ("VBD_CDS_MUST_BE_READONLY",), ("VBD_NOT_REMOVABLE_MEDIA", "in constructor"), ("VDI_READONLY", REF),
        ("VDI_INCOMPATIBLE_TYPE", REF, "cbt_metadata"), ("INVALID_DEVICE", "99"), ("DEVICE_ALREADY_EXISTS", "1"),
    ),
    "VBD.plug": (
        *_PLUG, ("VDI_IN_USE", REF), ("VDI_READONLY", REF), ("VDI_NOT_MANAGED", REF),
        ("DISK_VBD_MUST_BE_READWRITE_FOR_HVM", REF), ("VBD_IS_EMPTY", REF),
    ),
    "VBD.unplug": (*_UNPLUG, ("VBD_NOT_UNPLUGGABLE", REF)),
    "VBD.insert": (("VBD_NOT_EMPTY", REF), ("VBD_NOT_REMOVABLE_MEDIA", REF), ("VDI_IN_USE", REF)),
    "VBD.eject": (("VBD_IS_EMPTY", REF), ("VBD_NOT_REMOVABLE_MEDIA", REF)),
    "VIF.create": (
        ("MAC_INVALID", "zz"), ("INVALID_DEVICE", "99"), ("DEVICE_ALREADY_EXISTS", "0"),
        ("OPERATION_NOT_ALLOWED", "the network is attached to no host"),
    ),
    "VIF.plug": _PLUG,
    "VIF.unplug": _UNPLUG,
    "VM.clone": (_RUNNING, _SPACE, _NO_PBDS, ("SR_BACKEND_FAILURE_81", "", "Failed to clone VDI", ""),
                 ("VM_IS_SNAPSHOT", REF)),
    "VM.start": (*_START, ("NO_HOSTS_AVAILABLE",)),
    "VM.start_on": _START,
    "VM.clean_shutdown": (
        _HALTED, ("VM_SHUTDOWN_TIMEOUT", REF, "1200.0"), ("VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT", REF),
        ("VM_LACKS_FEATURE", REF), ("VM_LACKS_FEATURE_SHUTDOWN", REF), ("OPERATION_BLOCKED", REF, "for some reason"),
    ),
    "VM.hard_shutdown": (_HALTED, ("OPERATION_BLOCKED", REF, "for some reason")),
    "VM.destroy": (
        ("VM_BAD_POWER_STATE", REF, "halted, suspended", "running"), ("VM_CANNOT_DELETE_DEFAULT_TEMPLATE", REF),
        ("OPERATION_BLOCKED", REF, "for some reason"),
    ),
    "VM.provision": (("PROVISION_ONLY_ALLOWED_ON_TEMPLATE",), ("UUID_INVALID", "sr", "x")),
    "VM.set_memory_limits": _MEMORY,
    "VM.set_memory_dynamic_range": (*_MEMORY, ("VM_MISSING_PV_DRIVERS", REF)),
    "VM.set_VCPUs_number_live": (("OPERATION_NOT_ALLOWED", "too many"), _HALTED, ("VM_MISSING_PV_DRIVERS", REF)),
    "VM.set_VCPUs_max": (("INVALID_VALUE", "VCPUs_max", "0"), _RUNNING),
    "VM.set_VCPUs_at_startup": (("INVALID_VALUE", "VCPUs_at_startup", "9"), _RUNNING),
    "VM.pool_migrate": (
        ("VM_REQUIRES_SR", REF, REF), ("HOST_NOT_ENOUGH_FREE_MEMORY", "2", "1"), ("VM_MISSING_PV_DRIVERS", REF),
        ("VDI_NOT_IN_MAP", REF), ("VIF_NOT_IN_MAP", REF), ("TOO_MANY_STORAGE_MIGRATES", "3"),
        ("VDI_CBT_ENABLED", REF), ("MIRROR_FAILED", REF), ("VM_MIGRATE_FAILED", REF, "a", "b", "the host is gone"),
        ("VDI_NEEDS_VM_FOR_MIGRATE", REF),
    ),
    "host.evacuate": (("HOST_EVACUATE_VM_NOT_HA_PROTECTED", REF), ("HOST_NOT_ENOUGH_FREE_MEMORY", REF)),
    "SR.destroy": (("SR_HAS_PBD", REF), ("SR_NOT_EMPTY",), ("SR_DEVICE_IN_USE",)),
    "import_raw_vdi": (("VDI_IO_ERROR", "Device I/O errors"), ("VDI_READONLY", REF), ("VDI_IN_USE", REF)),
    "pool.add_to_other_config": (("MAP_DUPLICATE_KEY", "pool", "other_config", REF, "a key"),),
    "VM.add_to_other_config": (("MAP_DUPLICATE_KEY", "VM", "other_config", REF, "a key"),),
    "VDI.add_to_other_config": (("MAP_DUPLICATE_KEY", "VDI", "other_config", REF, "a key"),),
    "session.login_with_password": (
        ("HOST_IS_SLAVE", "127.0.0.2"), ("SESSION_AUTHENTICATION_FAILED", "root", "Authentication failure"),
    ),
    "event.from": (("EVENT_FROM_TOKEN_PARSE_FAILURE", "x"), ("EVENT_SUBSCRIPTION_PARSE_FAILURE", "x")),
    "task": (("TASK_CANCELLED", REF), ("HANDLE_INVALID", "task", REF)),
}  # fmt: skip

ALL: frozenset[Error] = frozenset((*ANY, *(error for errors in OF.values() for error in errors)))
