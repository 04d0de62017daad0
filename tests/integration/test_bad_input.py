# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input and bad luck before the first write: failed, one sentence that names the object, and nothing written."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ansible import Result, run_module
from tests.support.golden import make_golden
from tests.support.lab import PASSWORD, Lab, new_lab, start_lab, stop_lab

WRONG = "not-the-password"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab that all tests of this file share, as none of them writes: noble:1, one instance of pool old, oddities."""
    lab = start_lab()
    make_golden(lab)
    assert not run_module(lab, "master_image", name="noble", golden_vm="noble-golden").failed
    addresses = {"ipv4": {"addresses": ["10.0.4.7/24"]}}
    pool = run_module(lab, "vm_pool", name="old", size=1, master="noble", networks=[addresses])
    assert not pool.failed, pool.msg
    xapi = lab.xapi
    template = xapi.VM.get_by_name_label("Other install media")[0]
    xapi.VM.clone(template, "db-001")
    for _ in range(2):
        xapi.VM.clone(template, "twin")
        xapi.network.create({"name_label": "Twin net", "name_description": "", "MTU": "1500", "other_config": {}})
        host = xapi.host.get_all()[0]
        xapi.SR.create(host, {"location": "x"}, "10995116277760", "Twin SR", "", "nfs", "user", True, {})
    yield lab
    stop_lab(lab)


def refused(lab: Lab, module: str, *words: str, password: str = PASSWORD, **arguments: Any) -> Result:
    """Run a module that must refuse without a write."""
    lab.reset_calls()
    result = run_module(lab, module, **{"password": password, **arguments})
    assert result.failed
    for word in words:
        assert word in result.msg
    assert lab.writes() == []
    assert_one_sentence(result)
    return result


def assert_one_sentence(result: Result) -> None:
    """No stack, no lines, no secrets."""
    everything = json.dumps(result.data) + result.stderr
    assert PASSWORD not in everything
    assert WRONG not in everything
    assert "Traceback" not in everything
    assert "exception" not in result.data
    assert "\n" not in result.msg
    assert len(result.msg) < 600


def pool(lab: Lab, *words: str, **options: Any) -> Result:
    return refused(lab, "vm_pool", *words, **{"name": "web", "size": 1, "master": "noble", **options})


def test_a_wrong_password_is_tried_once(lab: Lab) -> None:
    result = pool(lab, "does not accept the password of user 'root'.", password=WRONG)
    assert lab.calls()["reads"].get("session.login_with_password") == 1
    assert lab.url.removeprefix("http://") in result.msg


def test_an_unknown_user(lab: Lab) -> None:
    pool(lab, "does not accept the password of user 'nobody'.", username="nobody")


def test_a_refused_connection(lab: Lab) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        pool(lab, f"{address} refuses the connection", hostname=f"http://{address}")


def test_tls_with_a_server_that_speaks_plain_http(lab: Lab) -> None:
    pool(lab, "No TLS conversation with", hostname=lab.url.removeprefix("http://"))


def test_a_hostname_that_is_none(lab: Lab) -> None:
    pool(lab, "hostname: 'ftp://x' is no host name", hostname="ftp://x")


@pytest.mark.parametrize("name", ["vm_pool_info", "master_image_info", "master_image"])
def test_every_module_says_the_same_of_a_wrong_password(lab: Lab, name: str) -> None:
    options = {"name": "noble", "golden_vm": "noble-golden"} if name == "master_image" else {}
    refused(lab, name, "does not accept the password of user 'root'.", password=WRONG, **options)


POOLS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown master": ({"master": "jammy"}, ["Master image 'jammy' is not published in", "There are: noble."]),
    "unknown version": ({"master": "noble:9"}, ["Master image noble:9 does not exist. There are: noble:1."]),
    "unknown SR": ({"overlay": {"sr": "SSD 9"}}, ["There is no SR 'SSD 9' in the host pool. There are: "]),
    "ISO SR": ({"overlay": {"sr": "ISO images"}}, ["SR 'ISO images' (", "is of type iso: it holds no disks"]),
    "duplicate SR": ({"overlay": {"sr": "Twin SR"}}, ["2 objects of kind SR are called 'Twin SR'; give the uuid"]),
    "unknown network": ({"networks": [{"network": "DMZ"}]}, ["There is no network 'DMZ' in the host pool."]),
    "duplicate network": (
        {"networks": [{"network": "Twin net"}]},
        ["2 objects of kind network are called 'Twin net'; give the uuid of one"],
    ),
    "size zero": ({"size": 0}, ["VM pool 'web': size is 0; it must be 1 or more."]),
    "negative size": ({"size": -1}, ["VM pool 'web': size is -1"]),
    "size is text": ({"size": "many"}, ["'size'", "many"]),
    "no size": ({"size": None}, ["Options without a value: size."]),
    "no name": ({"name": None}, ["name: '' is no name of a VM pool"]),
    "overlay without unit": ({"overlay": {"size": "1024"}}, ["overlay.size: '1024' is no size"]),
    "name of a foreign VM": ({"name": "db"}, ["VM pool 'db': there is already a VM called 'db-001' ("]),
    "range too short": (
        {"size": 3, "networks": [{"ipv4": {"addresses": ["10.0.4.11-10.0.4.12/24"]}}]},
        ["VM pool 'web': networks[0].ipv4.addresses holds 2 addresses, size is 3."],
    ),
    "address in use": (
        {"networks": [{"ipv4": {"addresses": ["10.0.4.7/24"]}}]},
        ["web-001: address 10.0.4.7 is used by old-001 (", "of VM pool 'old'"],
    ),
    "private key": ({"authorized_keys": "-----BEGIN OPENSSH PRIVATE KEY-----"}, ["is no public SSH key"]),
    "unknown word": ({"colour": "blue"}, ["colour"]),
}  # fmt: skip


@pytest.mark.parametrize("case", POOLS)
def test_vm_pools_that_cannot_be(lab: Lab, case: str) -> None:
    options, words = POOLS[case]
    pool(lab, *words, **options)


def test_the_same_is_refused_in_check_mode(lab: Lab) -> None:
    pool(lab, "Master image 'jammy' is not published", master="jammy", check=True, diff=True)


@pytest.mark.parametrize(
    ("golden", "words"),
    [
        ({"golden_vm": "nobody"}, ["There is no VM 'nobody' in host pool"]),
        ({"golden_vm": "old-001"}, ["VM 'old-001' (", "is an instance of VM pool 'old', no golden VM."]),
        ({"golden_vm": "twin", "name": "twin"}, ["There is no VM 'twin'"]),
        ({"name": "noble:2"}, ["name: 'noble:2' must not hold a version"]),
        ({"keep": 0}, ["keep: 0 is not possible"]),
        ({"golden_vm": None}, ["Options without a value: golden_vm."]),
        ({"state": "retired"}, ["version"]),
        ({"state": "retired", "version": 1}, ["noble:1 cannot be retired: 1 instance(s) use it: old-001."]),
        ({"state": "promoted", "version": 7}, ["Master image noble:7 does not exist."]),
        ({"state": "promoted", "name": "jammy"}, ["Master image 'jammy' is not published"]),
        ({"name": "other"}, ["is published already, as noble:1", "to publish it as 'other'"]),
    ],
)
def test_master_images_that_cannot_be(lab: Lab, golden: dict[str, Any], words: list[str]) -> None:
    refused(lab, "master_image", *words, **{"name": "noble", "golden_vm": "noble-golden", **golden})


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"sealed": False}, "is not sealed: none of its disks holds a Skinnybox boot CD"),
        ({"debugfs": "set_super_value state 0"}, "Its root file system is not clean."),
        ({"debugfs": "feature needs_recovery"}, "its journal needs recovery"),
        ({"other_root": True}, "none of its disks holds the root filesystem"),
    ],
)
def test_golden_vms_that_cannot_be_published(lab: Lab, made: dict[str, Any], words: str) -> None:
    name = f"spoilt-{'-'.join(made)}-{'-'.join(map(str, made.values()))}"
    golden = make_golden(lab, name, **made)
    uuid = lab.xapi.VM.get_uuid(golden.vm)
    refused(lab, "master_image", f"Golden VM '{name}' ({uuid})", words, name="spoilt", golden_vm=name)


def test_golden_vms_that_run_or_are_two(lab: Lab) -> None:
    golden = make_golden(lab, "running-golden")
    lab.xapi.VM.start(golden.vm, False, False)
    refused(lab, "master_image", "Golden VM 'running-golden' (", "is Running", name="x", golden_vm="running-golden")
    for _ in range(2):
        make_golden(lab, "two")
    refused(lab, "master_image", "2 VMs are called 'two'; give the uuid", name="x", golden_vm="two")


def test_a_query_that_is_none(lab: Lab) -> None:
    refused(lab, "vm_pool_info", "query: 'instances[' is no JMESPath expression", query="instances[")


@pytest.fixture(scope="module")
def tls_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Path]]:
    ca = tmp_path_factory.mktemp("tls") / "ca.pem"
    with new_lab(ca=ca) as lab:
        yield lab, ca


def fingerprint_of(lab: Lab) -> str:
    host, _colon, port = lab.url.removeprefix("https://").partition(":")
    certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, int(port))))
    return hashlib.sha256(certificate).hexdigest()


def test_a_certificate_is_accepted_by_its_authority_or_its_fingerprint(tls_lab: tuple[Lab, Path]) -> None:
    lab, ca = tls_lab
    address = lab.url.removeprefix("https://")
    ours, of_another_host = f"sha256:{fingerprint_of(lab)}", "ab" * 32
    for trust in (
        {"ca_path": str(ca)},
        {"fingerprint": ours},
        {"fingerprint": f"{of_another_host} {ours}"},
        {"fingerprint": f"{ours}, {of_another_host}"},
        {"validate_certs": False},
    ):
        result = run_module(lab, "vm_pool_info", hostname=address, **trust)
        assert not result.failed, result.msg


def test_a_certificate_that_nobody_vouches_for(tls_lab: tuple[Lab, Path], tmp_path: Path) -> None:
    lab, _ca = tls_lab
    lab.reset_calls()
    other = "ab" * 32
    for trust, words in (
        ({}, "is not accepted: "),
        ({"fingerprint": other}, f"is sha256:{fingerprint_of(lab)}, not the declared sha256:{other}"),
        ({"fingerprint": "12:34"}, "fingerprint: '12:34' is no SHA-256 fingerprint"),
        ({"ca_path": str(tmp_path / "none.pem")}, "cannot be read as certificates"),
    ):
        result = run_module(lab, "vm_pool_info", hostname=lab.url, **trust)
        assert result.failed
        assert words in result.msg
        assert_one_sentence(result)
    assert lab.calls()["total"] == 0
