"""Conformance of what `open` gives: a stream that reads and seeks as any file does."""

import io
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import ClassVar

import pytest

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Prefetching
from file_cdk.testing.checks import error_of, require
from file_cdk.testing.readers.checks import listed, noise, put_all, read_up_to, read_whole, require_bytes, stored
from file_cdk.testing.readers.storage import Storage

_MB = 1 << 20
_THREADS = 8


class BytesConformance:
    large_bytes: ClassVar[int] = 20 * _MB + 1
    """Of the largest file that is read; more than any window or buffer of the reader is wide."""

    random_reads: ClassVar[int] = 40

    def test_an_empty_file_reads_as_nothing(self, storage: Storage) -> None:
        reader, file = stored(storage, "empty.csv", b"")
        with closing(reader.open(file)) as stream:
            require(stream.read() == b"", "read() of an empty file gives bytes")
            require(stream.read(10) == b"", "read(10) of an empty file gives bytes")
            require(stream.seek(0, io.SEEK_END) == 0, "seek(0, SEEK_END) of an empty file does not return 0")

    def test_the_stream_reads_and_seeks_as_a_file_does(self, storage: Storage) -> None:
        data = noise(1_000)
        reader, file = stored(storage, "a.bin", data)
        with closing(reader.open(file)) as stream:
            require(stream.readable(), "readable() of an open file is False")
            require(stream.seekable(), "seekable() of an open file is False")
            require(stream.tell() == 0, f"tell() of a file just opened is {stream.tell()}")
            require(stream.read(0) == b"", "read(0) gives bytes")
            require_bytes(read_up_to(stream, 10), data[:10], "read(10)")
            require(stream.tell() == 10, f"tell() after 10 bytes is {stream.tell()}")
            require_bytes(stream.read(), data[10:], "read() from byte 10 to the end")
            require(stream.read() == b"" and stream.read(1) == b"", "a read at the end gives bytes")
            _require_seek(stream.seek(-5, io.SEEK_END), 995, "seek(-5, SEEK_END)")
            require_bytes(read_up_to(stream, 100), data[-5:], "read(100) five bytes before the end")
            _require_seek(stream.seek(200), 200, "seek(200)")
            _require_seek(stream.seek(-50, io.SEEK_CUR), 150, "seek(-50, SEEK_CUR) at 200")
            require_bytes(read_up_to(stream, 1), data[150:151], "read(1) at byte 150")
            _require_seek(stream.seek(1_000), 1_000, "seek to the end")
            require(stream.read(1) == b"", "read(1) at the end gives a byte")
            _require_seek(stream.seek(1_500), 1_500, "seek beyond the end")
            require(stream.read(1) == b"" and stream.read() == b"", "a read beyond the end gives bytes")
            _require_seek(stream.seek(0), 0, "seek(0)")
            require_bytes(stream.read(-1), data, "read(-1) after seek(0)")
            error = error_of(lambda: stream.seek(-1))
            require(isinstance(error, ValueError | OSError), "seek(-1) raises neither ValueError nor OSError")

    def test_a_closed_stream_does_not_read(self, storage: Storage) -> None:
        reader, file = stored(storage, "a.bin", b"abc")
        stream = reader.open(file)
        require(not stream.closed, "closed of an open file is True")
        stream.close()
        stream.close()  # closing twice is allowed everywhere in Python
        require(stream.closed, "closed of a closed file is False")
        require(isinstance(error_of(lambda: stream.read(1)), ValueError), "read of a closed file raises no ValueError")

    def test_random_reads_give_the_slices_of_the_file(self, storage: Storage) -> None:
        data = noise(3 * _MB)
        reader, file = stored(storage, "a.bin", data)
        dice = random.Random(20_240_229)  # noqa: S311  reproducible by design
        with closing(reader.open(file)) as stream:
            for _ in range(self.random_reads):
                start, size = dice.randrange(len(data)), dice.choice((1, 100, 70_000, _MB))
                stream.seek(start)
                require_bytes(read_up_to(stream, size), data[start : start + size], f"{size} bytes from {start}")

    def test_a_large_file_is_read_to_its_last_byte(self, storage: Storage) -> None:
        data = noise(self.large_bytes, "large")
        reader, file = stored(storage, "large.bin", data)
        with closing(reader.open(file)) as stream:
            pieces = []
            while piece := stream.read(777_777):
                pieces.append(piece)
        require_bytes(b"".join(pieces), data, f"a file of {len(data)} bytes, read in order,")
        middle = len(data) // 2
        with closing(reader.open(file)) as stream:
            stream.seek(middle)
            require_bytes(stream.read(), data[middle:], f"read() from byte {middle} on")

    def test_two_streams_of_a_file_do_not_share_their_position(self, storage: Storage) -> None:
        data = noise(500_000)
        reader, file = stored(storage, "a.bin", data)
        with closing(reader.open(file)) as one, closing(reader.open(file)) as other:
            other.seek(400_000)
            for at in range(0, 100_000, 50_000):
                require_bytes(read_up_to(one, 50_000), data[at : at + 50_000], "the first of two open streams")
                there = 400_000 + at
                require_bytes(read_up_to(other, 50_000), data[there : there + 50_000], "the second of two open streams")
            other.close()
            require_bytes(one.read(), data[100_000:], "a stream after another of its file was closed")

    def test_threads_share_a_reader(self, storage: Storage) -> None:
        files = {f"{number}.bin": noise(200_000 + number, "threads") for number in range(_THREADS)}
        put_all(storage, files)
        reader = storage.reader()
        found = listed(reader)
        together = threading.Barrier(_THREADS)

        def read(number: int) -> None:
            together.wait(30)
            for offset in range(3):
                uri = f"{(number + offset) % _THREADS}.bin"
                require_bytes(read_whole(reader, found[uri]), files[uri], f"{uri!r}, with {_THREADS} threads reading,")

        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(read, range(_THREADS)))

    def test_prefetching_changes_no_byte(self, storage: Storage) -> None:
        files = {f"{number}.bin": noise(50_000 + number, "prefetch") for number in range(20)}
        files["large.bin"] = noise(3 * _MB)
        put_all(storage, files)
        storage.put("gone.bin", b"x" * 1_000)
        reader = storage.reader()
        if not isinstance(reader, Prefetching):
            pytest.skip("the reader has no prefetch")
        found = listed(reader)
        storage.delete("gone.bin")
        for file in found.values():
            error = error_of(lambda file=file: _announce(reader, file))  # type: ignore[misc]
            require(error is None, f"prefetch raises {error!r}; errors belong to the read")
        error = error_of(lambda: read_whole(reader, found["gone.bin"]))
        require(error is not None, "a file that was announced, and is gone, is read without an error")
        for uri, data in files.items():
            require_bytes(read_whole(reader, found[uri]), data, f"{uri!r}, announced by prefetch before it was read,")


def _announce(reader: Prefetching, file: RemoteFile) -> None:
    """Also ranges that are empty, the wrong way round, or beyond the end."""
    middle = file.size_bytes // 2
    for start, end in ((0, middle), (0, 0), (middle, file.size_bytes), (10, 5), (0, file.size_bytes + 10)):
        reader.prefetch(file, start, end)


def _require_seek(found: int, expected: int, call: str) -> None:
    require(found == expected, f"{call} returns {found} instead of {expected}")
