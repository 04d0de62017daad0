# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a VM pool's declaration, as an argument specification: documented in doc fragment vm_pool."""

from __future__ import annotations

from typing import Any

Specification = dict[str, dict[str, Any]]

_FAMILY: Specification = {"addresses": {"type": "list", "elements": "str"}, "gateway": {"type": "str"}}

NETWORK_OPTIONS: Specification = {
    "network": {"type": "str"},
    "ipv4": {
        "type": "dict",
        "options": {"method": {"type": "str", "choices": ["dhcp", "static", "none"]}, **_FAMILY},
    },
    "ipv6": {
        "type": "dict",
        "options": {"method": {"type": "str", "choices": ["auto", "dhcp", "static", "none"]}, **_FAMILY},
    },
    "dns": {"type": "list", "elements": "str"},
    "search": {"type": "list", "elements": "str"},
}

HARDWARE_OPTIONS: Specification = {
    "profile": {"type": "str"},
    "vcpus": {"type": "int"},
    "vcpus_max": {"type": "int"},
    "memory": {"type": "str"},
    "memory_max": {"type": "str"},
    "cores_per_socket": {"type": "int"},
    "cpu_weight": {"type": "int"},
    "cpu_cap": {"type": "int"},
}

OVERLAY_OPTIONS: Specification = {
    "size": {"type": "str", "default": "1 GiB"},
    "sr": {"type": "list", "elements": "str"},
    "on_boot": {"type": "str", "choices": ["persist", "reset"], "default": "persist"},
}

DISK_OPTIONS: Specification = {
    "name": {"type": "str", "required": True},
    "size": {"type": "str", "required": True},
    "sr": {"type": "str"},
}

PLACEMENT_OPTIONS: Specification = {
    "spread": {"type": "str", "choices": ["host", "rack", "none"], "default": "none"},
    "rack": {"type": "str", "default": "rack"},
    "hosts": {"type": "str"},
}

SCALE_IN_OPTIONS: Specification = {
    "order": {"type": "str", "choices": ["newest", "oldest", "host", "named"]},
    "instances": {"type": "list", "elements": "str"},
    "overlays": {"type": "str", "choices": ["delete", "keep"], "default": "delete"},
}

CONCURRENCY_OPTIONS: Specification = {
    "per_host": {"type": "int", "default": 4},
    "per_sr": {"type": "int", "default": 2},
}

#: How a VM pool moves to another master version, for the playbooks: documented in docs/upgrade.md.
ROLLOUT_OPTIONS: Specification = {
    "canary": {"type": "raw", "default": 1},
    "batch": {"type": "raw", "default": "25%"},
    "max_failures": {"type": "int", "default": 1},
    "bake_time": {"type": "raw", "default": 0},
    "health": {
        "type": "dict",
        "options": {
            "units": {"type": "list", "elements": "str"},
            "tasks": {"type": "str"},
            "timeout": {"type": "raw", "default": 300},
        },
    },
    "max_conflicts": {"type": "int", "default": 0},
    "max_dangers": {"type": "int", "default": 0},
}

#: How an instance is to be, whether it is declared with its VM pool or alone: documented in doc fragment guest.
GUEST_OPTIONS: Specification = {
    "instance_name": {"type": "str", "default": "{pool}-{number:03d}"},
    "hardware": {"type": "dict", "options": HARDWARE_OPTIONS},
    "hardware_profiles": {"type": "dict"},
    "disks": {"type": "list", "elements": "dict", "options": DISK_OPTIONS},
    "networks": {"type": "list", "elements": "dict", "options": NETWORK_OPTIONS},
    "authorized_keys": {"type": "raw", "no_log": False},
    "allow_restart": {"type": "bool", "default": False},
}

#: The rest of what one instance is asked to be: what is not given is not compared, so that nothing has a default.
INSTANCE_OPTIONS: Specification = {
    **GUEST_OPTIONS,
    "master": {"type": "str"},
    "overlay": {
        "type": "dict",
        "options": {
            name: {k: v for k, v in option.items() if k != "default"} for name, option in OVERLAY_OPTIONS.items()
        },
    },
    "swap": {"type": "str"},
}

#: How one VM pool's instances are to be; ``name`` and ``size`` stand beside it.
VM_POOL_OPTIONS: Specification = {
    **GUEST_OPTIONS,
    "master": {"type": "str"},
    "overlay": {"type": "dict", "options": OVERLAY_OPTIONS},
    "swap": {"type": "str"},
    "power_state": {"type": "str", "choices": ["running", "halted", "unmanaged"], "default": "running"},
    "placement": {"type": "dict", "options": PLACEMENT_OPTIONS},
    "scale_in": {"type": "dict", "options": SCALE_IN_OPTIONS},
    "fail_fast": {"type": "bool", "default": False},
    "concurrency": {"type": "dict", "options": CONCURRENCY_OPTIONS},
}
