# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does what ansible-test wants of get-pip.py, without a download: installs pip by the pip of ensurepip."""

import ensurepip
import sys
from pathlib import Path

wheel = next(Path(ensurepip.__file__).with_name("_bundled").glob("pip-*.whl"))
sys.path.insert(0, str(wheel))

from pip._internal.cli.main import main  # noqa: E402

sys.exit(main(["install", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]))
