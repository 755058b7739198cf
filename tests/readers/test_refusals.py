"""Errors of vendors' libraries and refusals of servers, turned into ours by tables."""

import pytest
import requests

from file_cdk import (
    CHANGED_SINCE_LISTED,
    AccessError,
    Faults,
    FileAccessError,
    FileCdkError,
    FileChangedError,
    Refusal,
    Refusals,
    StoreRequest,
    TransientError,
    requests_faults,
)

REFUSALS: Refusals = (
    Refusal(TransientError, "{what}: the server answered {answer}", None, {503}, {"SlowDown"}),
    *CHANGED_SINCE_LISTED,
    Refusal(FileAccessError, "may not be read", "Ask {owner}", {403}, (), {"file"}),
    Refusal(AccessError, "{what} is not public", None, {403}, (), {"anonymous"}),
    Refusal(AccessError, "{what}: refused ({answer})"),
)
FACTS = {"what": "bucket '{b}'", "owner": "its owner"}
LISTING, FILE = StoreRequest(None, FACTS), StoreRequest("k", FACTS)
ANONYMOUS = StoreRequest(None, FACTS, frozenset({"anonymous"}))


@pytest.mark.parametrize(
    ("request_", "status", "code", "kind", "text"),
    [
        (FILE, 503, None, TransientError, "bucket '{b}': the server answered 503 (file 'k')"),
        (LISTING, 400, "SlowDown", TransientError, "bucket '{b}': the server answered 400 SlowDown"),
        (FILE, 412, "", FileChangedError, None),
        (LISTING, 412, "", AccessError, "bucket '{b}': refused (412)"),
        (FILE, 403, "Denied", FileAccessError, "may not be read (file 'k'). Ask its owner"),
        (LISTING, 403, "Denied", AccessError, "bucket '{b}': refused (403 Denied)"),
        (ANONYMOUS, 403, "Denied", AccessError, "bucket '{b}' is not public"),
        (LISTING, 400, "sig=s3cr3t&x", AccessError, "bucket '{b}': refused (400)"),
    ],
)
def test_the_first_row_that_fits_counts(
    request_: StoreRequest, status: int, code: str | None, kind: type[FileCdkError], text: str | None
) -> None:
    error = request_.refused(REFUSALS, status, code, {"retry-after": "7"})
    assert type(error) is kind
    assert text is None or str(error) == text
    assert vars(error).get("retry_after_s") == (7.0 if kind is TransientError else None)


def test_faults_are_translated_around_request_and_body_and_not_chained() -> None:
    faults: Faults = (
        ((KeyError,), lambda exc, request: FileAccessError("has no such key", uri=request.uri)),
        ((LookupError, OSError), Refusal(TransientError, "{what}: {kind}")),
    )
    for raised, kind in ((KeyError("s3cr3t"), FileAccessError), (IndexError("s3cr3t"), TransientError)):
        with pytest.raises(kind) as caught, FILE.translated(faults):
            raise raised
        assert caught.value.__suppress_context__
        assert "s3cr3t" not in f"{caught.value}{vars(caught.value)}"
    with pytest.raises(ValueError, match="ours"), FILE.translated(faults):
        raise ValueError("ours")


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (requests.exceptions.SSLError("s3cr3t"), AccessError, "certificate is not accepted"),
        (requests.exceptions.ReadTimeout("s3cr3t"), TransientError, "nothing came in time"),
        (requests.exceptions.InvalidURL("s3cr3t"), AccessError, r"cannot be made \(InvalidURL\)"),
    ],
)
def test_what_requests_raises(fault: Exception, kind: type[FileCdkError], text: str) -> None:
    with pytest.raises(kind, match=text) as caught, LISTING.translated(requests_faults()):
        raise fault
    assert "s3cr3t" not in str(caught.value)
