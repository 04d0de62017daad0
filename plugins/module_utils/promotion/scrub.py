# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an instance is never promoted: what makes it this one instance, its secrets, and what only it has use for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..layers.entry import Entry, Type
from ..rebase.defaults import is_backup, is_cache
from ..rebase.globs import matches

#: Where packages bring keys that are no secrets, such as those of their own tests.
_OF_PACKAGES = ("/usr/**",)
_NOT_OF_PACKAGES = ("/usr/local/**",)
_PRIVATE_KEY = re.compile(
    rb"---- ?BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)? ?----|-----BEGIN OpenVPN Static key|PuTTY-User-Key-File-\d|"
    rb"AGE-SECRET-KEY-1"
)
#: Bytes of a file in which a private key is looked for.
LOOKED_AT = 1 << 16


@dataclass(frozen=True, slots=True)
class Rule:
    """Paths that are scrubbed, and why. Directories go only where ``trees`` says so: services need theirs."""

    reason: str
    globs: tuple[str, ...]
    trees: bool = False


RULES = (
    Rule(
        "identity",
        (
            "/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostname", "/etc/hosts", "/etc/mailname",
            "/etc/ssh/ssh_host_*", "/etc/adjtime", "/etc/iscsi/initiatorname.iscsi", "/etc/nvme/host*",
            "/etc/machine-info", "/etc/hostid", "/etc/salt/minion_id",
        ),
    ),
    Rule(
        "network",
        (
            "/etc/netplan/**", "/etc/network/interfaces", "/etc/systemd/network/*-skinnybox-*", "/etc/resolv.conf",
            "/etc/NetworkManager/system-connections/**", "/etc/udev/rules.d/70-persistent-net.rules",
        ),
    ),
    Rule(
        "secret",
        (
            "/etc/ssl/private/**", "/etc/letsencrypt/**", "/etc/wireguard/**", "/etc/krb5.keytab",
            "/etc/apt/auth.conf", "/etc/apt/auth.conf.d/**", "/var/cache/debconf/passwords.dat",
            "/**/.netrc", "/**/.pgpass", "/**/.my.cnf", "/**/.git-credentials", "/**/.vault-token",
            "/**/.docker/config.json", "/**/id_rsa", "/**/id_ecdsa", "/**/id_ed25519", "/**/.npmrc", "/**/.pypirc",
            "/**/.smbcredentials", "/**/.Xauthority", "/**/.vnc/passwd", "/**/.config/gh/hosts.yml",
            "/**/.config/containers/auth.json", "/**/.config/rclone/rclone.conf", "/var/lib/samba/private/**",
            "/var/lib/tailscale/**", "/var/lib/puppet/ssl/**", "/etc/puppetlabs/puppet/ssl/**",
        ),
    ),
    Rule("secret", ("/**/.ssh", "/**/.ssh/**", "/**/.gnupg", "/**/.gnupg/**", "/**/.aws", "/**/.aws/**",
                    "/**/.kube", "/**/.kube/**", "/**/.azure", "/**/.azure/**", "/**/.config/gcloud",
                    "/**/.config/gcloud/**", "/**/.password-store", "/**/.password-store/**"), trees=True),
    Rule(
        "history",
        (
            "/**/.*_history", "/**/.zhistory", "/**/fish_history", "/**/.lesshst", "/**/.viminfo", "/**/.wget-hsts",
            "/**/.sudo_as_admin_successful",
        ),
    ),
    Rule("log", ("/var/log/**", "/var/lib/logrotate/status", "/var/crash/**")),
    Rule("log", ("/var/log/journal/**",), trees=True),
    Rule("cache", ("/root/.cache", "/root/.cache/**", "/home/*/.cache", "/home/*/.cache/**"), trees=True),
    Rule("temporary", ("/tmp/**", "/var/tmp/**", "/run/**", "/dev/**", "/proc/**", "/sys/**", "/lost+found",
                       "/lost+found/**", "/**/.ansible", "/**/.ansible/**"), trees=True),
    Rule(
        "state",
        (
            "/etc/.updated", "/var/.updated", "/etc/.pwd.lock", "/var/lib/dpkg/lock*", "/var/lib/dpkg/*-old",
            "/var/lib/apt/daily_lock", "/var/lib/apt/periodic/*", "/var/lib/dhcp/*", "/var/lib/dhcpcd/*",
            "/var/lib/NetworkManager/*", "/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret",
            "/var/lib/systemd/timesync/**", "/var/lib/systemd/timers/**", "/var/lib/systemd/coredump/**",
            "/var/lib/systemd/rfkill/**", "/var/lib/private/systemd/**", "/var/lib/chrony/*", "/var/lib/cloud/**",
        ),
    ),
    Rule("boot", ("/boot/**", "/vmlinuz*", "/initrd.img*"), trees=True),
    Rule("skinnybox", ("/etc/skinnybox/**", "/usr/lib/skinnybox/**", "/var/lib/skinnybox/**"), trees=True),
)  # fmt: skip
#: Queues of mail and print jobs; crontabs are no queue.
_QUEUES = re.compile(r"/var/(?:spool/(?!cron/crontabs/)|mail/).*")


@dataclass(frozen=True)
class Scrub:
    """What to scrub: the rules, what a person says, and the paths of layers that are not the instance's own."""

    keep: tuple[str, ...] = ()  # globs of what is promoted whatever the rules say
    more: tuple[str, ...] = ()  # globs of what else is not
    given: frozenset[str] = frozenset()  # paths of the identity and personality layers and of what instances get

    def keeps(self, path: str) -> bool:
        """Whether a person wants it promoted whatever the rules say."""
        return matches(path, self.keep)

    def reason(self, path: str, entry: Entry) -> str | None:
        """Why a path is not promoted, by what it is called; None when it is."""
        is_directory = entry.type is Type.DIRECTORY
        if self.keeps(path):
            return None
        if matches(path, self.more):
            return "asked"
        if entry.type is Type.SOCKET:
            return "socket"
        for rule in RULES:
            if (rule.trees or not is_directory) and matches(path, rule.globs):
                return rule.reason
        return None if is_directory else self._reason_of_file(path)

    def reason_of_content(self, path: str, content: bytes) -> str | None:
        """Why a file is not promoted, by what it begins with."""
        if not _PRIVATE_KEY.search(content) or self.keeps(path):
            return None
        if matches(path, _OF_PACKAGES) and not matches(path, _NOT_OF_PACKAGES):
            return None
        return "secret"

    def _reason_of_file(self, path: str) -> str | None:
        if path in self.given:
            return "identity"
        if is_backup(path) or _QUEUES.fullmatch(path):
            return "state"
        # What dpkg's triggers made stays; the cache of libraries is made anew by the import.
        is_made_again = is_cache(path) and (path.startswith("/var/") or path == "/etc/ld.so.cache")
        return "cache" if is_made_again else None
