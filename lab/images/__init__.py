# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real guests for the lab: disks as an installer of a distribution leaves them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.images.debian import RELEASES, ImageError, blank_disk, make_image


def main(argv: list[str] | None = None) -> int:
    """The command `image NAME [--output DISK.raw --authorized-key KEY.pub]`; answers the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab image", description="Make a disk with a plain Debian.")
    parser.add_argument("name", choices=sorted(RELEASES), help="which system")
    parser.add_argument("--output", type=Path, help="raw disk image to write (sparse); else only the cache is filled")
    parser.add_argument("--authorized-key", type=Path, help="public SSH key that root accepts")
    parser.add_argument("--cache", default=Path(".lab/cache"), type=Path, help="kept between runs (%(default)s)")
    parser.add_argument("--mirror", help="Debian mirror, when not the one mmdebstrap knows by itself")
    parser.add_argument("--hostname", default="debian", help="the guest's name (%(default)s)")
    parser.add_argument("--refresh", action="store_true", help="build afresh, with the packages of today")
    arguments = parser.parse_args(argv)
    if arguments.output and not arguments.authorized_key:
        parser.error("--output needs --authorized-key")
    release = RELEASES[arguments.name]
    source = {"cache": arguments.cache, "mirror": arguments.mirror, "refresh": arguments.refresh}
    try:
        if not arguments.output:
            print(blank_disk(release, **source))
            return 0
        key = arguments.authorized_key.read_text(encoding="utf-8")
        make_image(release, arguments.output, authorized_key=key, hostname=arguments.hostname, **source)
    except (ImageError, OSError) as error:
        print(f"image {arguments.name}: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.output}: {arguments.name}, ssh as root with the key of {arguments.authorized_key}")
    return 0
