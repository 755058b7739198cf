"""A file's size and time without its bytes, where a protocol has a request for them that costs little."""

import ftplib
import json
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from source_smart_open.failures import TIMEOUT_S, HttpStatusError, MissingError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FTP_PORT = 21


@dataclass(frozen=True, slots=True)
class Facts:
    """modified_at: None if the server does not tell."""

    size_bytes: int
    modified_at: datetime | None


def facts_of(url: str, transport_params: Mapping[str, Any]) -> Facts | None:
    """None where only reading the file tells. Raises what the protocol's library raises."""
    parts = urlsplit(url)
    if parts.scheme in ("ftp", "ftps"):
        return _of_ftp(parts, transport_params)
    if parts.scheme == "webhdfs":
        return _of_webhdfs(parts)
    if parts.scheme == "hdfs":
        return _of_hdfs(url)
    return None


def _of_ftp(parts: SplitResult, transport_params: Mapping[str, Any]) -> Facts | None:
    """By SIZE (RFC 3659, section 4) and MDTM (section 3), which servers may lack."""
    timeout_s = transport_params.get("timeout", TIMEOUT_S)
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


def _of_webhdfs(parts: SplitResult) -> Facts:
    """By GETFILESTATUS of the WebHDFS REST API."""
    import urllib.error
    import urllib.request

    query = f"{parts.query}&op=GETFILESTATUS".lstrip("&")
    if parts.username:
        query += f"&user.name={quote(unquote(parts.username))}"
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(f"http://{host}/webhdfs/v1{parts.path}?{query}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            status = json.load(answer)["FileStatus"]
            return _in_milliseconds(status["length"], status["modificationTime"])
    except urllib.error.HTTPError as exc:
        with exc:
            raise HttpStatusError(exc.code) from None


def _of_hdfs(url: str) -> Facts:
    """By the program that smart_open reads with."""
    command = ["hdfs", "dfs", "-stat", "%b %Y", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if done.returncode:
        if "No such file" in done.stderr:
            raise MissingError
        raise ConnectionError("hdfs dfs -stat fails")
    size, changed = done.stdout.split()
    return _in_milliseconds(int(size), int(changed))


def _in_milliseconds(size_bytes: int, changed_ms: int) -> Facts:
    return Facts(size_bytes, _EPOCH + timedelta(milliseconds=changed_ms))
