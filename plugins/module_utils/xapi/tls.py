# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP connections to XAPI: verified by default, against a CA file or a pinned certificate."""

from __future__ import annotations

import functools
import hashlib
import http.client
import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .errors import Unreachable


@dataclass(frozen=True)
class Endpoint:
    """Where XAPI answers and how it is recognised and spoken to."""

    url: str  # scheme://host[:port]
    username: str
    password: str = field(repr=False)
    validate_certs: bool = True
    ca_path: str | None = None
    fingerprint: str | None = None  # SHA-256 of the certificate, hexadecimal; several, one for each host of the pool
    timeout: float = 60.0  # seconds without a byte

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def is_tls(self) -> bool:
        return urlsplit(self.url).scheme == "https"


def endpoint_url(hostname: str) -> str:
    """The URL for what a user gives as hostname: a name, name:port or a URL. HTTPS unless http:// is written."""
    text = hostname if "://" in hostname else f"https://{hostname}"
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unreachable(f"hostname: {hostname!r} is no host name, host:port or URL with http or https.")
    return f"{parts.scheme}://{parts.netloc}"


def normal_fingerprint(text: str) -> str:
    """A SHA-256 fingerprint as 64 lower-case hexadecimal digits. Raises Unreachable when it is none."""
    digits = re.sub(r"^sha-?256[:=]", "", text.strip().lower()).replace(":", "")
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise Unreachable(f"fingerprint: {text!r} is no SHA-256 fingerprint (64 hexadecimal digits).")
    return digits


def normal_fingerprints(text: str) -> tuple[str, ...]:
    """One or several fingerprints, parted by blanks or commas. Raises Unreachable when one is none."""
    return tuple(normal_fingerprint(one) for one in re.split(r"[\s,]+", text.strip(" ,\t\n")))


class PinnedConnection(http.client.HTTPSConnection):
    """An HTTPS connection that accepts some certificates only, whoever signed them."""

    def __init__(self, host: str, fingerprints: tuple[str, ...], timeout: float) -> None:
        # Chain and name are not looked at, as the certificate itself is compared before a byte is sent.
        super().__init__(host, timeout=timeout, context=_context(None, False))
        self._fingerprints = fingerprints

    def connect(self) -> None:
        super().connect()
        certificate = self.sock.getpeercert(binary_form=True) or b""
        found = hashlib.sha256(certificate).hexdigest()
        if found not in self._fingerprints:
            self.close()
            declared = " or ".join(f"sha256:{one}" for one in self._fingerprints)
            raise ssl.SSLCertVerificationError(
                f"the fingerprint of {self.host}'s certificate is sha256:{found}, not the declared {declared}"
            )


def connect(endpoint: Endpoint, host: str | None = None, timeout: float | None = None) -> http.client.HTTPConnection:
    """An HTTP connection, not yet opened, to the endpoint or to another host of its pool."""
    host, timeout = host or endpoint.host, timeout or endpoint.timeout
    if not endpoint.is_tls:
        return http.client.HTTPConnection(host, timeout=timeout)
    if endpoint.fingerprint:
        return PinnedConnection(host, normal_fingerprints(endpoint.fingerprint), timeout)
    try:
        context = _context(endpoint.ca_path, endpoint.validate_certs)
    except OSError as problem:
        raise Unreachable(f"ca_path: {endpoint.ca_path} cannot be read as certificates: {problem}.") from None
    return http.client.HTTPSConnection(host, timeout=timeout, context=context)


@functools.lru_cache(maxsize=4)
def _context(ca_path: str | None, verifies: bool) -> ssl.SSLContext:
    """One context for all connections of a run: to read the system's certificates takes as long as many calls."""
    context = ssl.create_default_context(cafile=ca_path)
    if not verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def why(problem: Exception, endpoint: Endpoint) -> str:
    """Say in one sentence why there is no conversation with the endpoint."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        reason = getattr(problem, "verify_message", "") or str(problem)
        return (
            f"The certificate of {endpoint.host} is not accepted: {reason}. Give its CA (ca_path) or its "
            "fingerprint (fingerprint)."
        )
    if isinstance(problem, ssl.SSLError):
        return f"No TLS conversation with {endpoint.host}: {getattr(problem, 'reason', '') or problem}."
    if isinstance(problem, ConnectionRefusedError):
        return f"{endpoint.host} refuses the connection: is XAPI running there, and is the port right?"
    if isinstance(problem, TimeoutError):
        return f"{endpoint.host} did not answer within {endpoint.timeout:.0f} seconds."
    if isinstance(problem, OSError):
        return f"{endpoint.host} cannot be reached: {problem.strerror or problem}."
    return f"{endpoint.host} does not answer as XAPI does: {problem or type(problem).__name__}."
