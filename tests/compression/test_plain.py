"""Each codec unpacks what another tool packed; damage, bombs and strangers are told by typed errors."""

import bz2
import gzip
import io
import lzma
import resource
import struct
import sys
import zlib
from collections.abc import Callable
from typing import IO, cast

import cramjam
import lz4.frame
import pytest
import zstandard

from file_cdk.compression.codecs import MAX_WINDOW_BYTES
from file_cdk.compression.plain import (
    ALWAYS_ALLOWED_BYTES,
    HEAD_BYTES,
    PeekedStream,
    PlainStream,
    codec_named,
    codec_of,
    open_plain,
    open_zip_member,
)
from file_cdk.core.errors import FileAccessError, FileCdkError, MalformedFileError

ROWS = b"".join(b"%d,some words,%d\n" % (number, number * 7919 % 1009) for number in range(60_000))

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE, preset=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
    "snappy": lambda data: bytes(cramjam.snappy.compress(data)),
}
WITH_FRAMES = [name for name in PACK if name != "lzma"]


def opened(packed: bytes, codec: str, ratio: int = 200) -> PlainStream:
    return open_plain(io.BytesIO(packed), codec, "a.csv.x", ratio)


@pytest.mark.parametrize("codec", PACK)
@pytest.mark.parametrize("data", [b"", b"a", ROWS], ids=["empty", "one byte", "rows"])
def test_unpacks(codec: str, data: bytes) -> None:
    assert opened(PACK[codec](data), codec).read() == data


@pytest.mark.parametrize("codec", WITH_FRAMES)
def test_frames_one_after_the_other_are_one_file(codec: str) -> None:
    packed = PACK[codec](b"one") + PACK[codec](b"") + PACK[codec](ROWS) + PACK[codec](b"three")

    assert opened(packed, codec).read() == b"one" + ROWS + b"three"


@pytest.mark.parametrize("codec", ["gzip", "bzip2", "xz", "lz4"])
def test_padding_with_zeros_is_no_data(codec: str) -> None:
    assert opened(PACK[codec](b"one") + bytes(600_000) + PACK[codec](b"two") + bytes(9), codec).read() == b"onetwo"


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_skippable_frames_are_no_data(codec: str) -> None:
    skippable = b"\x53\x2a\x4d\x18" + (300_000).to_bytes(4, "little") + b"x" * 300_000

    assert opened(skippable + PACK[codec](b"one") + skippable + PACK[codec](b"two"), codec).read() == b"onetwo"


@pytest.mark.parametrize("codec", PACK)
def test_bytes_after_the_data_are_refused(codec: str) -> None:
    stream = opened(PACK[codec](ROWS) + b"and something else", codec)

    assert stream.read(len(ROWS)) == ROWS
    with pytest.raises(MalformedFileError) as caught:
        stream.read(1)
    assert caught.value.uri == "a.csv.x"
    assert caught.value.byte is not None


@pytest.mark.parametrize("codec", PACK)
def test_what_is_cut_off_is_read_up_to_there(codec: str) -> None:
    packed = PACK[codec](ROWS)
    stream = opened(packed[: len(packed) // 2], codec)

    parts: list[bytes] = []
    with pytest.raises(MalformedFileError, match="ends too early: the file is cut off") as caught:
        parts.extend(iter(lambda: stream.read(1000), b""))
    data = b"".join(parts)
    assert caught.value.byte == len(packed) // 2
    assert len(data) < len(ROWS)
    assert data or codec == "bzip2"  # has blocks of 900 kB
    assert ROWS.startswith(data)


@pytest.mark.parametrize("codec", [name for name in PACK if name != "lzma"])
def test_a_wrong_checksum_is_damage(codec: str) -> None:
    packed = bytearray(PACK[codec](b"some data, and then some"))
    packed[{"gzip": -6, "bzip2": -3, "xz": -40, "zstd": -2, "lz4": -2, "snappy": 15}[codec]] ^= 1

    with pytest.raises(MalformedFileError, match="is damaged"):
        opened(bytes(packed), codec).read()


def test_gzip_of_many_small_members() -> None:
    lines = ROWS[:400_000].splitlines(keepends=True)

    assert opened(b"".join(map(gzip.compress, lines)), "gzip").read() == b"".join(lines)


def test_snappy_chunks_that_are_not_data() -> None:
    packed = PACK["snappy"](b"one")
    padding = b"\xfe" + (70_000).to_bytes(3, "little") + bytes(70_000)

    assert opened(packed + padding + packed, "snappy").read() == b"oneone"
    with pytest.raises(MalformedFileError, match="is damaged"):
        opened(packed + b"\x02\0\0\0", "snappy").read()


def test_a_zstd_frame_that_needs_a_dictionary_is_refused() -> None:
    samples: list[bytes | bytearray | memoryview] = [
        b"%d,some words and others,%d" % (number, number**2) for number in range(2000)
    ]
    dictionary = zstandard.train_dictionary(2000, samples)
    packed = zstandard.ZstdCompressor(dict_data=dictionary).compress(ROWS)

    with pytest.raises(MalformedFileError, match="needs a dictionary"):
        opened(packed, "zstd").read()


def test_windows_beyond_the_limit_are_refused_before_they_are_allocated() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 4 * MAX_WINDOW_BYTES}]
    alone = b"\x5d" + struct.pack("<LQ", 8 * MAX_WINDOW_BYTES, 1 << 35) + bytes(100)
    xz = lzma.compress(b"a", filters=filters)
    zstd = b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + b"\x01\0\0"

    for codec, packed in (("lzma", alone), ("xz", xz), ("zstd", zstd)):
        with pytest.raises(MalformedFileError, match="needs more than the 128 MiB of memory"):
            opened(packed, codec).read()


def drain(stream: PlainStream) -> None:
    while stream.read(100_000):
        pass


def zeros(count: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 24)
    return b"".join(packer.compress(block) for _ in range(count >> 24)) + packer.flush()


@pytest.mark.parametrize("codec", [name for name in PACK if name not in ("lz4", "snappy", "bzip2")])
def test_bombs_are_refused_soon(codec: str) -> None:
    size = 2 * ALWAYS_ALLOWED_BYTES
    packed = zeros(size) if codec == "gzip" else PACK[codec](bytes(size))
    stream = opened(packed, codec)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(MalformedFileError, match="more than 200 times its size") as caught:
        drain(stream)
    assert "max_expansion_ratio" in str(caught.value)
    assert stream.tell() <= ALWAYS_ALLOWED_BYTES // 16
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 << 10


def test_a_bomb_behind_ordinary_data_is_refused_too() -> None:
    packed = gzip.compress(ROWS * 2) + zeros(2 * ALWAYS_ALLOWED_BYTES)
    stream = opened(packed, "gzip", 50)

    with pytest.raises(MalformedFileError, match="more than 50 times its size"):
        drain(stream)
    assert ALWAYS_ALLOWED_BYTES // 2 < stream.tell() <= max(50 * len(packed), ALWAYS_ALLOWED_BYTES)


def test_what_only_looks_like_a_bomb_is_read() -> None:
    size = ALWAYS_ALLOWED_BYTES // 2
    line = b"0,0,0\n"

    for stream in (
        opened(gzip.compress(line * (size // 6)), "gzip"),
        opened(zeros(2 * size + (1 << 24)), "gzip", 5000),
    ):
        total = 0
        while block := stream.read(1 << 20):
            total += len(block)
        assert total in (size // 6 * 6, 2 * size + (1 << 24))


def test_going_back_within_the_beginning_reads_nothing_again() -> None:
    class Counted(io.BytesIO):
        asked = 0

        def seek(self, offset: int, whence: int = 0) -> int:
            self.asked += 1
            return super().seek(offset, whence)

    packed = Counted(PACK["gzip"](ROWS))
    assert len(ROWS) < HEAD_BYTES
    stream = open_plain(packed, "gzip", "a", 200)
    before = packed.asked

    assert stream.read(900_000) == ROWS[:900_000]
    stream.seek(10)
    assert stream.read() == ROWS[10:]
    assert stream.seek(-5, 2) == len(ROWS) - 5
    assert stream.read() == ROWS[-5:]
    assert packed.asked == before


def test_reads_into_buffers_and_lines_like_any_stream() -> None:
    stream = io.BufferedReader(opened(PACK["zstd"](ROWS), "zstd"))

    assert stream.readline() == b"0,some words,0\n"
    assert stream.seekable()
    with pytest.raises(ValueError, match="before the beginning"):
        opened(PACK["zstd"](ROWS), "zstd").seek(-1)


def test_what_the_store_raises_passes_unchanged() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 20_000:
                raise FileAccessError("gone", uri="a")
            return super().read(size)

    for codec, pack in PACK.items():
        with pytest.raises(FileCdkError, match="gone"):
            open_plain(Failing(pack(ROWS)), codec, "a", 200).read()


@pytest.mark.parametrize("codec", WITH_FRAMES)
def test_magic_bytes_tell_the_codec(codec: str) -> None:
    for data in (b"a", ROWS):
        head = PACK[codec](data)[:16]
        assert codec_of(head) == codec
        assert codec_named("gzip", head) == codec


@pytest.mark.parametrize(
    "text",
    [b"", b"BZh9,total\n", b"PAR1", b"Obj\x01", b"PK\3\4", b"\x1f\x8b", b"]\0\0", b"id,name\n1,a\n", b"\xff\xfei\0d\0"],
)
def test_other_data_has_no_codec(text: bytes) -> None:
    assert codec_of(text) is None
    assert codec_named("lzma", text) is None


def test_lzma_is_known_by_its_name_alone() -> None:
    head = PACK["lzma"](ROWS)[:16]

    assert codec_of(head) is None
    assert codec_named("lzma", head) == "lzma"
    assert codec_named("lzma", PACK["xz"](ROWS)[:16]) == "xz"


@pytest.mark.parametrize(
    ("method", "pack"), [(0, bytes), (8, None), (12, bz2.compress), (93, PACK["zstd"]), (95, PACK["xz"])]
)
def test_zip_members_are_checked(method: int, pack: Callable[[bytes], bytes] | None) -> None:
    if pack is None:
        packer = zlib.compressobj(wbits=-15)
        packed = packer.compress(ROWS) + packer.flush()
    else:
        packed = pack(ROWS)

    def read(size_bytes: int, crc32: int) -> bytes:
        member = open_zip_member(
            io.BytesIO(packed), "a.zip!b", 200, method=method, flags=0, size_bytes=size_bytes, crc32=crc32
        )
        return b"".join(iter(lambda: member.read(300_000), b""))

    crc32 = zlib.crc32(ROWS)
    assert read(len(ROWS), crc32) == ROWS
    for size_bytes, wrong_crc32, message in (
        (len(ROWS), crc32 ^ 1, "checksum does not match"),
        (len(ROWS) - 1, crc32, "longer than the archive says"),
        (len(ROWS) + 1, crc32, "shorter than the archive says"),
    ):
        with pytest.raises(MalformedFileError, match=message):
            read(size_bytes, wrong_crc32)


def test_zip_methods_that_are_not_known_are_named() -> None:
    for method, name in ((9, "deflate64"), (98, "ppmd"), (42, "number 42")):
        with pytest.raises(MalformedFileError, match=f"compression method {name}"):
            open_zip_member(io.BytesIO(b"abc"), "a", 200, method=method, flags=0, size_bytes=3, crc32=0).read()


@pytest.mark.parametrize("data", [b"", b"a", b"a\nb\n", b"\n\nc", b"x" * 600_000 + b"\n" + b"y" * 600_000 + b"\nz"])
def test_a_peeked_stream_gives_lines(data: bytes) -> None:
    peeked = PeekedStream(cast(IO[bytes], io.BytesIO(data)), 64)
    assert list(peeked) == list(io.BytesIO(data))
    peeked.seek(1)
    assert b"".join(peeked) == data[1:]


def test_a_peeked_beginning_is_not_asked_for_again() -> None:
    class Recorded(io.BytesIO):
        def __init__(self, data: bytes) -> None:
            super().__init__(data)
            self.calls: list[tuple[str, int]] = []

        def seek(self, offset: int, whence: int = 0) -> int:
            self.calls.append(("seek", offset))
            return super().seek(offset, whence)

        def read(self, size: int | None = -1) -> bytes:
            self.calls.append(("read", -1 if size is None else size))
            return super().read(size)

    raw = Recorded(ROWS)
    peeked = PeekedStream(cast(IO[bytes], raw), 64)

    peeked.seek(0)
    assert peeked.read(10) == ROWS[:10]
    peeked.seek(0)
    assert peeked.read(100) == ROWS[:100]
    assert peeked.read(50) == ROWS[100:150]
    assert raw.calls == [("seek", 0), ("read", 64), ("read", 36), ("read", 50)]
    peeked.seek(1000)
    assert peeked.read(5) == ROWS[1000:1005]
    peeked.seek(60)
    assert peeked.read(8) == ROWS[60:68]
    assert peeked.seek(0, 2) == len(ROWS)
    assert peeked.read() == b""
    peeked.seek(3)
    assert peeked.read() == ROWS[3:]


def test_unpackers_of_the_standard_library_are_not_trusted_with_memory() -> None:
    """A decoder's step is bounded even where a library's is not: one block of repeated bytes after the other."""
    block = (3 | 131_072 << 3).to_bytes(3, "little") + b"x"
    frame = b"\x28\xb5\x2f\xfd\x00\x58" + b"".join([bytes([block[0] & ~1]) + block[1:]] * 40_000)
    stream = opened(frame, "zstd", sys.maxsize)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert stream.read(1_000_000) == b"x" * 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20
