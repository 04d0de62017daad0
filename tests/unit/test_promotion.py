# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a promotion scrubs, restores and locks; and that any change of an instance arrives in its golden VM."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.entry import Entry, Type
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.instance import Instance as Running
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion import export, golden
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion.accounts import without_passwords
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion.archive import Unsettled
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion.fstab import restored
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion.plan import Answer
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion.scrub import Scrub
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion.sparse import reader_of
from tests.support.guest import Instance
from tests.support.manifests import TOOLS
from tests.support.mounts import memory, why_not
from tests.support.operations import OPERATIONS, operate
from tests.support.pictures import picture
from tests.support.promotion import ADAPTED, FSTAB, PRIVATE_KEY

FILE, DIRECTORY, SOCKET = (Entry(kind, 0o600, 0, 0) for kind in (Type.FILE, Type.DIRECTORY, Type.SOCKET))


@pytest.mark.parametrize(
    ("path", "entry", "reason"),
    [
        ("/etc/ssh/ssh_host_rsa_key.pub", FILE, "identity"),
        ("/etc/ssh/sshd_config", FILE, None),
        ("/etc/netplan/50-skinnybox.yaml", FILE, "network"),
        ("/etc/netplan", DIRECTORY, None),
        ("/root/.ssh/authorized_keys", FILE, "secret"),
        ("/home/me/.ssh", DIRECTORY, "secret"),
        ("/home/me/.sshrc", FILE, None),
        ("/root/.config/gcloud", DIRECTORY, "secret"),
        ("/root/.config/gcloud/credentials.db", FILE, "secret"),
        ("/home/me/.local/share/fish/fish_history", FILE, "history"),
        ("/etc/machine-info", FILE, "identity"),
        ("/var/lib/postgresql/.psql_history", FILE, "history"),
        ("/var/log/nginx", DIRECTORY, None),
        ("/var/log/nginx/access.log", FILE, "log"),
        ("/var/log/journal/1234", DIRECTORY, "log"),
        ("/var/cache/debconf/config.dat", FILE, None),
        ("/var/cache/debconf/passwords.dat", FILE, "secret"),
        ("/var/cache/man", DIRECTORY, None),
        ("/var/cache/man/index.db", FILE, "cache"),
        ("/var/lib/apt/lists/x_Packages", FILE, "cache"),
        ("/etc/ld.so.cache", FILE, "cache"),
        ("/usr/lib/python3/dist-packages/x/__pycache__/y.pyc", FILE, None),
        ("/var/spool/cron/crontabs/root", FILE, None),
        ("/var/spool/postfix/deferred/1", FILE, "state"),
        ("/var/lib/systemd/deb-systemd-helper-enabled/nginx.service.dsh-also", FILE, None),
        ("/var/lib/dpkg/status", FILE, None),
        ("/var/lib/dpkg/status-old", FILE, "state"),
        ("/var/lib/app/run.socket", SOCKET, "socket"),
        ("/srv/data", FILE, None),
    ],
)
def test_what_is_scrubbed(path: str, entry: Entry, reason: str | None) -> None:
    assert Scrub().reason(path, entry) == reason
    assert Scrub(keep=(path,)).reason(path, entry) is None
    assert Scrub(more=("/**",)).reason(path, entry) == "asked"


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("/opt/app/tls.pem", PRIVATE_KEY, "secret"),
        ("/opt/app/tls.pem", "-----BEGIN OPENSSH PRIVATE KEY-----\n", "secret"),
        ("/opt/app/tls.pem", "-----BEGIN PRIVATE KEY-----\n", "secret"),
        ("/opt/app/tls.pem", "-----BEGIN CERTIFICATE-----\n", None),
        ("/opt/app/putty.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\n", "secret"),
        ("/etc/openvpn/static", "#\n-----BEGIN OpenVPN Static key V1-----\n", "secret"),
        ("/usr/lib/python3.11/test/keycert.pem", PRIVATE_KEY, None),  # a package's
        ("/usr/local/etc/tls.pem", PRIVATE_KEY, "secret"),
    ],
)
def test_private_keys_are_known_by_what_they_are(path: str, content: str, reason: str | None) -> None:
    assert Scrub().reason_of_content(path, content.encode()) == reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ADAPTED, FSTAB),
        (FSTAB, FSTAB),
        (ADAPTED + "nfs:/a /a nfs ro 0 0\n", FSTAB + "nfs:/a /a nfs ro 0 0\n"),
        (ADAPTED.replace("# a comment\n", ""), FSTAB.replace("# a comment\n", "")),
        ("# UUID=9 /data ext4 defaults 0 2\n", "# UUID=9 /data ext4 defaults 0 2\n"),  # a person's own comment
    ],
)
def test_what_the_boot_does_to_fstab_is_undone(text: str, expected: str) -> None:
    assert restored(text, FSTAB) == expected


def test_a_line_that_a_person_has_disabled_stays_so() -> None:
    master = FSTAB + "UUID=9 /data ext4 defaults 0 2\n"
    assert restored(ADAPTED + "# UUID=9 /data ext4 defaults 0 2\n", master).endswith(
        "# UUID=9 /data ext4 defaults 0 2\n"
    )


@pytest.mark.parametrize(
    ("path", "line", "locked"),
    [
        ("/etc/shadow", "me:$6$a$b:19000:0:99999:7:::\n", "me:!::0:99999:7:::\n"),
        ("/etc/shadow", "bad line\n", "bad line\n"),
        ("/etc/passwd", "me:x:1000:1000::/home/me:/bin/sh\n", "me:x:1000:1000::/home/me:/bin/sh\n"),
        ("/etc/passwd", "me:hash:1000:1000::/home/me:/bin/sh\n", "me:!:1000:1000::/home/me:/bin/sh\n"),
        ("/etc/gshadow", "staff:hash:me:me\n", "staff:!:me:me\n"),
        ("/etc/group", "staff:x:50:me\n", "staff:x:50:me\n"),
        ("/etc/subuid", "me:100000:65536\n", "me:100000:65536\n"),
    ],
)
def test_passwords_are_left_out(path: str, line: str, locked: str) -> None:
    assert without_passwords(path, line) == locked


def test_a_golden_vm_that_was_left_halfway_is_not_sealed(tmp_path: Path) -> None:
    marker = tmp_path / "promotion.json"
    marker.write_text("{}")
    program = "import pathlib, sys, seal; seal._PROMOTION = pathlib.Path(sys.argv.pop()); sys.exit(seal.main())"
    words = [sys.executable, "-B", "-c", program, "--boot-disk", "/nowhere", str(marker)]
    done = subprocess.run(words, cwd=TOOLS, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "run playbook promote again" in done.stderr


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_files_that_go_while_an_archive_is_written_are_left_out(tmp_path: Path) -> None:
    instance = Instance(tmp_path / "instance")
    for name in ("stays", "goes", "link-1"):
        (instance.upper / name).write_text("text")
    (instance.upper / "link-2").hardlink_to(instance.upper / "link-1")
    running = Running("uuid", instance.master_id, str(instance.overlay), str(instance.master), {})
    prepared = export.prepare(running, tmp_path / "archive", [], [])
    for name in ("goes", "link-1"):
        (instance.upper / name).unlink()
    prepared.write(tmp_path / "archive")
    index, _checksum = golden.read_archive(tmp_path / "archive")
    assert list(index.items) == ["/link-2", "/stays"]
    assert index.items["/link-2"].link is None


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_file_that_shrinks_while_it_is_read_is_named(tmp_path: Path) -> None:
    instance = Instance(tmp_path / "instance")
    (instance.upper / "data").write_text("text" * 1000)
    running = Running("uuid", instance.master_id, str(instance.overlay), str(instance.master), {})
    prepared = export.prepare(running, tmp_path / "archive", [], [])
    (instance.upper / "data").write_text("text")
    with pytest.raises(Unsettled, match="/data became shorter"):
        prepared.write(tmp_path / "archive")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["instance"]


PIECES = st.lists(st.tuples(st.integers(0, 40), st.binary(min_size=1, max_size=6000)), max_size=5)


@settings(max_examples=25)
@given(pieces=PIECES, size=st.integers(0, 200_000))
def test_files_with_holes_arrive_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, pieces: object, size: int
) -> None:
    path = tmp_path_factory.mktemp("sparse") / "file"
    with path.open("wb") as file:
        for block, data in pieces:  # type: ignore[attr-defined]
            file.seek(block * 4096)
            file.write(data)
        file.truncate(size)
    packed = io.BytesIO()
    with (
        path.open("rb", buffering=0) as source,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        member = tarfile.TarInfo("root/caf\udce9")
        member.size = size
        tar.addfile(member, io.BufferedReader(reader_of(source, member)))
    packed.seek(0)
    with tarfile.open(fileobj=packed, mode="r|") as tar:
        first = tar.next()
        assert first is not None
        assert (first.name, first.size) == ("root/caf\udce9", size)
        content = tar.extractfile(first)
        assert content
        assert content.read() == path.read_bytes()


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@settings(max_examples=15)
@given(master=OPERATIONS, guest=OPERATIONS)
def test_any_change_arrives(master: list[tuple[str, str, str]], guest: list[tuple[str, str, str]]) -> None:
    with memory() as directory:
        instance = Instance(directory / "instance")
        copy, archive = directory / "golden", directory / "archive.tar.gz"
        for path in ("etc/skinnybox", "var/lib/skinnybox"):
            (instance.master / path).mkdir(parents=True)
        (instance.master / "etc/skinnybox/master-id").write_text(instance.master_id)
        for operation in master:
            operate(instance.master, *operation)
        subprocess.run(["cp", "-a", instance.master, copy], check=True)
        with instance.running() as root:
            for operation in guest:
                operate(root, *operation)
            expected = picture(root)
        running = Running("uuid", instance.master_id, str(instance.overlay), str(instance.master), {})
        export.prepare(running, archive, [], []).write(archive)
        prepared = golden.prepare(archive, str(copy), Answer.REFUSE, False)
        golden.carry_out(prepared)
        assert picture(copy) == expected
        assert not golden.prepare(archive, str(copy), Answer.REFUSE, False).changes
