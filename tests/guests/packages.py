# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small Debian packages in several versions, made by dpkg-deb where the tests run: no registry is asked."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT_UNIT = "/lib/systemd/system"


@dataclass(frozen=True)
class Package:
    """One version of a package.

    With ``user``, installing it makes a system user of that name with /var/lib/<name>/state; with ``service``, a unit
    of the package's name runs as that user. Files below /etc are conffiles, as debhelper has it.
    """

    name: str
    version: str
    files: dict[str, str] = field(default_factory=dict)
    depends: str = ""
    user: str = ""
    service: bool = False

    def build(self, directory: Path) -> Path:
        """Make the package in a directory; the path of the .deb."""
        tree = directory / f"{self.name}-{self.version}"
        files = dict(self.files)
        if self.service:
            files[f"{ROOT_UNIT}/{self.name}.service"] = UNIT.format(name=self.name, user=self.user)
        for path, content in files.items():
            (tree / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (tree / path[1:]).write_text(content)
            (tree / path[1:]).chmod(0o755 if path.startswith("/usr/bin/") else 0o644)
        control = tree / "DEBIAN"
        control.mkdir(parents=True)
        (control / "control").write_text(self._control())
        (control / "conffiles").write_text("".join(f"{path}\n" for path in files if path.startswith("/etc/")))
        # What dpkg -V compares with; conffiles have theirs in the database.
        sums = {path[1:]: hashlib.md5(content.encode()).hexdigest() for path, content in files.items()}
        lines = [f"{sums[path]}  {path}\n" for path in sums if not path.startswith("etc/")]
        (control / "md5sums").write_text("".join(lines))
        for script, lines in (("postinst", self._postinst()), ("prerm", self._prerm())):
            (control / script).write_text("\n".join(["#!/bin/sh", "set -e", *lines, ""]))
            (control / script).chmod(0o755)
        made = directory / f"{self.name}_{self.version}_all.deb"
        # Fast compression, as slow guests unpack it; owners as in any package, whoever runs the tests.
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(made)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return made

    def _control(self) -> str:
        fields = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": "all",
            "Maintainer": "Skinnybox contributors <tests@skinnybox.invalid>",
            "Description": "one of the packages of Skinnybox's tests",
        }
        if self.depends:
            fields["Depends"] = self.depends
        return "".join(f"{name}: {value}\n" for name, value in fields.items())

    def _postinst(self) -> list[str]:
        lines = []
        if self.user:
            state = f"/var/lib/{self.user}"
            make_user = f"useradd --system --home-dir {state} --shell /usr/sbin/nologin {self.user}"
            lines += [f"getent passwd {self.user} >/dev/null || {make_user}"]
            lines += [f"install -d -o {self.user} -g {self.user} {state}"]
            lines += [f"install -o {self.user} -g {self.user} -m 0600 /dev/null {state}/state"]
            lines += [f"echo {self.name} > {state}/state"]
        if self.service:
            lines += [
                f"systemctl enable --quiet {self.name}",
                f"systemctl daemon-reload; systemctl restart {self.name}",
            ]
        return lines

    def _prerm(self) -> list[str]:
        if not self.service:
            return []
        return [f'test "$1" != remove || systemctl disable --quiet --now {self.name}']


UNIT = """\
[Unit]
Description={name}

[Service]
User={user}
ExecStart=/bin/sleep infinity

[Install]
WantedBy=multi-user.target
"""


def _main_conf(first: str, last: str) -> str:
    return "\n".join(
        [f"listen = {first}", *(f"# {number} of ten lines between" for number in range(1, 11)), f"cache = {last}", ""]
    )


#: skinny-demo's configuration as its versions ship it: what version 2.0 and later have is the master's change.
MAIN = {"1": _main_conf("80", "small"), "2": _main_conf("80", "large")}
EXTRA = {"1": "mode = plain\n", "2": "mode = strict\n"}
QUIET = "quiet = no\n"
LOUD = {"1": "loud = no\n", "2": "loud = yes\n"}


def demo(version: str) -> Package:
    """A package with a service, a user and four conffiles, three of which change with version 2."""
    series = "1" if version.startswith("1.") else "2"
    return Package(
        "skinny-demo",
        version,
        {
            "/usr/bin/skinny-demo": f"#!/bin/sh\necho {version}\n",
            f"/usr/share/skinny-demo/only-in-{version}": f"{version}\n",
            "/usr/share/skinny-demo/version": f"{version}\n",
            "/etc/skinny-demo/main.conf": MAIN[series],
            "/etc/skinny-demo/extra.conf": EXTRA[series],
            "/etc/skinny-demo/quiet.conf": QUIET,
            "/etc/skinny-demo/loud.conf": LOUD[series],
        },
        user="skinny-demo",
        service=True,
    )


def tool(version: str) -> Package:
    """A package whose later version has one file more, as a fixed program may."""
    files = {"/usr/bin/skinny-tool": f"#!/bin/sh\necho {version}\n", "/etc/skinny-tool.conf": "colour = blue\n"}
    if version != "1.0":
        files["/usr/share/skinny-tool/since-1.1"] = "new\n"
    return Package("skinny-tool", version, files)


#: New in the next master: its user is a newcomer to every instance.
NEWS = Package("skinny-news", "1.0", {"/usr/bin/skinny-news": "#!/bin/sh\necho news\n"}, user="skinny-news")
#: Only ever in an instance, where its user takes the number that skinny-news has in the next master.
EXTRA_PACKAGE = Package(
    "skinny-extra",
    "1.0",
    {"/usr/bin/skinny-extra": "#!/bin/sh\necho extra\n", "/etc/skinny-extra.conf": "extra = yes\n"},
    depends="skinny-demo (>= 1.0)",
    user="skinny-extra",
    service=True,
)
