"""Connections to an origin, as urllib3 makes them: TLS, the proxies and the authorities of the environment.

Nothing else of urllib3 is used: reading an answer through it costs three times the CPU of `wire`.
"""

import errno
import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from file_cdk.core.errors import ConfigError

try:
    from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
    from urllib3.exceptions import (
        ConnectTimeoutError,
        HTTPError,
        LocationValueError,
        NameResolutionError,
        NewConnectionError,
    )
    from urllib3.util import make_headers, parse_url
except ImportError:
    raise ConfigError("urllib3 is not installed", remedy="Install it with: pip install 'file-cdk[manifests]'") from None

_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"([a-zA-Z]+://[^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.DOTALL)
_KEEP_ALIVE = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def split(url: str) -> tuple[Origin, str]:
    """The origin and what is asked of it: path and query. Raises ValueError for what is no URL of HTTP."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("no URL of HTTP")
    base, path, query = found.groups()
    return _origin(base), f"{path or '/'}{query or ''}"


@lru_cache(maxsize=1024)  # a run asks few origins, for many pages
def _origin(base: str) -> Origin:
    parts = urlsplit(base)
    host = parts.hostname
    if parts.scheme not in _PORTS or not host:
        raise ValueError("no URL of HTTP")
    try:
        return Origin(
            parts.scheme, host if host.isascii() else host.encode("idna").decode(), parts.port or _PORTS[parts.scheme]
        )
    except UnicodeError as exc:
        raise ValueError("a host that has no possible name") from exc


class NoLineError(Exception):
    """There is no connection. reason: in words. is_lasting: trying again is no use."""

    def __init__(self, reason: str, *, is_lasting: bool = False, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_lasting = is_lasting
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Line:
    """A connection. is_forwarded: requests go to a proxy that wants whole URLs, and these headers."""

    socket: socket.socket
    is_forwarded: bool = False
    headers: Mapping[str, str] | None = None


class Lines:
    """Makes connections by the environment of when it was made: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE,
    CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR. Proxies are those of HTTP, not of SOCKS."""

    def __init__(self) -> None:
        self._proxies = getproxies_environment()
        self._authorities = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")

    def connected(self, origin: Origin, timeout_s: float) -> Line:
        """timeout_s: for each address of the host, and for each answer to a handshake. Raises NoLineError, ConfigError."""
        proxy = self._proxy(origin)
        try:
            return self._direct(origin, timeout_s) if proxy is None else self._by_proxy(origin, proxy, timeout_s)
        except (HTTPError, OSError, UnicodeError) as exc:
            raise _no_line(exc, "the host" if proxy is None else "the proxy", timeout_s) from exc

    def _direct(self, origin: Origin, timeout_s: float) -> Line:
        connection: HTTPConnection
        if origin.scheme == "https":
            connection = HTTPSConnection(
                origin.host, origin.port, timeout=timeout_s, ssl_context=self._context, socket_options=_KEEP_ALIVE
            )
        else:
            connection = HTTPConnection(origin.host, origin.port, timeout=timeout_s, socket_options=_KEEP_ALIVE)
        connection.connect()
        return Line(connection.sock)

    def _by_proxy(self, origin: Origin, proxy: str, timeout_s: float) -> Line:
        parts = urlsplit(proxy)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        headers = make_headers(proxy_basic_auth=user) if user else {}
        if origin.scheme == "http":
            return Line(self._direct(Origin(scheme, host, port), timeout_s).socket, is_forwarded=True, headers=headers)
        context = self._context
        tunnel = HTTPSConnection(
            host,
            port,
            timeout=timeout_s,
            ssl_context=context,
            socket_options=_KEEP_ALIVE,
            proxy=parse_url(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()),
            proxy_config=ProxyConfig(context, False, None, None),
        )
        tunnel.set_tunnel(scheme=scheme, host=origin.host, port=origin.port, headers=headers)
        tunnel.connect()
        return Line(tunnel.sock)

    def _proxy(self, origin: Origin) -> str | None:
        proxy = self._proxies.get(origin.scheme) or self._proxies.get("all")
        if not proxy or _is_bypassed(origin, self._proxies):
            return None
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        try:
            split(proxy)
        except ValueError as exc:
            variable = f"{origin.scheme.upper()}_PROXY"
            raise ConfigError(
                f"{variable} names no proxy of HTTP", remedy=f"Correct {variable}: http://HOST:PORT"
            ) from exc
        return proxy

    @cached_property
    def _context(self) -> ssl.SSLContext:
        if not (path := self._authorities):
            return ssl.create_default_context()  # which heeds SSL_CERT_FILE and SSL_CERT_DIR
        try:
            if os.path.isdir(path):  # noqa: PTH112 -- a text of the environment
                return ssl.create_default_context(capath=path)
            return ssl.create_default_context(cafile=path)
        except (OSError, ssl.SSLError) as exc:
            raise ConfigError(
                "the file of trusted authorities cannot be read",
                remedy="Correct REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, which name it",
            ) from exc


def _is_bypassed(origin: Origin, proxies: Mapping[str, str]) -> bool:
    if proxy_bypass(f"{origin.host}:{origin.port}", dict(proxies)):
        return True
    try:
        address = ipaddress.ip_address(origin.host)
    except ValueError:
        return False
    return any(address in network for network in _networks(proxies.get("no", "")))


def _networks(no_proxy: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for each in filter(None, map(str.strip, no_proxy.split(","))):
        try:
            found.append(ipaddress.ip_network(each, strict=False))
        except ValueError:
            continue  # a name
    return found


def _no_line(exc: Exception, whom: str, timeout_s: float) -> NoLineError:
    cause = exc.__cause__ if isinstance(exc, HTTPError) and exc.__cause__ is not None else exc
    if isinstance(cause, ssl.SSLCertVerificationError):
        return NoLineError(
            f"the certificate of the server is not trusted ({cause.verify_message})",
            is_lasting=True,
            remedy="Name the file of the authority that issued it in SSL_CERT_FILE or REQUESTS_CA_BUNDLE",
        )
    if isinstance(exc, UnicodeError | LocationValueError):  # a label of more than 63 characters
        return NoLineError(f"{whom} has no possible name", is_lasting=True)
    if isinstance(exc, NameResolutionError):
        return NoLineError(f"the name of {whom} cannot be resolved")
    if isinstance(exc, ConnectTimeoutError) and not isinstance(exc, NewConnectionError):
        return NoLineError(f"no connection to {whom} within {timeout_s:g} s")
    if isinstance(cause, TimeoutError):
        return NoLineError(f"{whom} was silent for {timeout_s:g} s while the connection was made")
    if isinstance(cause, ssl.SSLError):
        return NoLineError("TLS failed")
    if isinstance(cause, OSError) and "Tunnel connection failed: 407" in str(cause):
        return NoLineError("the proxy wants credentials", is_lasting=True, remedy="Set them in HTTPS_PROXY")
    if isinstance(cause, OSError) and "Tunnel connection failed" in str(cause):
        return NoLineError("the proxy makes no connection to the host")
    if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
        return NoLineError(f"{whom} refuses the connection")
    return NoLineError(f"{whom} cannot be reached")
