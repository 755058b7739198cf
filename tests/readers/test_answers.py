"""Answers to who asks for a range of a listed file: which are taken, what of their bodies, and what refuses the others."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk import FileChangedError, RangeAnswer, RemoteFile, TransientError, plain_etag, retry_after_s

DATA = bytes(range(40))
FILE = RemoteFile("k", len(DATA), datetime(2026, 1, 1, tzinfo=UTC), "v1")


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@given(st.integers(0, 39), st.integers(1, 40), st.integers(1, 50), st.booleans(), st.booleans())
def test_what_was_asked_for_comes(start: int, length: int, size: int, is_whole: bool, is_told: bool) -> None:
    end = min(start + length, len(DATA))
    sent = DATA if is_whole else DATA[start:end]
    total = str(len(DATA)) if is_told else "*"
    headers = {} if is_whole else {"content-range": f"bytes {start}-{end - 1}/{total}"}
    if is_told:
        headers["content-length"] = str(len(sent))
    answer = RangeAnswer.checked(FILE, start, end, 200 if is_whole else 206, headers, "v1" if is_told else None)
    assert answer.skip == (start if is_whole else 0)
    assert b"".join(answer.body(pieces(sent, size))) == DATA[start:end]


@pytest.mark.parametrize(
    ("status", "headers", "version", "error"),
    [
        (206, {"content-range": "bytes 2-4/41"}, "v1", FileChangedError),
        (206, {"content-range": "bytes 2-4/40"}, "v2", FileChangedError),
        (200, {"content-length": "41"}, None, FileChangedError),
        (200, {}, "v2", FileChangedError),
        (206, {"content-range": "bytes 2-5/40"}, "v1", TransientError),
        (206, {"content-range": "bytes 3-5/*"}, None, TransientError),
        (206, {"content-range": "bytes */40"}, "v1", TransientError),
        (206, {"content-range": "2-4"}, "v1", TransientError),
        (206, {}, "v1", TransientError),
    ],
)
def test_answers_to_another_question(
    status: int, headers: dict[str, str], version: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        RangeAnswer.checked(FILE, 2, 5, status, headers, version)
    assert vars(caught.value)["uri"] == "k"


@pytest.mark.parametrize("size", [1, 2, 50])
@pytest.mark.parametrize("status", [200, 206])
def test_a_body_that_ends_early_may_pass(status: int, size: int) -> None:
    answer = RangeAnswer(FILE, 2, 5, 2 if status == 200 else 0, status == 200)
    with pytest.raises(TransientError, match="less than was asked for"):
        list(answer.body(pieces(DATA[:4] if status == 200 else DATA[2:4], size)))
    if status == 206:
        with pytest.raises(TransientError, match="more than was asked for"):
            list(answer.body(pieces(DATA[2:6], size)))


def test_retry_after_is_seconds_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert [retry_after_s({"retry-after": text}) for text in ("7", past, "soon", "")] == [7.0, 0.0, None, None]
    assert 50 < (retry_after_s({"retry-after": soon}) or 0) <= 60
    assert retry_after_s({}) is None


def test_etags_without_their_quotes() -> None:
    etags = ('"a"', " a ", 'W/"a"', '""', "", None)
    assert [plain_etag(etag) for etag in etags] == ["a", "a", 'W/"a"', None, None, None]
