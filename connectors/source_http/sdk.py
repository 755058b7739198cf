"""Requests over urllib3: redirects, credentials that stay with their host, errors in our own words."""

import errno
import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from http.client import HTTPException
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from file_cdk import (
    CONNECT_TIMEOUT_S,
    NEXT_SYNC,
    READ_TIMEOUT_S,
    AccessError,
    ConfigError,
    Faults,
    FileAccessError,
    FileCdkError,
    FileChangedError,
    Refusal,
    Refusals,
    StoreRequest,
    TransientError,
)
from source_http.addresses import Address

try:
    from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout, exceptions, make_headers
except ImportError:
    raise ConfigError("urllib3 is not installed", remedy="Install it with: pip install 'file-cdk[http]'") from None

MAX_REDIRECTS = 10

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONNECTIONS_PER_HOST = 64
_SMALL_BODY_BYTES = 1 << 16


class Client:
    """Shared by threads; belongs to one process. headers and authorization go to the hosts that requests name, and not to
    where these redirect."""

    def __init__(self, headers: Mapping[str, str], authorization: str | None) -> None:
        self._timeout = Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
        self._headers = dict(headers)
        self._authorization = authorization
        self._proxies = getproxies_environment()
        self._pools: dict[str | None, PoolManager] = {}

    def open(self, method: str, address: Address, headers: Mapping[str, str]) -> BaseHTTPResponse:
        """The answer, redirects followed, with its body still to be read; the caller closes it. Raises AccessError,
        ConfigError and TransientError for no answer at all."""
        own = dict(self._headers)
        if authorization := address.authorization or self._authorization:
            own["Authorization"] = authorization
        url, trusted = address.url, True
        for _ in range(MAX_REDIRECTS + 1):
            sent = {"User-Agent": "file-cdk", "Accept": "*/*", **(own if trusted else {}), **headers}
            with translated(address.shown):
                response = self._pool(url).request(
                    method,
                    url,
                    headers={**sent, "Accept-Encoding": "identity"},
                    preload_content=False,
                    decode_content=False,
                    redirect=False,
                    retries=False,
                    timeout=self._timeout,
                )
                target = response.headers.get("Location")
                if response.status not in _REDIRECTS or not target:
                    return response
                _finish(response)
            url, was = _target(url, target, address), url
            trusted = trusted and _same_host(was, url)
        raise AccessError(f"{address.shown} redirects more than {MAX_REDIRECTS} times")

    def _pool(self, url: str) -> PoolManager:
        parts = urlsplit(url)
        proxy = self._proxies.get(parts.scheme) or self._proxies.get("all")
        if proxy is not None and proxy_bypass(parts.netloc, self._proxies):
            proxy = None
        if proxy not in self._pools:
            self._pools[proxy] = self._made_pool(proxy)
        return self._pools[proxy]

    def _made_pool(self, proxy: str | None) -> PoolManager:
        # The default context heeds SSL_CERT_FILE and SSL_CERT_DIR.
        context = ssl.create_default_context()
        if proxy is None:
            return PoolManager(num_pools=32, maxsize=_CONNECTIONS_PER_HOST, ssl_context=context)
        with translated("the proxy"):
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
            return ProxyManager(
                parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
                num_pools=32,
                maxsize=_CONNECTIONS_PER_HOST,
                ssl_context=context,
                proxy_headers=None if user is None else make_headers(proxy_basic_auth=user),
            )


def _target(url: str, location: str, address: Address) -> str:
    try:
        parts = urlsplit(urljoin(url, location))
        host = parts.hostname
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise AccessError(f"{address.shown} redirects to what is no HTTP URL")
    # Without the user that it may name: who redirects does not choose the credentials.
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _same_host(one: str, other: str) -> bool:
    """Whether what is meant for one may go to the other: the same server, or the same name after a step up to TLS."""
    before, after = urlsplit(one), urlsplit(other)
    if before.scheme == after.scheme:
        return before.netloc.lower() == after.netloc.lower()
    return (before.scheme, after.scheme) == ("http", "https") and (
        before.hostname == after.hostname and (before.port or 80, after.port or 443) == (80, 443)
    )


def _finish(response: BaseHTTPResponse) -> None:
    """Leaves the connection to the next request where that takes little reading."""
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) <= _SMALL_BODY_BYTES:
        response.drain_conn()
        response.release_conn()
    else:
        response.close()


def translated(shown: str) -> AbstractContextManager[None]:
    """Of what urllib3 raises, our errors: it quotes whole URLs. shown: names whom it concerns."""
    return StoreRequest(None, {"shown": shown}).translated(_FAULTS)


def refused(shown: str, response: BaseHTTPResponse, uri: str | None = None) -> FileCdkError:
    """Why a file cannot be listed or, with its uri, read."""
    return StoreRequest(uri, {"shown": shown}).refused(_REFUSALS, response.status, None, response.headers)


GONE = frozenset({404, 410})
_PASSING = frozenset({408, 421, 425, 429, *range(500, 600)} - {501, 505})
_CORRECT = "Correct `urls`, or set `missing` to skip for those with braces"
_MAY_READ = "Check that the credentials may read it"
_FILE = {"file"}
_REFUSALS: Refusals = (
    Refusal(FileAccessError, "is gone since it was listed ({answer})", statuses=GONE, traits=_FILE),
    Refusal(AccessError, "there is no {shown} ({answer})", _CORRECT, GONE),
    Refusal(FileChangedError, "is not the version that was listed", NEXT_SYNC, {412, 416}, traits=_FILE),
    Refusal(FileAccessError, "the server forbids to read it ({answer})", _MAY_READ, {403}, traits=_FILE),
    Refusal(TransientError, "{shown}: the server answers {answer}", None, _PASSING),
    Refusal(AccessError, "{shown}: the server wants other credentials ({answer})", "Correct `credentials`", {401}),
    Refusal(AccessError, "{shown}: the server forbids it ({answer})", _MAY_READ, {403}),
    Refusal(AccessError, "{shown}: the proxy wants credentials ({answer})", "Set them in HTTP_PROXY", {407}),
    Refusal(AccessError, "{shown}: the server answers {answer}, which is no file"),
)


def _tls_fault(exc: Exception, request: StoreRequest) -> FileCdkError:
    shown = request.facts["shown"]
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in _causes(exc)):
        remedy = "Name the file of the authority that issued it in SSL_CERT_FILE"
        return AccessError(f"{shown}: the server's certificate is not trusted", remedy=remedy)
    return TransientError(f"{shown}: TLS failed")


def _proxy_fault(exc: Exception, request: StoreRequest) -> FileCdkError:
    shown = request.facts["shown"]
    if " 407" in str(exc):
        return AccessError(f"{shown}: the proxy wants credentials", remedy="Set them in HTTPS_PROXY")
    return TransientError(f"{shown}: the proxy cannot be reached")


_NOT_MADE = "{shown} cannot be asked for: no URL, or a header that cannot be sent"
_FAULTS: Faults = (
    ((exceptions.LocationValueError, exceptions.InvalidHeader, UnicodeError), Refusal(ConfigError, _NOT_MADE)),
    ((exceptions.SSLError,), _tls_fault),
    ((exceptions.ProxyError,), _proxy_fault),
    (
        (exceptions.HTTPError, HTTPException, OSError),
        lambda exc, request: TransientError(f"{request.facts['shown']}: {_in_words(exc)}"),
    ),
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    for each in error.args:
        if isinstance(each, BaseException):
            yield from _causes(each)


def _in_words(error: Exception) -> str:
    if isinstance(error, exceptions.NameResolutionError):
        return "the host's name cannot be resolved"
    if isinstance(error, exceptions.ConnectTimeoutError) and not isinstance(error, exceptions.NewConnectionError):
        return f"no connection within {CONNECT_TIMEOUT_S:g} s"
    if isinstance(error, exceptions.NewConnectionError):
        cause = error.__cause__
        refused = isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED
        return "the connection is refused" if refused else "the host cannot be reached"
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return f"nothing arrived for {READ_TIMEOUT_S:g} s"
    return "the connection broke off"


logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its warnings quote URLs with their queries
