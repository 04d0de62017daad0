# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host: ready to receive a VM together with its storage; and what the sender reads in the host's answer."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from lab import sessions
from lab.errors import Failure, internal, ocaml_failure
from lab.hosts import membership
from lab.registry import implements
from lab.world import Call, World

UNREACHABLE = 'Unix.Unix_error(Unix.ECONNREFUSED, "connect", "")'
#: Fields of the caller's session that the session of a migration takes over.
SAME_IN_SESSION = (
    "pool", "is_local_superuser", "subject", "auth_user_sid", "auth_user_name", "rbac_permissions",
)  # fmt: skip


@dataclass(frozen=True)
class Destination:
    """Where a VM is sent to: a host, in this pool or in another one, and a session there."""

    world: World
    host: str
    session: str

    def call(self, method: str) -> Call:
        """A call that the sender makes at the destination. Raises SESSION_INVALID."""
        sessions.check(self.world, self.session)
        return Call(self.world, method, self.session, internal=True)


@implements("host.migrate_receive")
def migrate_receive(call: Call, host: str, network: str, options: dict[str, str]) -> dict[str, str]:
    """Open a session for the sender, and tell the addresses at which the host receives on that network."""
    if not call.db.exists("host", host):
        raise Failure("HOST_OFFLINE", host)
    session = _session(call, host)
    address = _address(call, host, network)
    coordinator = call.db.get("host", call.world.coordinator)["address"]
    return {
        "SM": f"http://{address}/services/SM?session_id={session}",
        "host": host,
        "xenops": f"http://{address}/services/xenops?session_id={session}",
        "session_id": session,
        "master": f"http://{coordinator}/",
    }


def _session(call: Call, host: str) -> str:
    """A session with the rights of the caller's."""
    known = call.db.find("session", call.session)
    session = sessions.open_session(call.world, known["auth_user_name"] if known else "root", "")
    if known:
        call.db.set("session", session, this_host=host, **{name: known[name] for name in SAME_IN_SESSION})
    return session


def _address(call: Call, host: str, network: str) -> str:
    pifs = [call.db.get("PIF", pif) for pif in call.db.get("network", network)["PIFs"]]
    pif = next((pif for pif in pifs if pif["host"] == host), None)
    if pif is None:
        raise Failure("HOST_CANNOT_ATTACH_NETWORK", host, network)
    if pif["IP"]:
        return str(pif["IP"])
    if pif["ip_configuration_mode"] == "None":
        raise Failure("PIF_HAS_NO_NETWORK_CONFIGURATION", pif.ref)
    if pif["ip_configuration_mode"] == "DHCP":
        raise Failure("INTERFACE_HAS_NO_IP", pif.ref)
    raise ocaml_failure("No IP address on PIF")


def destination(call: Call, dest: dict[str, str]) -> Destination:
    """What an answer of migrate_receive stands for. Raises INTERNAL_ERROR for what cannot be one."""
    master, xenops, session = _member(dest, "master"), _member(dest, "xenops"), _member(dest, "session_id")
    _host_of(xenops)
    coordinator = _host_of(master)
    host = _member(dest, "host")
    _member(dest, "SM")
    found = membership.at_address(call.world.pools, coordinator)
    if found is None:
        raise internal(UNREACHABLE)
    return Destination(found[0], host, session)


def _member(dest: dict[str, str], name: str) -> str:
    if name not in dest:
        raise internal("Not_found")
    return dest[name]


def _host_of(url: str) -> str:
    host = urllib.parse.urlsplit(url).hostname
    if not host:
        raise ocaml_failure(f"Cannot extract foreign IP address from: {url}")
    return host
