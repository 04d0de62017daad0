# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: instances
short_description: Skinnybox instances of a XenServer or XCP-ng host pool
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Makes an inventory host of each instance of the VM pools, with its address and its SSH host key.
  - Groups them by VM pool (C(pool_web)), master image (C(master_noble)), version (C(version_noble_7)) and host
    (C(host_xen2)). All are in group C(skinnybox_instances).
  - Reads the host pool with a handful of calls, however many instances there are.
  - Its configuration file's name ends with C(skinnybox.yml) or C(skinnybox.yaml).
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [skinnybox.xenserver.instances]
  hostname:
    description: Name, C(name:port) or URL of the pool's coordinator. HTTPS is used unless the URL begins with C(http://).
    type: str
    required: true
    env:
      - name: XENSERVER_HOST
  username:
    description: The user to log in as; the role read-only suffices.
    type: str
    default: root
    env:
      - name: XENSERVER_USER
  password:
    description: The user's password.
    type: str
    required: true
    env:
      - name: XENSERVER_PASSWORD
  validate_certs:
    description: Whether the server's certificate must be valid. Ignored when O(fingerprint) is given.
    type: bool
    default: true
    env:
      - name: XENSERVER_VALIDATE_CERTS
  ca_path:
    description: File with the certificates to trust instead of the system's.
    type: path
    env:
      - name: XENSERVER_CA_PATH
  fingerprint:
    description:
      - SHA-256 fingerprint of the server's certificate, which is then the only one accepted.
      - In a pool of several hosts one for each, separated by blanks.
    type: str
    env:
      - name: XENSERVER_FINGERPRINT
  timeout:
    description: Seconds without an answer after which the connection counts as broken.
    type: int
    default: 60
  ssh_host_keys:
    description:
      - Let SSH know each instance's host key, which the controller made itself, so that host key checking stays on
        and asks nothing.
      - It is handed over as O(ignore:ansible_ssh_extra_args), which needs OpenSSH 8.5 or later on the controller.
    type: bool
    default: true
"""

EXAMPLES = r"""
# inventory/london.skinnybox.yml
plugin: skinnybox.xenserver.instances
hostname: xen1.example.com
username: inventory
password: "{{ lookup('env', 'XENSERVER_PASSWORD') }}"
fingerprint: sha256:4f…

# With the cache, and a group of all instances that do not run
---
plugin: skinnybox.xenserver.instances
hostname: xen1.example.com
password: "{{ lookup('env', 'XENSERVER_PASSWORD') }}"
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /tmp/skinnybox-inventory
groups:
  down: skinnybox.power_state != 'Running'
"""

from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.connection import groups, ssh_variables
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import instance_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.instances import instances
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.client import Client
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.errors import XapiError
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.read import read_host_pool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.tls import Endpoint, endpoint_url


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Instances as inventory hosts."""

    NAME = "skinnybox.xenserver.instances"

    def verify_file(self, path: str) -> bool:
        """Whether the file is ours by its name."""
        return super().verify_file(path) and path.endswith(("skinnybox.yml", "skinnybox.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        for facts in self._instances(path, cache):
            self._add(facts)

    def _instances(self, path: str, cache: bool) -> list[dict[str, Any]]:
        """Facts of all instances, from the cache where that is wanted and they are there."""
        key = self.get_cache_key(path)
        use_cache = self.get_option("cache")
        if use_cache and cache and key in self._cache:
            return self._cache[key]
        facts = self._read()
        if use_cache:
            self._cache[key] = facts
        return facts

    def _read(self) -> list[dict[str, Any]]:
        try:
            with Client(self._endpoint(), read_only=True) as client:
                pool = read_host_pool(client)
        except (XapiError, OSError) as problem:
            raise AnsibleParserError(f"Inventory of {self.get_option('hostname')}: {problem}") from None
        return [instance_facts(pool, instance) for instance in instances(pool)]

    def _endpoint(self) -> Endpoint:
        return Endpoint(
            url=endpoint_url(self._text("hostname") or ""),
            username=self._text("username") or "",
            password=self._text("password") or "",
            validate_certs=self.get_option("validate_certs"),
            ca_path=self._text("ca_path"),
            fingerprint=self._text("fingerprint"),
            timeout=float(self.get_option("timeout")),
        )

    def _text(self, option: str) -> str | None:
        """An option, templated, as a plain str: XML-RPC cannot marshal Ansible's tagged subclasses of it."""
        value = self.templar.template(self.get_option(option))
        return None if value is None else str.__str__(value)

    def _add(self, facts: dict[str, Any]) -> None:
        name = self.inventory.add_host(facts["name"])
        variables = {"skinnybox": facts, **ssh_variables(facts, self.get_option("ssh_host_keys"))}
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        for group in [*groups(facts), *([f"host_{facts['host']}"] if facts["host"] else [])]:
            self.inventory.add_child(self.inventory.add_group(self._sanitize_group_name(group)), name)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)
