# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Identities: what is refused, and the files and host keys that are made of one."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.identity import (
    HostKey,
    Identity,
    Ipv4,
    Ipv6,
    Nic,
    check_hostname,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.host_keys import generate_host_key
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.identity import identity_layer, stamp
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.tree import File

INSTANCE = "0b9ce8f2-5f7b-4c4e-9d3e-0f3f4d8f1a01"
OVERLAY = "7c9ce8f2-5f7b-4c4e-9d3e-0f3f4d8f1a02"
MAC = "aa:bb:cc:dd:ee:01"


def an_identity() -> Identity:
    return Identity(
        instance=INSTANCE,
        pool="web",
        overlay=OVERLAY,
        hostname="web-001.example.com",
        nics=(Nic(MAC),),
        authorized_keys=("ssh-ed25519 AAAA someone@example.com\n".strip(),),
        host_key=HostKey("the private key\n", "ssh-ed25519 BBBB root@web-001"),
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"instance": INSTANCE.upper()}, "instance uuid"),
        ({"instance": INSTANCE.replace("-", "")}, "instance uuid"),
        ({"overlay": "overlay-1"}, "overlay uuid"),
        ({"hostname": "web_1"}, "no host name"),
        ({"hostname": ""}, "no host name"),
        ({"pool": "web\nformat=2"}, "pool name"),
        ({"network": "ifupdown"}, "ifupdown"),
        ({"authorized_keys": ("ssh-ed25519 AAAA\nssh-rsa BBBB",)}, "one line"),
        ({"authorized_keys": (" ",)}, "one line"),
        ({"nics": (Nic(MAC), Nic(MAC))}, MAC),
    ],
)
def test_identity_refuses(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(an_identity(), **change)


@pytest.mark.parametrize("name", ["a" * 65, "-web", "web-", "WEB", "web..example", "web 1", ".web", "a" * 64])
def test_hostname_refused(name):
    with pytest.raises(ValueError, match="no host name"):
        check_hostname(name)


@pytest.mark.parametrize("name", ["web-001", "w", "web-001.example.com", "a" * 63, "1"])
def test_hostname_accepted(name):
    check_hostname(name)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Ipv4("10.0.0.1"), "prefix length"),
        (lambda: Ipv4("10.0.0.256/24"), "not an IP address"),
        (lambda: Ipv4("2001:db8::1/64"), "not an IPv4"),
        (lambda: Ipv4("10.0.0.1/24", "2001:db8::1"), "not an IPv4"),
        (lambda: Ipv4(None, "10.0.0.1"), "static address"),
        (lambda: Ipv6("2001:db8::1/64", "auto"), "takes no address"),
        (lambda: Ipv6(None, "dhcp", "fe80::1"), "no gateway"),
        (lambda: Ipv6(None, "static"), "needs an address"),
        (lambda: Ipv6("10.0.0.1/24", "static"), "not an IPv6"),
        (lambda: Ipv6(None, "slaac"), "slaac"),  # type: ignore[arg-type]
        (lambda: Nic("AA:BB:CC:DD:EE:01"), "lower-case"),
        (lambda: Nic("aabb.ccdd.ee01"), "lower-case"),
        (lambda: Nic(MAC, dns=("ns1",)), "ns1"),
        (lambda: Nic(MAC, search=("example com",)), "example com"),
    ],
)
def test_network_refuses(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


def files_of(identity: Identity) -> dict[str, File]:
    return {entry.path: entry for entry in identity_layer(identity).entries if isinstance(entry, File)}


def test_identity_files():
    files = files_of(an_identity())
    assert files["etc/hostname"].content == b"web-001.example.com\n"
    assert b"127.0.1.1\tweb-001.example.com web-001\n" in files["etc/hosts"].content
    assert files["etc/machine-id"].content == b"0b9ce8f25f7b4c4e9d3e0f3f4d8f1a01\n"
    assert files["etc/ssh/ssh_host_ed25519_key"].content == b"the private key\n"
    assert files["etc/ssh/ssh_host_ed25519_key.pub"].content == b"ssh-ed25519 BBBB root@web-001\n"
    assert files["root/.ssh/authorized_keys"].content == b"ssh-ed25519 AAAA someone@example.com\n"
    assert {path for path, file in files.items() if file.mode == 0o600} == {
        "etc/ssh/ssh_host_ed25519_key",
        "root/.ssh/authorized_keys",
        "etc/netplan/50-skinnybox.yaml",
    }


def test_no_keys_no_file():
    assert not any(
        path.startswith("root/") for path in files_of(dataclasses.replace(an_identity(), authorized_keys=()))
    )


def test_layer_directories_parents_first():
    directories = identity_layer(an_identity()).directories()
    paths = [path for path, _mode in directories]
    assert all("/" not in path or path.rpartition("/")[0] in paths[: paths.index(path)] for path in paths)
    assert {path for path, mode in directories if mode == 0o700} == {"root", "root/.ssh"}


def test_golden_netplan_files_are_hidden():
    assert identity_layer(an_identity()).opaque == ("etc/netplan",)
    assert identity_layer(dataclasses.replace(an_identity(), network="networkd")).opaque == ()


def test_stamp():
    who = an_identity()
    assert stamp(who.instance, who.pool, who.overlay).decode().splitlines() == [
        "format=1",
        f"instance={INSTANCE}",
        "pool=web",
        f"overlay={OVERLAY}",
    ]


def test_private_key_is_never_shown():
    identity = an_identity()
    assert "the private key" not in repr(identity) + repr(identity_layer(identity))


def test_host_key_pair(tmp_path):
    first, second = generate_host_key("web-001"), generate_host_key("web-002")
    assert first.private != second.private
    assert first.public.split()[0] == "ssh-ed25519"
    assert first.public.endswith("root@web-001")
    private = tmp_path / "key"
    private.write_text(first.private)
    private.chmod(0o600)
    derived = subprocess.run(["ssh-keygen", "-y", "-f", str(private)], capture_output=True, text=True, check=True)
    assert derived.stdout.split()[:2] == first.public.split()[:2]
