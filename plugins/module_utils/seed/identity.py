# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity layer: the files that make a guest the instance it is."""

from __future__ import annotations

from ..model.identity import NETPLAN, Identity
from .network import network_files
from .tree import File, Layer

STAMP_FORMAT = 1


def identity_layer(identity: Identity) -> Layer:
    """Return the identity layer of an instance."""
    files = [
        File("etc/hostname", f"{identity.hostname}\n".encode()),
        File("etc/hosts", _hosts(identity.hostname).encode()),
        File("etc/machine-id", f"{identity.machine_id}\n".encode(), 0o444),
        File("etc/ssh/ssh_host_ed25519_key", identity.host_key.private.encode(), 0o600),
        File("etc/ssh/ssh_host_ed25519_key.pub", f"{identity.host_key.public}\n".encode()),
        *network_files(identity),
    ]
    if identity.authorized_keys:
        keys = "".join(f"{key.strip()}\n" for key in identity.authorized_keys)
        files.append(File("root/.ssh/authorized_keys", keys.encode(), 0o600))
    # netplan merges all files of its directory: the golden VM's own would apply to the instance too.
    opaque = ("etc/netplan",) if identity.network == NETPLAN else ()
    return Layer(tuple(files), opaque)


def stamp(identity: Identity) -> bytes:
    """Return the content of ``/.skinnybox``, by which the guest's hook knows the disk as its own."""
    lines = {
        "format": STAMP_FORMAT,
        "instance": identity.instance,
        "pool": identity.pool,
        "overlay": identity.overlay,
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items()).encode()


def _hosts(hostname: str) -> str:
    names = " ".join(dict.fromkeys([hostname, hostname.split(".")[0]]))
    return (
        "127.0.0.1\tlocalhost\n"
        f"127.0.1.1\t{names}\n"
        "\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n"
    )
