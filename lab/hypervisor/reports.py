# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running guest tells: its agent's answers, and the lines that it writes to its xenstore port."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from lab.hypervisor import Callbacks, GuestReport, HypervisorError, devices, machine
from lab.hypervisor import agent as agents
from lab.hypervisor.channel import Channel, ChannelError

if TYPE_CHECKING:
    from lab.hypervisor.guest import Guest

LOG = logging.getLogger("lab")
#: Seconds between looks at what the guest says: before it has an address, afterwards, and at its xenstore port.
AGENT_EAGER, AGENT_CALM, XENSTORE_INTERVAL = 1.0, 15.0, 0.5
#: In a guest's directory: how much of its xenstore file has been read.
OFFSET = "xenstore.offset"


async def follow_agent(guest: Guest, callbacks: Callbacks) -> None:
    """Ask the agent again and again. The first question waits until the guest has come far enough."""
    patience = 86400.0
    system: dict[str, str] = {}
    told: GuestReport | None = None
    while True:
        channel = Channel(f"the agent in {guest}")
        try:
            await channel.connect(guest.directory / machine.AGENT)
            while True:
                own = await agents.addresses(channel, guest.domain, patience)
                patience = agents.PATIENCE
                system = system or await agents.operating_system(channel)
                report = agents.report(own, guest.address, guest.port, system)
                if report != told:
                    await _forward(guest, agents.primary(own))
                    await callbacks.guest_reported(guest.domain.vm_uuid, report)
                    told = report
                # Addresses come one by one, that by which it is reached not always first.
                await asyncio.sleep(AGENT_CALM if agents.primary(own) else AGENT_EAGER)
        except (ChannelError, HypervisorError) as error:
            LOG.info("%s", error)
            await asyncio.sleep(AGENT_EAGER)
        except Exception:
            LOG.exception("what the agent in %s told could not be taken in", guest)
            await asyncio.sleep(AGENT_CALM)
        finally:
            await channel.close()


async def _forward(guest: Guest, inside: tuple[int, str] | None) -> None:
    """Have QEMU pass connections to the guest's loopback address on to its address inside."""
    nics = {nic.device: nic for nic in guest.domain.nics}
    if inside is None or not nics[inside[0]].to_host:
        return
    rule = f"{devices.nic_name(inside[0])} tcp:{guest.address}:{guest.port}"
    await _monitor(guest, f"hostfwd_remove {rule}")
    complaint = await _monitor(guest, f"hostfwd_add {rule}-{inside[1]}:22")
    if complaint.strip():
        LOG.error("%s is not reachable at %s port %s: %s", guest, guest.address, guest.port, complaint.strip())


async def _monitor(guest: Guest, line: str) -> str:
    """A command that QMP lacks; answers what QEMU printed."""
    return str(await guest.execute("human-monitor-command", {"command-line": line}))


async def follow_xenstore(guest: Guest, callbacks: Callbacks) -> None:
    """Read what the guest writes as long as it runs."""
    while True:
        await read_xenstore(guest, callbacks)
        await asyncio.sleep(XENSTORE_INTERVAL)


async def read_xenstore(guest: Guest, callbacks: Callbacks) -> None:
    """Take in the complete lines `key=value` that the guest wrote since the last look."""
    offset_file = guest.directory / OFFSET
    try:
        offset = int(offset_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        offset = 0
    try:
        with (guest.directory / machine.XENSTORE).open("rb") as file:
            file.seek(offset)
            text = file.read()
    except OSError:
        return
    complete = text[: text.rfind(b"\n") + 1]
    for line in complete.decode(errors="replace").splitlines():
        key, equals, value = line.partition("=")
        if equals and key.startswith("vm-data/"):
            await callbacks.xenstore_written(guest.domain.vm_uuid, key, value)
    if complete:
        offset_file.write_text(str(offset + len(complete)), encoding="ascii")
