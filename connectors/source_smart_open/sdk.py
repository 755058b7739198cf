"""The one module that knows smart_open and the libraries under it: a file as a stream, its size and time without its bytes where
a protocol has a request for them that costs little, and what errors mean."""

import ftplib
import json
import logging
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from file_cdk import (
    READ_TIMEOUT_S,
    AccessError,
    ConfigError,
    Faults,
    FileAccessError,
    FileCdkError,
    Refusal,
    Refusals,
    StoreRequest,
    TransientError,
)

_INSTALL = "Install it with: pip install 'file-cdk[smart-open]'"
try:
    import smart_open
    from smart_open.webhdfs import WebHdfsException
except ImportError:
    raise ConfigError("smart_open is not installed", remedy=_INSTALL) from None

# What fails is raised, and told once; smart_open would log every try with a traceback.
logging.getLogger("smart_open").setLevel(logging.CRITICAL)

PIECE_BYTES = 1 << 18

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FTP_PORT = 21


@dataclass(frozen=True, slots=True)
class Facts:
    """modified_at: None if the server does not tell."""

    size_bytes: int
    modified_at: datetime | None


def facts_of(url: str, transport_params: Mapping[str, Any], uri: str | None = None) -> Facts | None:
    """None where only reading the file tells. uri: of a file that was listed."""
    parts = urlsplit(url)
    with _translated(url, uri):
        if parts.scheme in ("ftp", "ftps"):
            return _ftp_facts(parts, transport_params)
        if parts.scheme == "webhdfs":
            return _webhdfs_facts(parts)
        if parts.scheme == "hdfs":
            return _hdfs_facts(url)
    return None


def _ftp_facts(parts: SplitResult, transport_params: Mapping[str, Any]) -> Facts | None:
    """By SIZE (RFC 3659, section 4) and MDTM (section 3), which servers may lack."""
    timeout_s = transport_params.get("timeout", READ_TIMEOUT_S)
    encoding = transport_params.get("encoding", "utf-8")
    ftp: ftplib.FTP
    if parts.scheme == "ftps":
        ftp = ftplib.FTP_TLS(context=ssl.create_default_context(), timeout=timeout_s, encoding=encoding)  # noqa: S321
    else:
        ftp = ftplib.FTP(timeout=timeout_s, encoding=encoding)  # noqa: S321 - the configuration asks for it
    with ftp:
        ftp.connect(parts.hostname or "", parts.port or _FTP_PORT)
        ftp.login(unquote(parts.username or "anonymous"), unquote(parts.password or ""))
        ftp.voidcmd("TYPE I")
        path = unquote(parts.path)
        size = _answer(ftp, f"SIZE {path}")
        if size is None:
            return None
        changed = _answer(ftp, f"MDTM {path}")
        return Facts(int(size), None if changed is None else _ftp_time(changed))


def _answer(ftp: ftplib.FTP, command: str) -> str | None:
    """None when the server does not know the command."""
    try:
        return ftp.sendcmd(command)[4:].strip()
    except ftplib.error_perm as exc:
        if str(exc)[:3] in ("500", "502", "504"):
            return None
        raise


def _ftp_time(text: str) -> datetime | None:
    """YYYYMMDDHHMMSS, and a fraction of any length."""
    whole, _, fraction = text.partition(".")
    try:
        instant = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return instant + timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
    except ValueError:
        return None


def _webhdfs_facts(parts: SplitResult) -> Facts:
    """By GETFILESTATUS of the WebHDFS REST API."""
    import urllib.error
    import urllib.request

    query = f"{parts.query}&op=GETFILESTATUS".lstrip("&")
    if parts.username:
        query += f"&user.name={quote(unquote(parts.username))}"
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(f"http://{host}/webhdfs/v1{parts.path}?{query}")
    try:
        with urllib.request.urlopen(request, timeout=READ_TIMEOUT_S) as answer:  # noqa: S310
            status = json.load(answer)["FileStatus"]
            return _in_milliseconds(status["length"], status["modificationTime"])
    except urllib.error.HTTPError as exc:
        with exc:
            raise _StatusError(exc.code) from None


def _hdfs_facts(url: str) -> Facts:
    """By the program that smart_open reads with."""
    command = ["hdfs", "dfs", "-stat", "%b %Y", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if done.returncode:
        if "No such file" in done.stderr:
            raise FileNotFoundError
        raise ConnectionError("hdfs dfs -stat fails")
    size, changed = done.stdout.split()
    return _in_milliseconds(int(size), int(changed))


def _in_milliseconds(size_bytes: int, changed_ms: int) -> Facts:
    return Facts(size_bytes, _EPOCH + timedelta(milliseconds=changed_ms))


# Bytes


@contextmanager
def opened(url: str, transport_params: Mapping[str, Any], uri: str | None = None) -> Iterator[IO[bytes]]:
    """The file as a stream. uri: of a file that was listed, so that its loss is not the listing's."""
    parts, params = urlsplit(url), dict(transport_params)
    if parts.scheme in ("ftp", "ftps"):
        params.setdefault("timeout", READ_TIMEOUT_S)
        if not parts.username:  # smart_open takes no FTP URL without a user
            url = parts._replace(netloc=f"anonymous:anonymous@{parts.netloc.rpartition('@')[2]}").geturl()
    with _translated(url, uri):
        stream = smart_open.open(url, "rb", compression="disable", transport_params=params)
        try:
            yield stream
        finally:
            stream.close()


# Errors


class _StatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status_code = status


def _translated(url: str, uri: str | None) -> AbstractContextManager[None]:
    # Without user and query, which may hold secrets.
    parts = urlsplit(url)
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return StoreRequest(uri, {"shown": shown}).translated(_FAULTS)


_FILE = {"file"}
_LET_READ = "Let the user read it"
_USER = "Correct the user in the URL"
_GONE = "is gone since it was listed, or is forbidden"
_ABSENT = {404, 410, 550, 553}
_MISSING = (
    Refusal(FileAccessError, _GONE, statuses=_ABSENT, traits=_FILE),
    Refusal(AccessError, "there is no {shown}, or it is forbidden", "Correct `urls`", _ABSENT),
)
_HTTP_REFUSALS: Refusals = (
    *_MISSING,
    Refusal(FileAccessError, "the server forbids to read it", _LET_READ, {403}, (), _FILE),
    Refusal(AccessError, "{shown}: the server forbids it", _LET_READ, {403}),
    Refusal(AccessError, "{shown}: the server wants other credentials ({answer})", _USER, {401}),
    Refusal(TransientError, "{shown}: the server answers {answer}", None, {408, 429, *range(500, 600)}),
    Refusal(AccessError, "{shown}: the server answers {answer}, which is no file"),
)
_FTP_REFUSALS: Refusals = (
    *_MISSING,
    Refusal(AccessError, "{shown}: the server refuses the log-in ({answer})", _USER, {530, 532, 331, 430}),
    Refusal(AccessError, "{shown}: the server refuses ({answer})", None, range(500, 600)),
    Refusal(TransientError, "{shown}: the server cannot serve it now"),
)


def _by_ftp(exc: Exception, request: StoreRequest) -> FileCdkError:
    code = str(exc)[:3]
    return request.refused(_FTP_REFUSALS, int(code) if code.isdecimal() else 0, None, {})


def _not_found(exc: Any, request: StoreRequest) -> FileCdkError:
    if exc.filename == "hdfs":
        return ConfigError("the program hdfs is not installed", remedy="Install Hadoop's client, or use webhdfs://")
    return request.refused(_HTTP_REFUSALS, 404, None, {})


def _not_installed(exc: Any, request: StoreRequest) -> FileCdkError:
    package = exc.name or "see the documentation of smart_open"
    return ConfigError(f"{request.facts['shown']} needs a package that is not installed: {package}", remedy=_INSTALL)


def _broken(exc: Any, request: StoreRequest) -> FileCdkError:
    return TransientError(f"{request.facts['shown']}: {exc.strerror or 'the connection failed'}")


_UNTRUSTED = "{shown}: the server's certificate is not trusted"
_NAME_FILE = "Name the file of the authority that issued it in SSL_CERT_FILE"
_FAULTS: Faults = (
    ((ImportError,), _not_installed),
    ((ftplib.Error, EOFError), _by_ftp),
    ((FileNotFoundError,), _not_found),
    ((PermissionError,), lambda _, request: request.refused(_HTTP_REFUSALS, 403, None, {})),
    ((_StatusError, WebHdfsException), lambda exc, request: request.refused(_HTTP_REFUSALS, exc.status_code, None, {})),
    ((ssl.SSLCertVerificationError,), Refusal(AccessError, _UNTRUSTED, _NAME_FILE)),
    ((OSError,), _broken),
    (
        (NotImplementedError, ValueError, TypeError, KeyError),
        Refusal(ConfigError, "smart_open cannot open {shown} with these transport_params"),
    ),
)
