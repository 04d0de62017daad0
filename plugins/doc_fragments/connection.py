# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  hostname:
    description:
      - Name, C(name:port) or URL of the pool's coordinator. HTTPS is used unless the URL begins with C(http://).
      - If the value is not given, the value of environment variable E(XENSERVER_HOST) is used.
    type: str
    required: true
  username:
    description:
      - The user to log in as.
      - If the value is not given, the value of environment variable E(XENSERVER_USER) is used.
    type: str
    default: root
  password:
    description:
      - The user's password.
      - If the value is not given, the value of environment variable E(XENSERVER_PASSWORD) is used.
    type: str
    required: true
  validate_certs:
    description:
      - Whether the server's certificate must be valid. Ignored when O(fingerprint) is given.
      - If the value is not given, the value of environment variable E(XENSERVER_VALIDATE_CERTS) is used.
    type: bool
    default: true
  ca_path:
    description:
      - File with the certificates of the authorities (or the server's own one) to trust, instead of the system's.
      - If the value is not given, the value of environment variable E(XENSERVER_CA_PATH) is used.
    type: path
  fingerprint:
    description:
      - SHA-256 fingerprint of the server's certificate, which is then the only one accepted. Hosts come with
        self-signed certificates, for which this is the simplest safe choice.
      - In a pool of several hosts give one for each, separated by blanks. Disks on a host's local SR are written
        through that host, and another host may become the coordinator.
      - If the value is not given, the value of environment variable E(XENSERVER_FINGERPRINT) is used.
    type: str
  timeout:
    description: Seconds without an answer after which the connection counts as broken.
    type: int
    default: 60
"""
