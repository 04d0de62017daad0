# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity layer: the files that make a guest the instance it is."""

from __future__ import annotations

from typing import Sequence

from ..model.identity import NETPLAN, Identity
from .network import INTERFACES_FILE, NETPLAN_FILE, network_files, networkd_file
from .tree import File, Layer

STAMP_FORMAT = 1

#: More NICs than a VM can have.
_MOST_NICS = 16

#: Every file that an identity layer may have, by which it is read back.
PATHS = (
    "etc/hostname",
    "etc/hosts",
    "etc/machine-id",
    "etc/ssh/ssh_host_ed25519_key",
    "etc/ssh/ssh_host_ed25519_key.pub",
    NETPLAN_FILE,
    *(networkd_file(index) for index in range(_MOST_NICS)),
    INTERFACES_FILE,
    "root/.ssh/authorized_keys",
)

#: Without these nobody is who he was.
ESSENTIAL = PATHS[:5]


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
    return Layer(tuple(files), _opaque(identity.network == NETPLAN))


def layer_of(files: Sequence[File]) -> Layer:
    """Return the identity layer that consists of these files, read back from an overlay disk."""
    return Layer(tuple(files), _opaque(any(file.path == NETPLAN_FILE for file in files)))


def _opaque(is_netplan: bool) -> tuple[str, ...]:
    # netplan merges all files of its directory: the golden VM's own would apply to the instance too.
    return ("etc/netplan",) if is_netplan else ()


def stamp(instance: str, pool: str, overlay: str) -> bytes:
    """Return the content of ``/.skinnybox``, by which the guest's hook knows the disk as its own.

    ``instance`` and ``overlay`` are uuids (of the instance, of the disk), ``pool`` is the VM pool's name.
    """
    lines = {"format": STAMP_FORMAT, "instance": instance, "pool": pool, "overlay": overlay}
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
