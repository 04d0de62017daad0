# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What surrounds a QEMU process: its JSON channels, the guest's agent, loopback addresses, processes found again."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest

from lab.hypervisor import Domain, DomainNic
from lab.hypervisor.accelerator import virtualization_in_processor
from lab.hypervisor.addresses import NETWORK, choose_address, listens
from lab.hypervisor.agent import assign, primary, report
from lab.hypervisor.channel import Channel, ChannelError
from lab.hypervisor.process import Process

MACS = ("52:54:00:00:00:0A", "52:54:00:00:00:0b")
DOMAIN = Domain("u", "n", 1, 1, "bios", "cd", [], [DomainNic(n, mac, "net") for n, mac in enumerate(MACS)])


def test_a_channel_tells_answers_refusals_and_events_apart(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"QMP": {}}\n\xffhalf a line}\n')
        while line := await reader.readline():
            asked = json.loads(line)
            if asked["execute"] == "end":
                break
            writer.write(json.dumps({"event": "SEEN", "data": asked["execute"]}).encode() + b"\n")
            verdict = (
                {"error": {"desc": "no such thing"}} if asked["execute"] == "bad" else {"return": asked["arguments"]}
            )
            writer.write(json.dumps(verdict | {"id": asked["id"]}).encode() + b"\n")
        writer.close()

    async def scenario() -> None:
        listener = socket.socket(socket.AF_UNIX)
        short = tmp_path / "s"
        listener.bind(str(short))
        short.rename(deep / "s")
        server = await asyncio.start_unix_server(serve, sock=listener)
        channel = Channel("it")
        await channel.connect(deep / "s")
        assert await channel.execute("good", {"a": 1}) == {"a": 1}
        with pytest.raises(ChannelError, match="it: no such thing"):
            await channel.execute("bad")
        assert [(await channel.events.get())["data"] for _ in range(2)] == ["good", "bad"]
        with pytest.raises(ChannelError, match="it: the connection ended"):
            await channel.execute("end")
        assert channel.ended.is_set()
        with pytest.raises(ChannelError, match="not connected, so no more"):
            await channel.execute("more")
        await channel.close()
        server.close()

    asyncio.run(scenario())


def test_a_missing_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match=r"the guest: cannot connect to .*absent"):
        asyncio.run(Channel("the guest").connect(tmp_path / "absent"))


def test_an_agent_s_answer_is_sorted_by_the_domain_s_nics() -> None:
    told: list[dict[str, Any]] = [
        {"name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": [{"ip-address": "127.0.0.1"}]},
        {"name": "b", "hardware-address": MACS[1].upper(), "ip-addresses": [{"ip-address": "10.0.9.4"}]},
        {
            "name": "a",
            "hardware-address": MACS[0].lower(),
            "ip-addresses": [{"ip-address": "fe80::1"}, {"ip-address": "fd00::7"}, {"ip-address": "10.0.2.15"}],
        },
        {"name": "no addresses", "hardware-address": MACS[1]},
    ]
    assert assign(told, DOMAIN) == {0: ["fd00::7", "10.0.2.15"], 1: ["10.0.9.4"]}


def test_a_report_tells_the_loopback_address_for_the_first_nic_with_ipv4() -> None:
    own = {0: ["fd00::7"], 1: ["10.0.2.15", "10.0.2.16"], 2: ["10.0.9.4"]}
    assert primary(own) == (1, "10.0.2.15")
    found = report(own, "127.16.0.9", 2222, {"name": "x"})
    assert found.networks == {
        "0/ipv6/0": "fd00::7",
        "1/ip": "127.16.0.9",
        "1/ipv4/0": "127.16.0.9",
        "1/ipv4/1": "10.0.2.16",
        "2/ip": "10.0.9.4",
        "2/ipv4/0": "10.0.9.4",
    }
    assert (found.other["lab-inside"], found.other["lab-ssh-port"]) == ("10.0.2.15", "2222")
    assert primary({}) is None and report({}, "127.16.0.9", 22, {}).networks == {}


def test_addresses_are_free_and_given_once(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    first = choose_address(tmp_path, [], port)
    assert first in [str(address) for address in NETWORK]
    with socket.socket() as other:
        other.bind((first, port))
        other.listen(1)
        assert not listens(first, port)
        second = choose_address(tmp_path, [], port)
        third = choose_address(tmp_path, [second], port)
    assert len({first, second, third}) == 3


def test_a_process_is_found_by_its_file_only_while_it_is_that_process(tmp_path: Path) -> None:
    file = tmp_path / "pid"

    async def scenario() -> None:
        assert Process.find(file, "x") is None
        # What says a word of its own has its command line for certain.
        with Popen(["sh", "-c", "echo; read line", "a word"], stdin=PIPE, stdout=PIPE) as sleeper:
            assert sleeper.stdout is not None and sleeper.stdout.readline() == b"\n"
            file.write_text(f"{sleeper.pid}\n")
            assert Process.find(file, "another word") is None
            found = Process.find(file, "a word")
            assert found is not None and not found.gone.is_set()
            found.kill()
            await asyncio.wait_for(found.gone.wait(), 10)
            # It is a zombie still: nobody has waited for it.
            assert Process.find(file, "a word") is None
        assert Process.find(file, "a word") is None

    asyncio.run(scenario())


@pytest.mark.parametrize(("flags", "expected"), [("fpu vmx sse", True), ("fpu svm", True), ("fpu vmx_like", False)])
def test_a_processor_must_be_able_to_virtualize(tmp_path: Path, flags: str, expected: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert virtualization_in_processor(cpuinfo) is expected
    assert not virtualization_in_processor(tmp_path / "absent")
