"""Archives that are named as something else, or hold nothing that is wanted: what is said of them."""

import bz2
import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import duckdb
import pytest

from file_cdk import AccessError, FileCdkError, SyncOptions, sync

GOOD = b"id,name\n1,a\n"


def zipped(members: dict[str, bytes]) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return into.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return into.getvalue()


class Listening:
    def __init__(self) -> None:
        self.failed: list[str] = []
        self.warnings: list[str] = []

    def file_failed(self, stream: str, uri: str, error: FileCdkError) -> None:
        self.failed.append(error.message)

    def warned(self, message: str) -> None:
        self.warnings.append(message)

    def listed(self, *_: object) -> None: ...
    def progressed(self, *_: object) -> None: ...
    def file_loaded(self, *_: object) -> None: ...


def told(folder: Path, name: str, data: bytes) -> Listening:
    (folder / name).write_bytes(data)
    listening = Listening()
    sync(folder / name, folder / "x.duckdb", SyncOptions(workers=0, stream="t", filetype="csv"), listening)
    return listening


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.tgz", tarred({"a.csv": GOOD}), "a tar archive that is not compressed (.tar)"),
        ("a.tar.gz", bz2.compress(tarred({"a.csv": GOOD})), "compressed with bzip2"),
        ("a.tar", gzip.compress(tarred({"a.csv": GOOD})), "compressed with gzip"),
        ("a.tar", zipped({"a.csv": GOOD}), "a zip archive (.zip)"),
        ("a.zip", gzip.compress(GOOD), "compressed with gzip"),
        ("a.zip", b"7z\xbc\xaf\x27\x1c" + b"x" * 100, "a 7z archive, which cannot be read"),
        ("a.zip", b"Rar!\x1a\x07\x01\x00" + b"x" * 100, "a rar archive, which cannot be read"),
    ],
    ids=lambda value: "data" if isinstance(value, bytes) else value,
)
def test_an_archive_that_is_another_one_says_so(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (message,) = told(tmp_path, name, data).failed
    assert message.startswith(f"is not what its name says, but {said}")


def test_damage_is_still_called_damage(tmp_path: Path) -> None:
    (message,) = told(tmp_path, "a.zip", zipped({"a.csv": GOOD})[:-30]).failed
    assert message == "is not a whole zip archive: it has no directory at its end"


@pytest.mark.parametrize("data", [zipped({}), zipped({"__MACOSX/._a.csv": GOOD}), zipped({".DS_Store": b"x"})])
def test_an_archive_without_a_wanted_member_is_there_all_the_same(tmp_path: Path, data: bytes) -> None:
    assert told(tmp_path, "a.zip", data).warnings == ["t: no file matches 'a.zip'"]


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"no such archive|no file 'a\.zip'|no such file"):
        sync(tmp_path / "a.zip", tmp_path / "x.duckdb", SyncOptions(workers=0, stream="t", filetype="csv"))


@pytest.mark.parametrize("name", ["a.tar", "a.tgz"])
def test_a_sparse_member_fails_by_itself(tmp_path: Path, name: str) -> None:
    """Written by hand as GNU tar does: a map of the pieces, four of which have room in the header."""
    info = tarfile.TarInfo("holes.csv")
    info.size = 512
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    header[386:398], header[398:410] = b"00004000000\0", b"00000001000\0"  # the piece's offset and size
    header[482:483], header[483:495] = b"\0", b"00004001000\0"  # no further map; the size with the holes
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data = bytes(header) + b"x" * 512 + tarred({"a.csv": GOOD})
    listening = told(tmp_path, name, data if name == "a.tar" else gzip.compress(data))
    assert listening.failed == ["is a sparse file in a tar archive, which cannot be read"]
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        assert connection.execute("select id, name, _file_url from t").fetchall() == [(1, "a", f"{name}!a.csv")]
