# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What paths are, where nobody has said it: caches, backups, texts, databases."""

from __future__ import annotations

from .globs import matches

#: Where what lies on the disk is only a copy of what can be made again. Directories stay: services expect them.
CACHES = (
    "/var/cache/**",
    "/var/lib/apt/lists/**",
    "/etc/ld.so.cache",
    "/usr/**/__pycache__",
    "/usr/**/__pycache__/**",
)
#: Below a cache by name, but data.
_NO_CACHES = ("/var/cache/debconf/**",)
#: What triggers of packages make of files of all packages: the instance's knows what the instance has installed.
GENERATED = (
    "/etc/udev/hwdb.bin",
    "/usr/lib/*/gdk-pixbuf-2.0/*/loaders.cache",
    "/usr/lib/*/gio/modules/giomodule.cache",
    "/usr/lib/locale/locale-archive",
    "/usr/lib/udev/hwdb.bin",
    "/usr/share/applications/mimeinfo.cache",
    "/usr/share/glib-2.0/schemas/gschemas.compiled",
    "/usr/share/icons/*/icon-theme.cache",
    "/usr/share/info/dir",
    "/usr/share/mime/**",
    "/var/lib/systemd/catalog/database",
)
#: Copies that programs leave when they write a file anew; they would bring back what was before.
BACKUPS = (
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/subuid-",
    "/etc/subgid-",
    "/var/backups/**",
)
#: What an image says of itself, never an instance.
_MASTERS_OWN = ("/etc/skinnybox/master-id",)
#: Files of lines, one matter a line, where both sides' changes can stand together.
_TEXTS = ("/etc/**", "/var/lib/ucf/*", "/usr/local/etc/**")
#: What the rules for accounts and packages must decide as a whole, so that it fits together.
_DATABASES = (
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
    "/var/lib/dpkg/**",
)


def is_cache(path: str) -> bool:
    """Whether what is at this path can be dropped, since it is made again."""
    return matches(path, CACHES) and not matches(path, _NO_CACHES)


def is_generated(path: str) -> bool:
    """Whether a file at this path is made anew with the next package that concerns it."""
    return matches(path, GENERATED)


def is_backup(path: str) -> bool:
    """Whether a file at this path is a program's copy of what another one was before."""
    return matches(path, BACKUPS)


def is_masters_own(path: str) -> bool:
    """Whether only a master may say what stands at this path."""
    return matches(path, _MASTERS_OWN)


def is_text(path: str) -> bool:
    """Whether a file at this path has lines that can be merged, when it is text at all."""
    return matches(path, _TEXTS)


def is_database(path: str) -> bool:
    """Whether the rules for accounts and packages alone decide about this path."""
    return matches(path, _DATABASES)
