"""Connections to a host that a proxy makes, as urllib3 asks for them. Reading an answer through it costs three times the CPU of
`wire`, so nothing else of it is used."""

import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.http.network.sockets import OPTIONS, not_connected

try:
    from urllib3.connection import HTTPSConnection, ProxyConfig
    from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationValueError, NewConnectionError
    from urllib3.util import parse_url
except ImportError:
    raise ConfigError("urllib3 is not installed", remedy="Install it with: pip install 'file-cdk[manifests]'") from None


class Proxy(NamedTuple):
    """url: without the user. headers: what it wants to see."""

    scheme: str
    host: str
    port: int
    url: str
    headers: Mapping[str, str]


def tunnel(proxy: Proxy, host: str, port: int, context: ssl.SSLContext, timeout_s: float) -> socket.socket:
    """With TLS to the host, and to the proxy where its URL says so. Raises OSError, UnicodeError."""
    connection = HTTPSConnection(
        proxy.host,
        proxy.port,
        timeout=timeout_s,
        ssl_context=context,
        socket_options=[*OPTIONS],
        proxy=parse_url(proxy.url),
        proxy_config=ProxyConfig(context, False, None, None),
    )
    connection.set_tunnel(scheme=proxy.scheme, host=host, port=port, headers=proxy.headers)
    try:
        connection.connect()
    except LocationValueError as exc:
        raise UnicodeError(str(exc)) from exc
    except HTTPError as exc:
        if isinstance(exc, ConnectTimeoutError) and not isinstance(exc, NewConnectionError):
            raise not_connected() from exc
        raise exc.__cause__ if isinstance(exc.__cause__, OSError) else OSError(str(exc)) from exc
    return connection.sock
