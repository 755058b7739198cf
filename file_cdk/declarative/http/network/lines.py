"""Connections to an origin: over TLS where it wants that, by the proxies and the authorities of the environment.

What only some need is imported by them alone: `ssl`, urllib3 and urllib.request take as long as all else of a request.
"""

import base64
import errno
import os
import re
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.http.network.sockets import OPTIONS, not_connected

if TYPE_CHECKING:
    import ssl

_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"([a-zA-Z]+://[^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.DOTALL)


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


class Line(msgspec.Struct, frozen=True):
    """A connection. is_forwarded: requests go to a proxy that wants whole URLs, and these headers."""

    socket: socket.socket
    is_forwarded: bool = False
    headers: tuple[tuple[str, str], ...] = ()


class Lines:
    """Makes connections by the environment of when it was made: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE,
    CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR. Proxies are those of HTTP, not of SOCKS."""

    def __init__(self) -> None:
        self._proxies = _proxies()
        self._authorities = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        if self._proxies.get("https") or self._proxies.get("all"):
            # Here, before there are threads: streams that begin at once have been seen to break each other's import of urllib3.
            with suppress(ConfigError):  # told when there is a tunnel to be made
                import file_cdk.declarative.http.network.tunnels  # noqa: F401

    def connected(self, origin: Origin, timeout_s: float) -> Line:
        """timeout_s: for each address of the host, and for each answer to a handshake. Raises NoLineError, ConfigError."""
        proxy = self._proxy(origin)
        try:
            return self._direct(origin, timeout_s) if proxy is None else self._by_proxy(origin, proxy, timeout_s)
        except (OSError, UnicodeError) as exc:
            raise _no_line(exc, "the host" if proxy is None else "the proxy", timeout_s) from exc

    def _direct(self, origin: Origin, timeout_s: float) -> Line:
        try:
            connected = socket.create_connection((origin.host, origin.port), timeout_s)
        except TimeoutError as exc:
            raise not_connected() from exc
        try:
            for option in OPTIONS:
                connected.setsockopt(*option)
            if origin.scheme == "https":
                return Line(self._context.wrap_socket(connected, server_hostname=origin.host.rstrip(".")))
        except BaseException:
            connected.close()
            raise
        return Line(connected)

    def _by_proxy(self, origin: Origin, proxy: str, timeout_s: float) -> Line:
        parts = urlsplit(proxy)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        if origin.scheme == "http":
            line = self._direct(Origin(scheme, host, port), timeout_s)
            return Line(line.socket, is_forwarded=True, headers=tuple(_authorization(user).items()))
        from file_cdk.declarative.http.network.tunnels import Proxy, tunnel  # needs urllib3

        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        by = Proxy(scheme, host, port, url, _authorization(user))
        return Line(tunnel(by, origin.host, origin.port, self._context, timeout_s))

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
    def _context(self) -> "ssl.SSLContext":
        import ssl

        path = self._authorities
        is_folder = path is not None and os.path.isdir(path)  # noqa: PTH112 -- a text of the environment
        try:
            # Without either it heeds SSL_CERT_FILE and SSL_CERT_DIR.
            context = ssl.create_default_context(
                cafile=None if is_folder else path or None, capath=path if is_folder else None
            )
        except OSError as exc:
            raise ConfigError(
                "the file of trusted authorities cannot be read",
                remedy="Correct REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, which name it",
            ) from exc
        context.set_alpn_protocols(["http/1.1"])
        return context


def _authorization(user: str | None) -> Mapping[str, str]:
    """Of a proxy. user: with the password, after a colon."""
    if user is None:
        return {}
    return {"proxy-authorization": f"Basic {base64.b64encode(user.encode('latin-1')).decode()}"}


def _proxies() -> Mapping[str, str]:
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    from urllib.request import getproxies_environment

    return getproxies_environment()


def _is_bypassed(origin: Origin, proxies: Mapping[str, str]) -> bool:
    from urllib.request import proxy_bypass

    if proxy_bypass(f"{origin.host}:{origin.port}", dict(proxies)):
        return True
    return _is_within(origin.host, filter(None, map(str.strip, proxies.get("no", "").split(","))))


def _is_within(host: str, networks: Iterable[str]) -> bool:
    import ipaddress

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for each in networks:
        with suppress(ValueError):  # a name
            if address in ipaddress.ip_network(each, strict=False):
                return True
    return False


def _no_line(exc: OSError | UnicodeError, whom: str, timeout_s: float) -> NoLineError:
    import ssl

    if isinstance(exc, ssl.SSLCertVerificationError):
        return NoLineError(
            f"the certificate of the server is not trusted ({exc.verify_message})",
            is_lasting=True,
            remedy="Name the file of the authority that issued it in SSL_CERT_FILE or REQUESTS_CA_BUNDLE",
        )
    if isinstance(exc, UnicodeError):  # a label of more than 63 characters
        return NoLineError(f"{whom} has no possible name", is_lasting=True)
    if isinstance(exc, socket.gaierror):
        return NoLineError(f"the name of {whom} cannot be resolved")
    if isinstance(exc, TimeoutError):
        if exc.errno == errno.ETIMEDOUT:
            return NoLineError(f"no connection to {whom} within {timeout_s:g} s")
        return NoLineError(f"{whom} was silent for {timeout_s:g} s while the connection was made")
    if isinstance(exc, ssl.SSLError):
        return NoLineError("TLS failed")
    if "Tunnel connection failed: 407" in str(exc):
        return NoLineError("the proxy wants credentials", is_lasting=True, remedy="Set them in HTTPS_PROXY")
    if "Tunnel connection failed" in str(exc):
        return NoLineError("the proxy makes no connection to the host")
    if exc.errno == errno.ECONNREFUSED:
        return NoLineError(f"{whom} refuses the connection")
    return NoLineError(f"{whom} cannot be reached")
