# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between us and XAPI, in plain words."""

from __future__ import annotations

from typing import Sequence


class XapiError(Exception):
    """Base of all errors of this package; the text is one sentence for people."""


class Unreachable(XapiError):
    """No conversation was possible: refused, timed out, certificate not accepted, no XAPI there."""


class LoginRefused(Unreachable):
    """XAPI does not accept user and password: never tried again."""


class UnknownResult(XapiError):
    """Whether a call that writes was carried out is not known: only a look at the world can tell."""


class ConnectionLost(UnknownResult):
    """The connection broke during a call that writes."""


class TaskLost(UnknownResult):
    """XAPI has forgotten the task of an asynchronous call."""


class WriteRefused(XapiError):
    """A call that writes was tried on a read-only client: a defect of ours, never of the user's."""


class TaskTimeout(XapiError):
    """A task did not end in the time that it was given."""


class ApiFailure(XapiError):
    """XAPI refused or failed a call. ``code`` is its error code, ``params`` the rest of its answer."""

    def __init__(self, call: str, details: Sequence[str]) -> None:
        self.call = call
        self.code = details[0] if details else "UNKNOWN"
        self.params = tuple(details[1:])
        super().__init__(f"{explain(self.code, self.params)} ({self.code} from {call})")


#: Plain words for the codes that people meet. {0} … are the code's parameters.
_PLAIN = {
    "CANNOT_CONTACT_HOST": "the coordinator cannot reach the host",
    "DEVICE_ALREADY_EXISTS": "device position {0} is taken",
    "HANDLE_INVALID": "an object of class {0} that was there a moment ago is gone",
    "HOST_DISABLED": "the host is disabled",
    "HOST_IS_SLAVE": "this host is a pool member; its coordinator is {0}",
    "HOST_NOT_ENOUGH_FREE_MEMORY": "the host has not enough free memory",
    "HOST_NOT_ENOUGH_PCPUS": "the VM has more vCPUs ({0}) than the host has CPUs ({1})",
    "HOST_OFFLINE": "the host is offline",
    "INTERNAL_ERROR": "XAPI had an internal error: {0}",
    "MAP_DUPLICATE_KEY": "the key {3} is set already",
    "NO_HOSTS_AVAILABLE": (
        "no host can run the VM: too little memory, a disk or network that it does not see, or it is disabled"
    ),
    "OPERATION_BLOCKED": "the operation is blocked on this VM: {1}",
    "OPERATION_NOT_ALLOWED": "the operation is not allowed: {0}",
    "OTHER_OPERATION_IN_PROGRESS": "another operation ({2}) on the {0} is under way",
    "RBAC_PERMISSION_DENIED": "the user's role does not permit {0}",
    "SESSION_AUTHENTICATION_FAILED": "wrong user name or password",
    "SESSION_INVALID": "the session has expired",
    "SR_BACKEND_FAILURE_44": "the SR has not enough space",
    "SR_BACKEND_FAILURE_46": "the disk is in use on another host or was not detached cleanly",
    "SR_BACKEND_FAILURE_109": "the disk's chain of snapshots is too long (30 at most)",
    "SR_FULL": "the SR is full",
    "SR_HAS_NO_PBDS": "the SR is attached to no host",
    "VDI_IN_USE": "the disk is in use",
    "VDI_IO_ERROR": "reading or writing the disk failed",
    "VDI_READONLY": "the disk is read-only",
    "VM_BAD_POWER_STATE": "the VM is {2}, it must be {1}",
    "VM_HVM_REQUIRED": "the host cannot run hardware-virtualised VMs",
    "VM_LACKS_FEATURE": "the VM's guest tools do not support this (are they running?)",
    "VM_REQUIRES_NETWORK": "the host lacks a network that the VM needs",
    "VM_REQUIRES_SR": "the host does not see an SR that the VM needs",
    "VM_SHUTDOWN_TIMEOUT": "the VM did not shut down in time",
}


def explain(code: str, params: Sequence[str]) -> str:
    """Say a XAPI error code in plain words; an unknown one is shown with its parameters."""
    template = _PLAIN.get(code)
    if template is None:
        shown = ", ".join(param for param in params if param)
        return f"XAPI answered {code}" + (f": {shown}" if shown else "")
    try:
        return template.format(*params)
    except IndexError:
        return template.partition(":")[0].partition("{")[0].rstrip(" (")
