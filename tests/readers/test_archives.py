"""Archives of every kind, made by the standard library or by hand, read through real files."""

import bz2
import gzip
import io
import logging
import lzma
import os
import pickle
import resource
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pytest
import zstandard

from file_cdk.core.errors import AccessError, FileAccessError, FileChangedError, FileError, MalformedFileError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader, prefetching
from file_cdk.engine.listing import list_matching
from file_cdk.readers.archives.reader import ArchiveReader
from file_cdk.readers.globbing import GlobPatterns
from file_cdk.readers.local import LocalReader

ROWS = b"".join(b"%d,some words,%d\n" % (number, number * 7919 % 1009) for number in range(30_000))
MEMBERS = {"a.csv": b"x\n1\n", "dir/b.csv": ROWS, "dir/empty.csv": b"", "dir/c.txt": b"text"}

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tgz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tbz2": bz2.compress,
    "tar.xz": lambda data: lzma.compress(data, preset=0),
    "txz": lambda data: lzma.compress(data, preset=0),
    "tar.zst": zstandard.compress,
}


def zipped(members: dict[str, bytes] = MEMBERS, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", method) as archive:
        archive.mkdir("dir")
        for name, data in members.items():
            archive.writestr(name, data)
    return into.getvalue()


def tarred(members: dict[str, bytes] = MEMBERS, kind: int = tarfile.PAX_FORMAT, **info: Any) -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w", format=kind) as archive:
        folder = tarfile.TarInfo("dir")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            for key, value in info.items():
                setattr(entry, key, value)
            archive.addfile(entry, io.BytesIO(data))
    return into.getvalue()


def reader(root: Path, *globs: str, **options: Any) -> ArchiveReader:
    return ArchiveReader(LocalReader(root), GlobPatterns(globs or ("**",)), **options)


def drain(stream: IO[bytes]) -> None:
    while stream.read(100_000):
        pass


def listed(archives: ArchiveReader) -> list[RemoteFile]:
    assert archives.matcher is not None
    return sorted(list_matching(archives, archives.matcher), key=lambda file: file.uri)


def contents(archives: ArchiveReader) -> dict[str, bytes]:
    found = {}
    for file in listed(archives):
        with archives.open(file) as stream:
            found[file.uri] = stream.read()
        assert len(found[file.uri]) == file.size_bytes
    return found


def refusal(root: Path, data: bytes, name: str = "a.zip", **options: Any) -> FileError:
    """The archive stands for itself in the listing, other files are listed as ever, and opening it says why."""
    (root / name).write_bytes(data)
    (root / "other.csv").write_bytes(b"x\n")
    archives = reader(root, **options)
    files = listed(archives)
    assert [file.uri for file in files] == [name, "other.csv"]
    with pytest.raises(FileError) as caught:
        archives.open(files[0])
    assert caught.value.uri == name
    return caught.value


@pytest.mark.parametrize("ending", [*COMPRESS, "zip", "TAR.GZ", "Zip"])
def test_members_are_files(tmp_path: Path, ending: str) -> None:
    name = f"in.{ending}"
    data = zipped() if ending.lower() == "zip" else COMPRESS[ending.lower()](tarred())
    (tmp_path / name).write_bytes(data)
    (tmp_path / "plain.csv").write_bytes(b"y\n")

    expected = {f"{name}!{member}": data for member, data in MEMBERS.items()} | {"plain.csv": b"y\n"}
    assert contents(reader(tmp_path)) == expected


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_methods(tmp_path: Path, method: int) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(method=method))

    assert contents(reader(tmp_path)) == {f"a.zip!{name}": data for name, data in MEMBERS.items()}


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_flavours(tmp_path: Path, kind: int) -> None:
    members = {"dir/" * 20 + "long.csv": b"1", "ä.csv": b"2"}
    (tmp_path / "a.tar").write_bytes(tarred(members, kind))

    assert contents(reader(tmp_path)) == {f"a.tar!{name}": data for name, data in members.items()}


def test_zip_as_streaming_writers_leave_it(tmp_path: Path) -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    into = Unseekable()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in MEMBERS.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    (tmp_path / "a.zip").write_bytes(b"bytes before the archive" + into.getvalue())

    assert contents(reader(tmp_path)) == {f"a.zip!{name}": data for name, data in MEMBERS.items()}


def test_zip64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 100)  # 65,535 take long to write
    members = {f"{number}.csv": b"%d" % number for number in range(600)}
    (tmp_path / "a.zip").write_bytes(zipped(members, zipfile.ZIP_STORED))
    archives = reader(tmp_path)

    files = listed(archives)

    assert {file.uri for file in files} == {f"a.zip!{name}" for name in members}
    with archives.open(next(file for file in files if file.uri == "a.zip!599.csv")) as stream:
        assert stream.read() == b"599"


def test_globs_choose_archives_and_members(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.zip").write_bytes(zipped())
    (tmp_path / "in/b.tar").write_bytes(tarred())
    (tmp_path / "c.csv").write_bytes(b"")

    def uris(*globs: str) -> list[str]:
        return [file.uri for file in listed(reader(tmp_path, *globs))]

    assert uris("**/*.csv") == ["c.csv"]
    assert uris("in/*.zip!**/*.csv") == ["in/a.zip!a.csv", "in/a.zip!dir/b.csv", "in/a.zip!dir/empty.csv"]
    assert uris("in/*.{zip,tar}!*.csv") == ["in/a.zip!a.csv", "in/b.tar!a.csv"]
    assert uris("**/*.tar", "!**/*.tar!dir/**", "*.csv") == ["c.csv", "in/b.tar!a.csv"]
    assert uris("in/a.zip!dir/b.csv") == ["in/a.zip!dir/b.csv"]
    assert uris("**", "!in/*") == ["c.csv"]


def test_a_member_is_as_old_as_its_archive_and_another_version_when_that_is(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped())
    archives = reader(tmp_path)
    (archive,) = LocalReader(tmp_path).list_files("")
    before = listed(archives)
    assert {file.modified_at for file in before} == {archive.modified_at}

    path.write_bytes(zipped())
    os.utime(path, (1, 1))

    assert all(old.etag != new.etag for old, new in zip(before, listed(archives), strict=True))
    with pytest.raises(FileChangedError) as caught:
        archives.open(before[0])
    assert caught.value.uri == "a.zip!a.csv"
    path.unlink()
    with pytest.raises(FileAccessError) as gone:
        archives.open(before[0])
    assert gone.value.uri == "a.zip!a.csv"


def test_a_change_while_a_member_is_read_is_noticed(tmp_path: Path) -> None:
    for name, data in (("a.zip", zipped()), ("a.tar", tarred())):
        path = tmp_path / name
        path.write_bytes(data)
        archives = reader(tmp_path, name)
        file = next(file for file in listed(archives) if file.uri.endswith("b.csv"))
        with archives.open(file) as stream:
            assert stream.read(10) == ROWS[:10]
            os.utime(path, (1, 1))
            with pytest.raises(FileChangedError) as caught:
                drain(stream)
            assert caught.value.uri == file.uri


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz"])
def test_members_can_be_read_anywhere(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"a.{ending}").write_bytes(zipped() if ending == "zip" else COMPRESS[ending](tarred()))
    archives = reader(tmp_path)
    file = next(file for file in listed(archives) if file.uri.endswith("b.csv"))

    with archives.open(file) as stream:
        assert stream.readable()
        assert stream.seekable()
        assert stream.seek(400_000) == 400_000
        assert stream.read(10) == ROWS[400_000:400_010]
        assert stream.seek(5) == 5
        assert stream.read(10) == ROWS[5:15]
        assert stream.tell() == 15
        assert stream.seek(-3, 2) == len(ROWS) - 3
        assert stream.read() == ROWS[-3:]
        assert stream.read(1) == b""


def test_it_fetches_ahead_where_its_reader_does(tmp_path: Path) -> None:
    asked: list[tuple[str, int, int]] = []

    class Fetching(LocalReader):
        def prefetch(self, file: RemoteFile, start: int, end: int) -> None:
            asked.append((file.uri, start, end))

    assert prefetching(ArchiveReader(LocalReader(str(tmp_path)), None)) is None
    ahead = prefetching(ArchiveReader(Fetching(str(tmp_path)), None))
    assert ahead is not None
    for uri in ("a.csv", "a.zip!b.csv"):
        ahead.prefetch(RemoteFile(uri, 10, datetime(2024, 1, 1, tzinfo=UTC)), 0, 5)
    assert asked == [("a.csv", 0, 5)]


def test_pickles_as_configuration(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tarred()))
    archives = reader(tmp_path)
    expected = contents(archives)

    files = list(archives.list_files(""))

    copy = pickle.loads(pickle.dumps(archives))

    assert {file.uri: copy.open(file).read() for file in files} == expected
    assert isinstance(copy, StreamReader)


def test_a_compressed_tar_is_unpacked_once(tmp_path: Path) -> None:
    class Counted:
        opened = 0

        def list_files(self, prefix: str) -> Any:
            return LocalReader(tmp_path).list_files(prefix)

        def open(self, file: RemoteFile) -> IO[bytes]:
            self.opened += 1
            return LocalReader(tmp_path).open(file)

    (tmp_path / "a.tar.gz").write_bytes(
        gzip.compress(tarred({f"{number}.csv": b"%d" % number for number in range(500)}))
    )
    counted = Counted()
    archives = ArchiveReader(counted, GlobPatterns(["**"]))
    files = listed(archives)
    assert counted.opened == 1

    for file in files:
        with archives.open(file) as stream:
            assert stream.read() == file.uri.removeprefix("a.tar.gz!").removesuffix(".csv").encode()
    assert counted.opened == 2


def test_two_unpacked_tars_are_kept_and_open_members_outlive_them(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.tgz").write_bytes(gzip.compress(tarred({"a.csv": b"%d" % number * 100_000})))
    archives = reader(tmp_path)
    files = listed(archives)

    streams = [archives.open(file) for file in files]

    assert [stream.read(3) for stream in streams] == [b"000", b"111", b"222", b"333"]
    for stream in streams:
        stream.close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "../../etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("./a.csv", "a.csv"),
        ("//./a.csv", "a.csv"),
        ("a\0b", "a"),
        ("a/./../b", "a/./../b"),
        ("a!b.zip!c", "a!b.zip!c"),
    ],
)
def test_odd_names_are_only_text(tmp_path: Path, name: str, expected: str) -> None:
    info = zipfile.ZipInfo("x" * len(name))
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr(info, b"data")
    (tmp_path / "a.zip").write_bytes(into.getvalue().replace(b"x" * len(name), name.encode()))
    (tmp_path / "a.tar").write_bytes(tarred({name: b"data"}))

    assert contents(reader(tmp_path, "*.zip", "*.tar")) == {f"a.tar!{expected}": b"data", f"a.zip!{expected}": b"data"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "a.zip"]


def test_names_in_other_encodings(tmp_path: Path) -> None:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name in ("xxxx", "yy", "z/zz"):
            archive.writestr(zipfile.ZipInfo(name), b"")
    data = (
        into.getvalue().replace(b"xxxx", "ä€"[:1].encode() + b"ab").replace(b"yy", b"\x84b").replace(b"z/zz", b"z\\zz")
    )
    at = data.index(b"PK\1\2", data.index(b"PK\1\2", data.index(b"PK\1\2") + 1) + 1)
    data = data[: at + 5] + b"\0" + data[at + 6 :]  # the last one made on DOS
    (tmp_path / "a.zip").write_bytes(data)
    (tmp_path / "a.tar").write_bytes(tarred({"caf\udce9%.csv": b""}, tarfile.GNU_FORMAT))

    assert [file.uri for file in listed(reader(tmp_path))] == [
        "a.tar!caf%E9%25.csv",
        "a.zip!z/zz",
        "a.zip!äab",
        "a.zip!äb",
    ]


def test_of_members_with_one_name_the_later_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        for data in (b"old", b"newer"):
            entry = tarfile.TarInfo("a.csv")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    (tmp_path / "a.tar").write_bytes(into.getvalue())

    assert contents(reader(tmp_path)) == {"a.tar!a.csv": b"newer"}
    assert "1 members of 'a.tar' are replaced by later ones of the same name" in caplog.text


def test_links_in_archives(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        entry = tarfile.TarInfo("a.csv")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))
        for name, kind in (("hard.csv", tarfile.LNKTYPE), ("soft.csv", tarfile.SYMTYPE)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "a.csv"
            archive.addfile(link)
    (tmp_path / "a.tar").write_bytes(into.getvalue())

    assert contents(reader(tmp_path)) == {"a.tar!a.csv": b"abc", "a.tar!hard.csv": b"abc"}
    assert "left out 1 links in 'a.tar'" in caplog.text


def test_archives_inside_archives_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"b.zip": zipped(), "c.csv": b"1", "d.tgz": b""}))

    with caplog.at_level(logging.WARNING):
        assert contents(reader(tmp_path)) == {"a.zip!c.csv": b"1"}
    assert "left out 2 archives inside 'a.zip'" in caplog.text


def test_an_encrypted_member_fails_by_itself(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.csv": b"1", "b.csv": b"2"}))
    entry = data.index(b"PK\1\2", data.index(b"PK\1\2", data.index(b"PK\1\2") + 1) + 1)
    data[entry + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    archives = reader(tmp_path)
    plain, encrypted = listed(archives)

    with archives.open(plain) as stream:
        assert stream.read() == b"1"
    with pytest.raises(MalformedFileError, match="is encrypted") as caught:
        archives.open(encrypted)
    assert caught.value.uri == "a.zip!b.csv"


def test_a_damaged_member_fails_by_itself(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.csv": b"1", "b.csv": ROWS}))
    data[data.index(b"b.csv") + 20_000] ^= 1
    (tmp_path / "a.zip").write_bytes(data)
    archives = reader(tmp_path)
    whole, damaged = listed(archives)

    with archives.open(whole) as stream:
        assert stream.read() == b"1"
    with archives.open(damaged) as stream, pytest.raises(MalformedFileError, match="zip data is damaged") as caught:
        drain(stream)
    assert caught.value.uri == "a.zip!b.csv"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.zip", b"", "not a whole zip archive"),
        ("a.zip", b"x" * 100_000, "not a whole zip archive"),
        ("a.zip", zipped()[:-30], "not a whole zip archive"),
        ("a.zip", zipped().replace(b"PK\1\2", b"PK\1\7"), "has an entry that is none"),
        ("a.tar", b"", "is empty"),
        ("a.tar", b"x" * 10_000, "header of the tar archive cannot be read"),
        ("a.tar", tarred()[:-12_000], "cut off"),
        ("a.tar", tarred({"a.csv": b"1", "b.csv": b"2"})[: 512 * 5], "cut off"),
        ("a.tar", tarred().replace(b"dir/c.txt", b"dir/c.tyt"), "header of the tar archive cannot be read"),
        ("a.tar.gz", b"", "gzip data ends too early"),
        ("a.tar.gz", b"x" * 1000, "gzip data is damaged"),
        ("a.tar.gz", gzip.compress(tarred(), mtime=0)[:-2000], "gzip data ends too early"),
        ("a.tar.gz", gzip.compress(tarred()[:-12_000], mtime=0), "cut off"),
        ("a.tar.gz", gzip.compress(b"", mtime=0), "is empty"),
    ],
)
def test_an_archive_that_cannot_be_listed_fails_alone(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    error = refusal(tmp_path, data, name)

    assert isinstance(error, MalformedFileError)
    assert message in str(error)


def test_an_archive_fails_too_when_globs_name_members(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"")

    assert [file.uri for file in listed(reader(tmp_path, "*.zip!**/*.csv"))] == ["a.zip"]


def test_an_archive_that_can_be_listed_after_all_is_left_to_the_next_sync(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped())
    (archive,) = LocalReader(tmp_path).list_files("")

    with pytest.raises(FileChangedError):
        reader(tmp_path).open(archive)


def test_a_root_that_cannot_be_listed_is_no_matter_of_archives(tmp_path: Path) -> None:
    with pytest.raises(AccessError):
        listed(reader(tmp_path / "missing"))


def test_an_archive_that_nobody_wants_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"whatever")
    archives = reader(tmp_path, "**/*.csv")

    (file,) = archives.list_files("")
    with archives.open(file) as stream:
        assert stream.read() == b"whatever"


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    members = {str(number): b"" for number in range(20)}

    for name, data in (("a.zip", zipped(members)), ("a.tar", tarred(members))):
        error = refusal(tmp_path, data, name, max_members=20)  # the folder is one more
        assert "more than 20 members" in str(error)
        (tmp_path / name).unlink()


def zeros(count: int) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    block = bytes(1 << 24)
    return b"".join(packer.compress(block) for _ in range(count >> 24)) + packer.flush()


def handmade_zip(entries: list[tuple[bytes, int, int, int]], body: bytes) -> bytes:
    """entries: name, compressed size, claimed size, offset; `body` holds the local headers and data."""
    directory = b"".join(
        struct.pack(
            "<4s4B4H3L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 8, 0, 0, 0, stored, size, len(name), 0, 0, 0, 0, 0, offset
        )
        + name
        for name, stored, size, offset in entries
    )
    count = len(entries)
    return body + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)


def local_header(name: bytes, stored: int, size: int) -> bytes:
    return struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, 0, stored, size, len(name), 0) + name


def within_limits(act: Callable[[], FileError]) -> FileError:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    error = act()
    assert time.process_time() - started < 15  # milliseconds; were the work quadratic, minutes
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
    return error


def test_a_zip_of_zeros_is_refused_by_what_it_claims(tmp_path: Path) -> None:
    packed = zeros(64 << 20)
    data = handmade_zip([(b"a", len(packed), 4 << 30 - 1, 0)], local_header(b"a", len(packed), 0) + packed)

    error = within_limits(lambda: refusal(tmp_path, data))

    assert "unpacks to more than 200 times its size" in str(error)
    assert "max_expansion_ratio" in str(error)


def test_a_zip_that_claims_too_little_is_refused_when_it_yields_more(tmp_path: Path) -> None:
    packed = zeros(128 << 20)
    data = handmade_zip([(b"a", len(packed), 1000, 0)], local_header(b"a", len(packed), 1000) + packed)
    (tmp_path / "a.zip").write_bytes(data)
    archives = reader(tmp_path)
    (file,) = listed(archives)

    def read() -> FileError:
        with archives.open(file) as stream, pytest.raises(FileError) as caught:
            drain(stream)
        return caught.value

    assert "longer than the archive says" in str(within_limits(read))


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    packed = zeros(1 << 24)
    body = local_header(b"a", len(packed), 1 << 24) + packed
    entries = [(b"%d" % number, len(packed), 1 << 20, 0) for number in range(2)]

    error = within_limits(lambda: refusal(tmp_path, handmade_zip(entries, body)))

    assert "members that overlap" in str(error)


def test_a_nested_bomb_of_42_kilobytes_is_refused(tmp_path: Path) -> None:
    packed = zeros(1 << 28)
    packed = handmade_zip([(b"0.dll", len(packed), 1 << 28, 0)], local_header(b"0.dll", len(packed), 0) + packed)
    for _ in range(4):
        packed = zipped({f"lib {number}.zip": packed for number in range(16)})
    assert len(packed) < 42 << 10

    error = within_limits(lambda: refusal(tmp_path, packed))

    assert "holds nothing but archives" in str(error)


def test_a_directory_of_a_million_entries_is_refused(tmp_path: Path) -> None:
    entries = [(b"", 0, 0, 0)] * 1_000_000
    data = handmade_zip(entries[:60_000], b"")
    directory = data[:-22]
    data = directory * 16 + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, len(directory) * 16, 0, 0)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert "more than 100000 members" in str(refusal(tmp_path, data))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_a_tar_of_zeros_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("a.csv")
    entry.size = 1 << 28
    packer = zlib.compressobj(9, wbits=31)
    data = (
        packer.compress(entry.tobuf()) + b"".join(packer.compress(bytes(1 << 24)) for _ in range(17)) + packer.flush()
    )

    error = within_limits(lambda: refusal(tmp_path, data, "a.tar.gz"))

    assert "unpacks to more than 200 times its size" in str(error)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.REGTYPE])
def test_tar_headers_with_absurd_sizes_are_refused(tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo("a")
    header.type = kind
    header.size = 1 << 40
    backwards = tarfile.TarInfo("b").tobuf(tarfile.GNU_FORMAT)
    negative = bytearray(backwards)
    negative[124:136] = b"\xff" * 10 + b"\x00\x00"
    negative[148:156] = b" " * 8
    negative[148:156] = b"%06o\0 " % sum(negative)

    for data in (header.tobuf(tarfile.GNU_FORMAT), backwards + bytes(negative)):
        error = within_limits(lambda data=data: refusal(tmp_path, data + bytes(100_000), "a.tar"))  # type: ignore[misc]
        assert isinstance(error, MalformedFileError)


def test_files_that_look_like_members_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a!b.csv").write_bytes(b"1")
    (tmp_path / "x.zip!y.csv").write_bytes(b"2")
    archives = reader(tmp_path, "*")

    assert contents(archives)["a!b.csv"] == b"1"
    for file in LocalReader(tmp_path).list_files(""):
        with archives.open(file) as stream:
            assert stream.read() in (b"1", b"2")


def test_versions_of_stores_without_etags(tmp_path: Path) -> None:
    class WithoutEtags:
        def list_files(self, prefix: str) -> Any:
            for file in LocalReader(tmp_path).list_files(prefix):
                yield RemoteFile(file.uri, file.size_bytes, datetime(2024, 1, 1, tzinfo=UTC))

        def open(self, file: RemoteFile) -> IO[bytes]:
            assert file.etag is None
            return (tmp_path / file.uri).open("rb")

    (tmp_path / "a.zip").write_bytes(zipped())
    archives = ArchiveReader(WithoutEtags(), GlobPatterns(["**"]))

    assert contents(archives) == {f"a.zip!{name}": data for name, data in MEMBERS.items()}
