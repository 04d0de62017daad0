# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP answers of transfers: a head that goes out before the work, heads without a body, and pages for errors."""

from __future__ import annotations

from aiohttp import web

UNCACHED = {"cache-control": "no-cache, no-store", "connection": "close"}
PAGES = {
    400: ("HTTP 400 bad request", "The request makes no sense."),
    401: ("HTTP 401 unauthorised", "Please check user and password, or the session."),
    403: ("HTTP 403 forbidden", "This user may not have that."),
    404: ("HTTP 404 missing", "There is nothing at this address."),
    500: ("HTTP 500 internal server error", "Something went wrong that nobody foresaw."),
    501: ("HTTP 501 Method Not Implemented", "That cannot be done with anything here."),
}


class Stream(web.StreamResponse):
    """An answer of unknown length, ended by the end of the connection, as XAPI's transfers are."""

    # otherwise the library would send it in chunks, which XAPI does not
    _length_check = False

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(headers={**headers, **UNCACHED})
        self.force_close()

    async def end(self, request: web.Request) -> None:
        """All is sent: end the connection at once, whatever the client still sends."""
        await self.write_eof()
        if request.transport:
            request.transport.close()


def drop(request: web.Request) -> None:
    """End the connection in the middle of an answer."""
    if request.transport:
        request.transport.close()


def head(status: int, headers: dict[str, str] | None = None) -> web.Response:
    """An answer without a body."""
    response = web.Response(status=status, headers={**UNCACHED, **(headers or {})})
    response.force_close()
    return response


def page(status: int, headers: dict[str, str] | None = None, more: str = "") -> web.Response:
    """An answer for people: what went wrong."""
    title, text = PAGES[status]
    response = head(status, headers)
    response.body = f"<html><body><h1>{title}</h1>{text}{more}</body></html>".encode()
    response.headers["content-type"] = "text/html"
    return response


def unauthorised(realm: str) -> web.Response:
    return page(401, {"www-authenticate": f'Basic realm="{realm}"'})
