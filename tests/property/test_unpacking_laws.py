"""Laws of unpacking: what is packed comes out, however it is read; what is damaged is a typed error, never other data."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cramjam
import lz4.frame
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.compression.plain import PlainStream, open_plain
from file_cdk.core.config import JsonlConfig
from file_cdk.core.errors import FileError, MalformedFileError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.jsonl.format import JsonlFormat
from file_cdk.formats.unpacking import Unpacking
from file_cdk.readers.archives.reader import ArchiveReader
from file_cdk.readers.globbing import GlobPatterns
from file_cdk.readers.local import LocalReader

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
    "snappy": lambda data: bytes(cramjam.snappy.compress(data or b"x")),
}

data = st.builds(lambda block, times: block * times, st.binary(min_size=1, max_size=300), st.integers(1, 3000))
steps = st.lists(st.tuples(st.sampled_from(["read", "seek"]), st.integers(0, 900_000)), max_size=12)
FILE = RemoteFile("a.jsonl", 0, datetime(2024, 1, 1, tzinfo=UTC))


@given(st.sampled_from(sorted(PACK)), st.lists(data, min_size=1, max_size=3), steps)
@settings(max_examples=60)
def test_reads_as_the_plain_data_does(codec: str, parts: list[bytes], steps: list[tuple[str, int]]) -> None:
    plain = io.BytesIO(b"".join(parts))
    stream = open_plain(io.BytesIO(b"".join(map(PACK[codec], parts))), codec, "a", 200)

    for step, number in steps:
        if step == "seek":
            assert stream.seek(number) == plain.seek(number)
        else:
            assert stream.read(number) == plain.read(number)
    assert stream.unpack_to_end() == len(plain.getvalue())


@given(st.sampled_from(sorted(PACK)), data, st.data())
@settings(max_examples=60)
def test_damage_is_never_other_data(codec: str, plain: bytes, draw: st.DataObject) -> None:
    packed = bytearray(PACK[codec](plain))
    at = draw.draw(st.integers(0, len(packed) - 1))
    if draw.draw(st.booleans()):
        del packed[max(at, 1) :]  # an empty file is an empty one, whatever its name
    else:
        packed[at] ^= 1 << draw.draw(st.integers(0, 7))
    stream = open_plain(io.BytesIO(packed), codec, "a", 200)

    found, fault = read_to_fault(stream)

    # Snappy's framing has no end of its own; elsewhere a bit without a fault means nothing: a name, a time, a flag for text.
    assert fault or found == plain or (codec == "snappy" and plain.startswith(found))
    assert fault is None or fault.uri == "a"


def read_to_fault(stream: PlainStream) -> tuple[bytes, MalformedFileError | None]:
    parts: list[bytes] = []
    try:
        parts.extend(iter(lambda: stream.read(5000), b""))
    except MalformedFileError as exc:
        return b"".join(parts), exc
    return b"".join(parts), None


@given(st.sampled_from(sorted(PACK)), st.binary(max_size=200))
@settings(max_examples=60)
def test_strangers_are_typed_errors(codec: str, rest: bytes) -> None:
    stream = open_plain(io.BytesIO(PACK[codec](b"")[:10] + rest), codec, "a", 200)

    _, fault = read_to_fault(stream)

    assert fault is None or fault.byte is not None


@given(
    st.sampled_from(sorted(PACK)),
    st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=3000),
    st.integers(1, 4),
    st.booleans(),
)
@settings(max_examples=60)
def test_records_are_those_of_the_plain_file(codec: str, numbers: list[int], frames: int, named: bool) -> None:
    plain = b"".join(json.dumps({"n": number}).encode() + b"\n" for number in numbers)
    size = len(plain) // frames + 1
    packed = b"".join(PACK[codec](plain[at : at + size]) for at in range(0, len(plain), size))
    ending = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst", "lz4": ".lz4", "snappy": ".sz"}[codec]
    file = RemoteFile(f"a.jsonl{ending if named else ''}", len(packed), FILE.modified_at)
    report = SplitReport()

    found = []
    batches = Unpacking(JsonlFormat(JsonlConfig())).read_records(
        io.BytesIO(packed), Split(file, 0, 0, len(packed)), None, report
    )
    for batch in batches:
        assert isinstance(batch, JsonLines)
        found += [json.loads(line)["n"] for line in batch.lines]

    assert found == numbers
    assert (report.start, report.end, report.rows_present) == (0, len(packed), len(numbers))


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\\"), min_size=1, max_size=30).filter(
    lambda name: not name.startswith(("/", "./"))
)
# Wildcards do not match parts that begin with a dot.
members_that_match = names.map(lambda name: f"{name}.csv").filter(lambda name: "/." not in f"/{name}")


@given(
    st.dictionaries(members_that_match, st.binary(max_size=2000), max_size=8),
    st.sampled_from(["zip", "tar", "tar.gz"]),
)
@settings(max_examples=60)
def test_members_come_out_as_they_went_in(members: dict[str, bytes], ending: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, f"a.{ending}")
        if ending == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in members.items():
                    archive.writestr(name, content)
        else:
            with tarfile.open(path, "w:gz" if ending == "tar.gz" else "w") as tar:
                for name, content in members.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        archives = ArchiveReader(LocalReader(root), GlobPatterns(["**"]))

        found = {}
        for file in archives.list_files(""):
            with archives.open(file) as stream:
                found[file.uri.removeprefix(f"a.{ending}!")] = stream.read()

    assert found == members


@given(
    st.sampled_from(["zip", "tar"]),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=4),
    st.data(),
)
@settings(max_examples=60)
def test_damaged_archives_are_typed_errors(ending: str, changes: list[tuple[int, int]], draw: st.DataObject) -> None:
    members = {"a.csv": b"x\n1\n", "dir/b.csv": b"y\n2\n" * 400}
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, f"a.{ending}")
        if ending == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in members.items():
                    archive.writestr(name, content)
        else:
            with tarfile.open(path, "w") as tar:
                for name, content in members.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        packed = bytearray(path.read_bytes())
        for at, byte in changes:
            packed[at % len(packed)] = byte
        path.write_bytes(packed[: draw.draw(st.integers(0, len(packed)))] if draw.draw(st.booleans()) else packed)
        archives = ArchiveReader(LocalReader(root), GlobPatterns(["**"]))

        for file in archives.list_files(""):
            outcome = size_or_error(archives, file)
            assert (outcome.uri if isinstance(outcome, FileError) else outcome) in (file.uri, file.size_bytes)


def size_or_error(archives: ArchiveReader, file: RemoteFile) -> int | FileError:
    try:
        with archives.open(file) as stream:
            return len(stream.read())
    except FileError as exc:
        return exc
