"""What the headers and the status of an answer say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from file_cdk import AccessError, FileAccessError, FileCdkError, FileChangedError, TransientError

_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)", re.IGNORECASE)
_TRANSIENT = frozenset({408, 421, 425, 429})
GONE = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class Version:
    """What identifies one version of a file, as far as the server says. size_bytes: None if it does not."""

    size_bytes: int | None
    etag: str | None
    modified_at: datetime | None

    @classmethod
    def of(cls, headers: Mapping[str, str], size_bytes: int | None) -> "Version":
        return cls(size_bytes, headers.get("ETag") or None, http_date(headers.get("Last-Modified")))


def http_date(text: str | None) -> datetime | None:
    """None for what is no date; some servers send 0 or text."""
    if not text:
        return None
    try:
        instant = parsedate_to_datetime(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def content_length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdecimal() else None


def content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Where the bytes begin, and the size of the whole; None for what is not said."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        return None, None
    return int(found[1]) if found[1] else None, None if found[3] == "*" else int(found[3])


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    at = http_date(text)
    return None if at is None else max(0.0, (at - datetime.now(UTC)).total_seconds())


def listing_error(status: int, headers: Mapping[str, str], shown: str) -> FileCdkError:
    """Why a file cannot be listed."""
    if status in GONE:
        return AccessError(
            f"there is no {shown} ({status})", remedy="Correct `urls`, or set `missing` to skip for those with braces"
        )
    return _any_error(status, headers, shown)


def reading_error(status: int, headers: Mapping[str, str], shown: str, uri: str) -> FileCdkError:
    """Why a file that was listed cannot be read."""
    if status in GONE:
        return FileAccessError(f"is gone since it was listed ({status})", uri=uri)
    if status in (412, 416):
        return changed(uri)
    if status == 403:
        return FileAccessError(
            "the server forbids to read it (403)", uri=uri, remedy="Check that the credentials may read it"
        )
    return _any_error(status, headers, shown)


def changed(uri: str) -> FileChangedError:
    return FileChangedError("is not the version that was listed", uri=uri, remedy="The next sync takes the new version")


def _any_error(status: int, headers: Mapping[str, str], shown: str) -> FileCdkError:
    if status in _TRANSIENT or (status >= 500 and status not in (501, 505)):
        return TransientError(f"{shown}: the server answers {status}", retry_after_s=retry_after_s(headers))
    if status == 401:
        return AccessError(f"{shown}: the server wants other credentials (401)", remedy="Correct `credentials`")
    if status == 403:
        return AccessError(f"{shown}: the server forbids it (403)", remedy="Check that the credentials may read it")
    if status == 407:
        return AccessError(f"{shown}: the proxy wants credentials (407)", remedy="Set them in HTTP_PROXY")
    return AccessError(f"{shown}: the server answers {status}, which is no file")
