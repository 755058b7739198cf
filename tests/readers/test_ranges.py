"""Reads by ranges give the file's bytes, however they are asked for and however the store answers."""

import io
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.errors import FileChangedError, TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.readers import ranges
from file_cdk.readers.objects import ObjectReader, Page
from file_cdk.readers.ranges import RangedFile, RangeReads
from file_cdk.readers.retries import RetryPolicy

NO_WAIT = RetryPolicy(tries=6, first_wait_s=0.0, longest_wait_s=0.0)
MODIFIED = datetime(2026, 1, 1, tzinfo=UTC)


def pattern(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@dataclass
class Server:
    """Answers in pieces of odd sizes; the faults happen in turn, one per request, then no more."""

    files: dict[str, bytes]
    faults: list[str] = field(default_factory=list)
    requests: list[tuple[str, int, int]] = field(default_factory=list)

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        self.requests.append((file.uri, start, end))
        fault = self.faults.pop(0) if self.faults else "none"
        body = self.files[file.uri][start:end]
        if fault == "refused":
            raise TransientError("refused")
        if fault == "short":
            body = body[: len(body) // 2]
        if fault == "long":
            body += b"!"
        if fault == "changed":
            raise FileChangedError("changed", uri=file.uri)
        half = len(body) // 3 + 1
        for at in range(0, len(body), half):
            if fault == "reset" and at:
                raise TransientError("reset")
            yield body[at : at + half]


def remote(uri: str, data: bytes) -> RemoteFile:
    return RemoteFile(uri, len(data), MODIFIED, "v1")


def opened(server: Server, uri: str = "a") -> tuple[RangeReads, RangedFile]:
    reads = RangeReads(server.get, NO_WAIT)
    return reads, RangedFile(reads, remote(uri, server.files[uri]))


FAULTS = st.lists(st.sampled_from(["none", "refused", "short", "reset"]), max_size=5)


@given(
    size=st.integers(0, 5000),
    steps=st.lists(st.tuples(st.integers(0, 5200), st.integers(-1, 3000)), max_size=12),
    faults=FAULTS,
    announced=st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 5000)), max_size=4),
)
def test_any_reads_give_the_files_bytes(
    size: int, steps: list[tuple[int, int]], faults: list[str], announced: list[tuple[int, int]]
) -> None:
    data = pattern(size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "WINDOW_BYTES", 700)
        patch.setattr(ranges, "FIRST_WINDOW_BYTES", 100)
        patch.setattr(ranges, "_READ_AHEAD_FROM_BYTES", 200)
        server = Server({"a": data}, faults)
        reader = ObjectReader(_Store(server), NO_WAIT)
        for start, length in announced:
            reader.prefetch(remote("a", data), start, min(start + length, size))
        stream, expected = reader.open(remote("a", data)), io.BytesIO(data)
        for position, length in steps:
            if position % 3:
                assert stream.seek(position) == expected.seek(position)
            assert stream.read(length) == expected.read(length)
            assert stream.tell() == expected.tell()
        stream.close()


@dataclass(frozen=True)
class _Store:
    server: Server

    @property
    def origin(self) -> str:
        return "test://bucket"

    def list_page(self, prefix: str, token: str | None) -> Page:
        names = sorted(name for name in self.server.files if name.startswith(prefix) and name > (token or ""))
        if self.server.faults and self.server.faults.pop(0) == "refused":
            raise TransientError("refused")
        files = [remote(name, self.server.files[name]) for name in names[:3]]
        return Page(files, names[2] if len(names) > 3 else None)

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        return self.server.get(file, start, end)


@given(FAULTS)
def test_every_page_is_listed_once_whatever_fails(faults: list[str]) -> None:
    names = [f"{number:02}" for number in range(10)]
    reader = ObjectReader(_Store(Server(dict.fromkeys(names, b""), faults)), NO_WAIT)
    assert [file.uri for file in reader.list_files("0")] == names


def test_a_body_that_breaks_off_is_asked_for_from_the_byte_reached() -> None:
    server = Server({"a": pattern(900)}, ["reset"])
    _, stream = opened(server)
    assert stream.read() == pattern(900)
    assert server.requests == [("a", 0, 900), ("a", 301, 900)]


def test_more_than_was_asked_for_is_not_believed() -> None:
    _, stream = opened(Server({"a": pattern(900)}, ["long"] * 20))
    with pytest.raises(TransientError, match="more than was asked for"):
        stream.read()


def test_a_server_that_is_gone_is_given_up_after_the_tries() -> None:
    server = Server({"a": pattern(900)}, ["refused"] * 100)
    _, stream = opened(server)
    with pytest.raises(TransientError, match="refused"):
        stream.read(10)
    assert len(server.requests) == NO_WAIT.tries


def test_what_retrying_cannot_mend_comes_at_once() -> None:
    server = Server({"a": pattern(900)}, ["changed"])
    _, stream = opened(server)
    with pytest.raises(FileChangedError):
        stream.read(10)
    assert len(server.requests) == 1


def test_an_announced_file_is_fetched_before_it_is_read_and_once() -> None:
    server = Server({name: pattern(500) for name in "abc"})
    reads = RangeReads(server.get, NO_WAIT)
    for name in "abc":
        reads.prefetch(remote(name, server.files[name]), 0, 500)
    _until(lambda: len(server.requests) == 3)
    for name in "abc":
        assert RangedFile(reads, remote(name, server.files[name])).read() == pattern(500)
    assert sorted(server.requests) == [(name, 0, 500) for name in "abc"]


def test_no_more_is_fetched_ahead_than_there_is_room_for() -> None:
    server = Server({name: pattern(500) for name in "abcd"})
    reads = RangeReads(server.get, NO_WAIT, ahead_bytes=1200)
    for name in "abcd":
        reads.prefetch(remote(name, server.files[name]), 0, 500)
    _until(lambda: len(server.requests) == 2)
    for name in "abcd":
        assert RangedFile(reads, remote(name, server.files[name])).read() == pattern(500)
    reads.prefetch(remote("a", server.files["a"]), 0, 500)
    _until(lambda: len(server.requests) == 5)


def test_a_file_that_is_never_read_gives_its_room_back() -> None:
    server = Server({name: pattern(500) for name in "abc"})
    reads = RangeReads(server.get, NO_WAIT, ahead_bytes=1000)
    for name in "ab":
        reads.prefetch(remote(name, server.files[name]), 0, 500)
    assert RangedFile(reads, remote("b", server.files["b"])).read() == pattern(500)
    reads.prefetch(remote("c", server.files["c"]), 0, 500)
    _until(lambda: ("c", 0, 500) in server.requests)


def test_a_file_read_in_sequence_takes_few_requests() -> None:
    data = pattern(40 << 20)
    server = Server({"a": data})
    _, stream = opened(server)
    parts = list(iter(lambda: stream.read(256 << 10), b""))
    assert b"".join(parts) == data
    assert len(server.requests) < 14


def test_with_less_room_windows_are_smaller_and_still_fetched_ahead() -> None:
    data = pattern(40 << 20)
    server = Server({"a": data})
    stream = RangedFile(RangeReads(server.get, NO_WAIT, ahead_bytes=4 << 20), remote("a", data))
    parts = list(iter(lambda: stream.read(256 << 10), b""))
    assert b"".join(parts) == data
    assert max(end - start for _, start, end in server.requests) == 1 << 20


def test_the_end_of_an_announced_range_asks_for_little() -> None:
    data = pattern(20 << 20)
    server = Server({"a": data})
    reads = RangeReads(server.get, NO_WAIT)
    reads.prefetch(remote("a", data), 0, 4 << 20)
    stream = RangedFile(reads, remote("a", data))
    assert stream.read((4 << 20) + 10) == data[: (4 << 20) + 10]
    assert server.requests == [("a", 0, 4 << 20), ("a", 4 << 20, (4 << 20) + ranges.FIRST_WINDOW_BYTES)]


def test_who_reads_a_record_to_its_end_leaves_the_next_range_to_the_next() -> None:
    data = pattern(9 << 20)
    server = Server({"a": data})
    reads = RangeReads(server.get, NO_WAIT)
    for start in (0, 4 << 20):
        reads.prefetch(remote("a", data), start, start + (4 << 20))
    for start in (0, 4 << 20):
        stream = RangedFile(reads, remote("a", data))
        stream.seek(start)
        assert stream.read((4 << 20) + 10) == data[start : start + (4 << 20) + 10]
    ends = [("a", end, end + ranges.FIRST_WINDOW_BYTES) for end in (4 << 20, 8 << 20)]
    assert sorted(server.requests) == sorted([("a", 0, 4 << 20), ("a", 4 << 20, 8 << 20), *ends])


def test_another_version_is_not_taken_for_the_one_announced() -> None:
    server = Server({"a": pattern(500)})
    reads = RangeReads(server.get, NO_WAIT)
    reads.prefetch(remote("a", server.files["a"]), 0, 500)
    _until(lambda: bool(server.requests))
    newer = RemoteFile("a", 400, MODIFIED, "v2")
    server.files["a"] = pattern(400)
    assert RangedFile(reads, newer).read() == pattern(400)


def _until(holds: object) -> None:
    assert callable(holds)
    ends = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < ends
        threading.Event().wait(0.005)


def test_one_large_read_asks_for_several_ranges_at_a_time() -> None:
    data = pattern(80 << 20)
    server = Server({"a": data})
    together = threading.Barrier(4)

    def get(file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        if 0 < start <= 32 << 20:
            together.wait(timeout=30)  # fails, were they asked for one after another
        return server.get(file, start, end)

    stream = RangedFile(RangeReads(get, NO_WAIT), remote("a", data))
    assert stream.read(60 << 20) == data[: 60 << 20]
    assert stream.read() == data[60 << 20 :]
    asked = sorted(server.requests)
    assert [start for _, start, _ in asked] == [0] + [end for _, _, end in asked[:-1]]


@dataclass
class Gone:
    """Refuses each request, and says when the first one was."""

    asked: threading.Event = field(default_factory=threading.Event)
    requests: int = 0

    def get(self, file: RemoteFile, start: int, end: int) -> NoReturn:
        self.requests += 1
        self.asked.set()
        raise TransientError("refused")


@pytest.fixture
def fetching() -> Callable[[], list[threading.Thread]]:
    """Threads that were begun since."""
    before = set(threading.enumerate())
    return lambda: [each for each in threading.enumerate() if each.name == "file_cdk-fetch" and each not in before]


def test_who_stops_fetching_has_nothing_tried_again(fetching: Callable[[], list[threading.Thread]]) -> None:
    server = Gone()
    reads = RangeReads(server.get, RetryPolicy(first_wait_s=3600, longest_wait_s=3600, total_wait_s=1e9))
    for number in range(3):
        reads.prefetch(remote(f"f{number}", b"1234"), 0, 4)
    server.asked.wait()
    threads = fetching()
    assert threads
    reads.stop()
    for thread in threads:
        thread.join(10)
    assert fetching() == []
    reads.prefetch(remote("f", b"1234"), 0, 4)
    assert fetching() == []
    with pytest.raises(TransientError, match="refused"):
        RangedFile(reads, remote("f", b"1234")).read()


def test_what_no_reader_waits_for_is_not_tried_again() -> None:
    server = Gone()
    reads = RangeReads(server.get, RetryPolicy(tries=1000, first_wait_s=0.01, longest_wait_s=0.01))
    window = reads.ahead(remote("a", b"1234"), 0, 4)
    assert window is not None
    server.asked.wait()
    reads.drop(window)
    with pytest.raises(TransientError, match="refused"):
        window.result()
    assert server.requests < 1000


def test_windows_on_their_way_are_given_up_by_a_seek() -> None:
    data = pattern(80 << 20)
    server = Server({"a": data})
    reads = RangeReads(server.get, NO_WAIT)
    with RangedFile(reads, remote("a", data)) as stream:
        stream.read(30 << 20)
        stream.seek(70 << 20)
        assert stream.read(20 << 20) == data[70 << 20 :]
        stream.seek(5)
        assert stream.read(1 << 20) == data[5 : 5 + (1 << 20)]
    assert reads._held_bytes == 0
