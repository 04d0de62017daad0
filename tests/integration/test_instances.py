# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin through ansible-inventory against a lab."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.ansible import list_inventory, run_module
from tests.support.golden import make_golden
from tests.support.lab import PASSWORD, Lab, start_lab, stop_lab
from tests.support.state import find_vm

PLUGIN = "skinnybox.xenserver.instances"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab whose guests report addresses: web-001 and web-002 (halted), and db-001 with a static address."""
    lab = start_lab("--agent")
    make_golden(lab)
    assert not run_module(lab, "master_image", name="noble", golden_vm="noble-golden").failed
    assert not run_module(lab, "vm_pool", name="web", size=2, master="noble", wait=True).failed
    static = [{"ipv4": {"addresses": ["10.0.4.7/24"]}}]
    halted = run_module(lab, "vm_pool", name="db", size=1, master="noble", networks=static, power_state="halted")
    assert not halted.failed
    lab.xapi.VM.hard_shutdown(find_vm(lab, "web-002"))
    yield lab
    stop_lab(lab)


def source(directory: Path, lab: Lab, name: str = "london.skinnybox.yml", **options: Any) -> Path:
    path = directory / name
    path.write_text(yaml.safe_dump({"plugin": PLUGIN, "hostname": lab.url, "password": PASSWORD, **options}))
    return path


def test_hosts_groups_and_how_to_reach_them(lab: Lab, tmp_path: Path) -> None:
    lab.reset_calls()
    found = list_inventory(source(tmp_path, lab))
    assert lab.writes() == []
    assert lab.calls()["total"] <= 15
    assert found["pool_web"]["hosts"] == ["web-001", "web-002"]
    assert found["pool_db"]["hosts"] == ["db-001"]
    assert sorted(found["skinnybox_instances"]["hosts"]) == ["db-001", "web-001", "web-002"]
    assert sorted(found["master_noble"]["hosts"]) == ["db-001", "web-001", "web-002"]
    assert sorted(found["version_noble_1"]["hosts"]) == ["db-001", "web-001", "web-002"]
    assert found["host_lab_host_1"]["hosts"] == ["web-001"]
    hosts = found["_meta"]["hostvars"]
    facts = run_module(lab, "vm_pool_info")["instances"]
    assert {name: variables["skinnybox"] for name, variables in hosts.items()} == {i["name"]: i for i in facts}
    assert hosts["web-001"]["ansible_host"] == hosts["web-001"]["skinnybox"]["addresses"][0]
    assert "ansible_host" not in hosts["web-002"]
    assert hosts["db-001"]["ansible_host"] == "10.0.4.7"
    assert PASSWORD not in str(found)


def test_ssh_takes_the_host_key_that_the_controller_made(lab: Lab, tmp_path: Path) -> None:
    variables = list_inventory(source(tmp_path, lab))["_meta"]["hostvars"]["web-001"]
    kind, key = variables["skinnybox"]["ssh_host_key"].split()[:2]
    arguments = variables["ansible_ssh_extra_args"]
    assert f"KnownHostsCommand=/bin/echo %H {kind} {key}" in arguments
    # ssh itself must understand it.
    shown = subprocess.run(f"ssh -G {arguments} host", shell=True, capture_output=True, text=True, check=True).stdout
    assert f"knownhostscommand /bin/echo %H {kind} {key}" in shown
    assert "userknownhostsfile /dev/null" in shown


def test_without_host_keys_when_not_wanted(lab: Lab, tmp_path: Path) -> None:
    hosts = list_inventory(source(tmp_path, lab, ssh_host_keys=False))["_meta"]["hostvars"]
    assert all("ansible_ssh_extra_args" not in variables for variables in hosts.values())


def test_constructed_variables_and_groups(lab: Lab, tmp_path: Path) -> None:
    found = list_inventory(
        source(
            tmp_path,
            lab,
            strict=True,
            compose={"ansible_user": "'root'", "overlay_used": "skinnybox.overlay.used"},
            groups={"down": "skinnybox.power_state != 'Running'"},
            keyed_groups=[{"key": "skinnybox.power_state", "prefix": "state"}],
        )
    )
    assert sorted(found["down"]["hosts"]) == ["db-001", "web-002"]
    assert found["state_Running"]["hosts"] == ["web-001"]
    assert found["_meta"]["hostvars"]["web-001"]["ansible_user"] == "root"
    assert found["_meta"]["hostvars"]["web-001"]["overlay_used"] > 0


def test_the_cache_spares_every_call(lab: Lab, tmp_path: Path) -> None:
    cached = source(
        tmp_path, lab, cache=True, cache_plugin="ansible.builtin.jsonfile", cache_connection=str(tmp_path / "cache")
    )
    first = list_inventory(cached)
    lab.reset_calls()
    assert list_inventory(cached) == first
    assert lab.calls()["total"] == 0
    assert PASSWORD not in "".join(path.read_text() for path in (tmp_path / "cache").iterdir())


def test_options_may_be_templates(lab: Lab, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    templated = source(tmp_path, lab, password=f"{{{{ lookup('ansible.builtin.file', '{secret}') }}}}")
    assert "pool_web" in list_inventory(templated)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"password": "wrong"}, "does not accept the password of user 'root'."),
        ({"hostname": "http://127.0.0.1:1"}, "127.0.0.1:1 refuses the connection"),
    ],
)
def test_what_goes_wrong_is_one_sentence(lab: Lab, tmp_path: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        list_inventory(source(tmp_path, lab, **options))
    assert words in " ".join(caught.value.stderr.split())
    assert "Traceback" not in caught.value.stderr
    assert PASSWORD not in caught.value.stderr


def test_other_files_are_not_ours(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        list_inventory(source(tmp_path, lab, name="london.yml"))
