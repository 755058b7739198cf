"""What vendors' libraries raise, and what servers refuse, as errors that say what to do: by literal tables, of which the first
row that fits counts.

No error is chained to what it is made of, whose text may show a URL with a signature in it, or what a server repeats.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from itertools import chain
from typing import Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import AccessError, FileCdkError, FileChangedError, FileError, TransientError
from file_cdk.readers.answers import NEXT_SYNC, retry_after_s
from file_cdk.readers.connections import connection_fault

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9._]{0,60}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refusal means that has one of `statuses` or `codes` (any has, where neither is given), of a request that has
    all of `traits`. message and remedy: with the names of the request's facts in braces."""

    error: type[FileCdkError]
    message: str
    remedy: str | None = None
    statuses: Collection[int] = ()
    codes: Collection[str] = ()
    traits: Collection[str] = ()

    def fits(self, status: int, code: str, request: "StoreRequest") -> bool:
        is_any = not self.statuses and not self.codes
        return (is_any or status in self.statuses or code in self.codes) and request.traits.issuperset(self.traits)


CHANGED_SINCE_LISTED = (
    Refusal(FileChangedError, "it was replaced since it was listed", NEXT_SYNC, {412}, traits={"file"}),
    Refusal(FileChangedError, "it is shorter than it was when listed", NEXT_SYNC, {416}, traits={"file"}),
)

Refusals = Sequence[Refusal]
Faults = Sequence[tuple[tuple[type[Exception], ...], "Refusal | Callable[[Any, StoreRequest], FileCdkError]"]]
"""Types of exceptions, and what they mean. A Refusal may name {fault}, which tells of a connection, and {kind}, the type."""


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What a server was asked for, as errors tell it. uri: of the listed file; None for a listing. facts: without secrets.

    traits: `listing` or `file`, and what else decides what a refusal means.
    """

    uri: str | None
    facts: Mapping[str, str]
    traits: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        object.__setattr__(self, "traits", self.traits | {"listing" if self.uri is None else "file"})

    @contextmanager
    def translated(self, faults: Faults) -> Iterator[None]:
        """Around a request and its body: what `faults` names becomes our errors."""
        try:
            yield
        except tuple(chain.from_iterable(kinds for kinds, _ in faults)) as exc:
            raise self.fault(exc, faults) from None

    def fault(self, exc: Exception, faults: Faults) -> FileCdkError:
        meant = next(meant for kinds, meant in faults if isinstance(exc, kinds))
        if not isinstance(meant, Refusal):
            return meant(exc, self)
        return self._error(meant, {"fault": connection_fault(exc), "kind": type(exc).__name__})

    def refused(
        self, refusals: Refusals, status: int, code: str | None, headers: Mapping[str, str], **facts: str
    ) -> FileCdkError:
        """code: the server's word for the fault, heeded and shown if it is but one word; as {answer} with the status."""
        word = code if code and _CODE.fullmatch(code) else ""
        meant = next(each for each in refusals if each.fits(status, word, self))
        return self._error(meant, {"answer": f"{status} {word}".rstrip(), **facts}, retry_after_s(headers))

    def _error(self, meant: Refusal, facts: Mapping[str, str], after_s: float | None = None) -> FileCdkError:
        facts = {**self.facts, **facts}
        about: dict[str, Any] = {"remedy": meant.remedy and meant.remedy.format_map(facts)}
        if issubclass(meant.error, FileError | TransientError):
            about["uri"] = self.uri
        if issubclass(meant.error, TransientError):
            about["retry_after_s"] = after_s
        return meant.error(meant.message.format_map(facts), **about)


def requests_faults() -> Faults:
    """What requests raises, for SDKs that stand on it; {what} is a fact of the request."""
    from requests import exceptions as http
    from urllib3.exceptions import HTTPError

    remedy = "Name the certificates to trust in the environment variable REQUESTS_CA_BUNDLE"
    broken = (http.Timeout, http.ConnectionError, http.ChunkedEncodingError, HTTPError)
    return (
        ((http.SSLError,), Refusal(AccessError, "{what}: the server's certificate is not accepted", remedy)),
        (broken, Refusal(TransientError, "{what}: {fault}")),
        ((http.RequestException,), Refusal(AccessError, "{what}: the request cannot be made ({kind})")),
    )
