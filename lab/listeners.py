# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the hosts of a lab are reached: the same ports on an address for each host, opened and closed one by one."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab.unbounded import UnboundedBodies

#: How often another free port is tried when the one that was picked is taken at another host's address.
ATTEMPTS = 20


@dataclass(frozen=True)
class Endpoint:
    """A port that every host listens on."""

    port: int
    context: ssl.SSLContext | None

    def url(self, address: str) -> str:
        return f"{'https' if self.context else 'http'}://{address}:{self.port}"


@dataclass
class Host:
    """The listening sockets of one address, and the connections to them."""

    servers: list[asyncio.Server] = field(default_factory=list)
    connections: set[asyncio.Transport] = field(default_factory=set)


class Connection(UnboundedBodies):
    """A connection that its host knows of, so that it can be cut."""

    def __init__(self, inner: asyncio.Protocol, connections: set[asyncio.Transport]) -> None:
        super().__init__(inner)
        self._connections = connections
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport:
            self._connections.discard(self._transport)
        super().connection_lost(error)


class Listeners:
    """All listening sockets of a lab. One without a protocol to serve, as in tests within a process, has none."""

    def __init__(self) -> None:
        #: makes the protocol of a connection
        self.serve: Callable[[], asyncio.Protocol] | None = None
        self._hosts: dict[str, Host] = {}
        self.endpoints: list[Endpoint] = []

    async def listen(self, addresses: Sequence[str], port: int, context: ssl.SSLContext | None = None) -> Endpoint:
        """Serve one more port at all addresses; 0 picks a free one. Raises OSError when the port is taken."""
        for attempt in range(ATTEMPTS):
            try:
                endpoint = await self._listen(addresses, port, context)
            except OSError as error:
                last = attempt == ATTEMPTS - 1
                if port or last or error.errno != errno.EADDRINUSE:
                    raise
            else:
                self.endpoints.append(endpoint)
                return endpoint
        raise AssertionError("not reached")

    async def _listen(self, addresses: Sequence[str], port: int, context: ssl.SSLContext | None) -> Endpoint:
        made: list[tuple[Host, asyncio.Server]] = []
        try:
            for address in addresses:
                host = self._hosts.setdefault(address, Host())
                server = await self._open(address, Endpoint(port, context), host)
                made.append((host, server))
                port = server.sockets[0].getsockname()[1]
        except OSError:
            for host, server in made:
                server.close()
                host.servers.remove(server)
            raise
        return Endpoint(port, context)

    async def _open(self, address: str, endpoint: Endpoint, host: Host) -> asyncio.Server:
        serve = self.serve
        assert serve, "nothing to serve"
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(serve(), host.connections), address, endpoint.port, ssl=endpoint.context, backlog=1024
        )
        host.servers.append(server)
        return server

    async def open(self, address: str) -> None:
        """Serve again at an address that was closed, or at one more. Raises OSError."""
        if self.serve is None:
            return
        host = self._hosts.setdefault(address, Host())
        if not host.servers:
            for endpoint in self.endpoints:
                await self._open(address, endpoint, host)

    def close(self, address: str) -> None:
        """Nobody answers at the address any more, and its connections break off, as when its power fails."""
        host = self._hosts.get(address, Host())
        for server in host.servers:
            server.close()
        host.servers.clear()
        self.cut(address)

    def cut(self, address: str) -> None:
        """Break the connections to an address; it goes on answering new ones."""
        for transport in list(self._hosts.get(address, Host()).connections):
            # over TLS, too: a failing host says no goodbye
            with contextlib.suppress(RuntimeError):
                transport.abort()

    def close_all(self) -> None:
        """Accept nothing more anywhere; connections stay until they end."""
        for host in self._hosts.values():
            for server in host.servers:
                server.close()
            host.servers.clear()
