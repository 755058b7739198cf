"""LocalReader against real folders: what is listed, what is opened, and what is refused."""

import io
import logging
import os
import pickle
import resource
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from file_cdk.core.errors import AccessError, FileAccessError, FileChangedError, TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.readers.local import LocalReader

NOBODY = 65534


def put(root: Path, name: str, content: bytes = b"x") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def uris(root: Path, prefix: str = "", *, follow_symlinks: bool = False) -> list[str]:
    """Sorted, because a listing has no order of its own; kept as a list, so that a repeated uri shows."""
    return sorted(file.uri for file in LocalReader(root, follow_symlinks).list_files(prefix))


def only_file(root: Path, *, follow_symlinks: bool = False) -> RemoteFile:
    (file,) = LocalReader(root, follow_symlinks).list_files("")
    return file


@contextmanager
def unprivileged() -> Iterator[None]:
    """Permission bits do not bind root, so as root the block runs as another user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user can reach; pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o755)
    shutil.rmtree(path)


class TestListing:
    def test_lists_regular_files_of_all_levels_by_relative_path(self, tmp_path: Path) -> None:
        for name in ("a.csv", "b/c.csv", "b/d/e.csv", ".hidden", "sp ace/ünïcode\n.csv"):
            put(tmp_path, name)
        (tmp_path / "empty").mkdir()

        assert uris(tmp_path) == [".hidden", "a.csv", "b/c.csv", "b/d/e.csv", "sp ace/ünïcode\n.csv"]

    def test_size_and_time_are_exact(self, tmp_path: Path) -> None:
        path = put(tmp_path, "a.csv", b"12345")
        os.utime(path, ns=(0, 1_700_000_000_123_456_789))

        file = only_file(tmp_path)

        assert file.size_bytes == 5
        assert file.modified_at == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
        assert file.modified_us == 1_700_000_000_123_456

    def test_a_time_before_1970_is_cut_downwards(self, tmp_path: Path) -> None:
        os.utime(put(tmp_path, "a.csv"), ns=(0, -1))

        assert only_file(tmp_path).modified_at == datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)

    @pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="needs a file system with 64-bit times")
    @pytest.mark.parametrize(("seconds", "year"), [(10**12, 9999), (-(10**12), 1)])
    def test_a_time_that_a_datetime_cannot_hold_is_the_nearest_it_can(self, seconds: int, year: int) -> None:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            path = put(Path(folder), "a.csv")
            os.utime(path, (0, seconds))
            assert int(path.stat().st_mtime) == seconds, "the file system did not keep the time"

            file = only_file(Path(folder))

            assert file.modified_at.year == year
            LocalReader(folder).open(file).close()

    def test_a_copied_folder_has_the_same_versions(self, tmp_path: Path) -> None:
        put(tmp_path / "one", "a.csv", b"1")
        put(tmp_path / "one", "b/c.csv", b"22")
        shutil.copytree(tmp_path / "one", tmp_path / "two")

        one, two = (sorted(LocalReader(tmp_path / n).list_files(""), key=lambda f: f.uri) for n in ("one", "two"))

        assert one == two

    def test_a_change_within_one_microsecond_is_another_version(self, tmp_path: Path) -> None:
        path = put(tmp_path, "a.csv")
        os.utime(path, ns=(0, 1_000))
        before = only_file(tmp_path)
        os.utime(path, ns=(0, 1_001))
        after = only_file(tmp_path)

        assert before.modified_at == after.modified_at
        assert before.etag != after.etag

    def test_is_lazy(self, tmp_path: Path) -> None:
        for number in range(50):
            put(tmp_path, f"{number:02}/a.csv")
        listing = LocalReader(tmp_path).list_files("")
        next(listing)

        shutil.rmtree(tmp_path)

        assert list(listing) == []  # folders that were removed meanwhile hold no files

    def test_leaves_out_what_is_no_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        put(tmp_path, "a.csv")

        assert uris(tmp_path) == ["a.csv"]

    def test_files_below_a_long_path_are_listed_as_others(self, tmp_path: Path) -> None:
        folder = tmp_path
        for number in range(6):
            folder = folder / f"{number}{'x' * 200}"
            folder.mkdir()
            (folder / "a.csv").write_bytes(b"abc")
            (folder / "link.csv").symlink_to("a.csv")
        found = list(LocalReader(tmp_path).list_files(""))
        assert len(found) == 12
        assert {file.size_bytes for file in found} == {3}

    def test_a_deep_tree_needs_neither_recursion_nor_open_folders(self, tmp_path: Path) -> None:
        depth = sys.getrecursionlimit() + 200
        previous = Path.cwd()
        try:
            os.chdir(tmp_path)
            for _ in range(depth):
                os.mkdir("d")  # noqa: PTH102
                os.chdir("d")
            Path("a.csv").write_bytes(b"x")

            assert uris(tmp_path) == ["d/" * depth + "a.csv"]

            Path("a.csv").unlink()
            for _ in range(depth):  # pytest's own clean-up recurses
                os.chdir("..")
                os.rmdir("d")  # noqa: PTH106
        finally:
            os.chdir(previous)

    def test_pickles_with_an_absolute_root(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path, "sub/a.csv")
        monkeypatch.chdir(tmp_path)
        reader = LocalReader("sub")
        monkeypatch.chdir("/")

        copy = pickle.loads(pickle.dumps(reader))

        assert copy == reader
        assert [file.uri for file in copy.list_files("")] == ["a.csv"]
        assert isinstance(copy, StreamReader)


class TestPrefix:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for name in ("ab/cd/1.csv", "ab/cd/2.csv", "ab/ce/3.csv", "ac/4.csv", "ab.csv", "b/5.csv"):
            put(tmp_path, name)
        return tmp_path

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("ab/cd/1.csv", ["ab/cd/1.csv"]),
            ("ab/cd/", ["ab/cd/1.csv", "ab/cd/2.csv"]),
            ("ab/c", ["ab/cd/1.csv", "ab/cd/2.csv", "ab/ce/3.csv"]),
            ("ab", ["ab.csv", "ab/cd/1.csv", "ab/cd/2.csv", "ab/ce/3.csv"]),
            ("ab/cd/1.csv/", []),
            ("zz/", []),
            ("zz", []),
            ("/", []),
            ("ab//cd", []),
            ("./ab", []),
            ("../", []),
            ("ab/../b/", []),
            ("a\0/", []),
            ("a\ud800/", []),
        ],
    )
    def test_limits_the_listing(self, root: Path, prefix: str, expected: list[str]) -> None:
        assert uris(root, prefix) == expected

    def test_keeps_out_of_other_folders(self, open_folder: Path) -> None:
        put(open_folder, "wanted/a.csv")
        put(open_folder, "secret/b.csv").parent.chmod(0)

        with unprivileged():
            assert uris(open_folder, "wanted/") == ["wanted/a.csv"]
            assert uris(open_folder, "w") == ["wanted/a.csv"]


class TestRefusedListing:
    def test_missing_root(self, tmp_path: Path) -> None:
        with pytest.raises(AccessError, match="does not exist") as caught:
            uris(tmp_path / "nowhere")
        assert "nowhere" in str(caught.value)
        assert caught.value.remedy

    def test_root_is_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(AccessError, match="is not a folder") as caught:
            uris(put(tmp_path, "a.csv"))
        assert caught.value.remedy

    def test_root_may_not_be_read(self, open_folder: Path) -> None:
        root = open_folder / "root"
        root.mkdir(mode=0)
        with unprivileged(), pytest.raises(AccessError, match=r"root' cannot be listed: Permission denied"):
            uris(root)

    def test_a_folder_that_may_not_be_read_is_named(self, open_folder: Path) -> None:
        put(open_folder, "a/b/c.csv").parent.chmod(0)
        with unprivileged(), pytest.raises(AccessError, match=r"a/b' cannot be listed: Permission denied") as caught:
            uris(open_folder)
        assert caught.value.remedy

    def test_a_folder_that_may_be_read_but_not_entered(self, open_folder: Path) -> None:
        put(open_folder, "a/b.csv").parent.chmod(0o444)
        with unprivileged(), pytest.raises(AccessError, match=r"a/b\.csv' cannot be listed: Permission denied"):
            uris(open_folder)

    def test_out_of_file_descriptors_may_pass(self, tmp_path: Path) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))  # those that are open stay open
        try:
            with pytest.raises(TransientError, match=r"too many files are open at once; the limit \(ulimit -n\) is 0"):
                uris(tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class TestLinks:
    def test_inside_the_root_are_followed(self, tmp_path: Path) -> None:
        root = tmp_path / "root"
        put(root, "data/a.csv", b"abc")
        (root / "file").symlink_to("data/a.csv")
        (root / "folder").symlink_to(root / "data")

        assert uris(root) == ["data/a.csv", "file", "folder/a.csv"]
        assert uris(root, "folder/a") == ["folder/a.csv"]
        reader = LocalReader(root)
        for file in reader.list_files(""):
            with reader.open(file) as stream:
                assert stream.read() == b"abc"

    def test_a_root_that_is_a_link_itself(self, tmp_path: Path) -> None:
        put(tmp_path / "real", "a/b.csv", b"abc")
        (tmp_path / "real/link").symlink_to("a")
        (tmp_path / "root").symlink_to("real")

        assert uris(tmp_path / "root") == ["a/b.csv", "link/b.csv"]
        reader = LocalReader(tmp_path / "root")
        for file in reader.list_files(""):
            reader.open(file).close()

    @pytest.mark.parametrize("outside", ["outside", "root-sibling"])
    def test_out_of_the_root_are_left_out_with_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, outside: str
    ) -> None:
        root = tmp_path / "root"
        put(tmp_path, f"{outside}/secret.csv")
        put(root, "a.csv")
        (root / "file").symlink_to(tmp_path / outside / "secret.csv")
        (root / "folder").symlink_to(f"../{outside}")

        with caplog.at_level(logging.WARNING, "file_cdk.readers"):
            assert uris(root) == ["a.csv"]
        assert sorted(record.getMessage() for record in caplog.records) == [
            f"left out '{root}/file': a link that leads out of the root (`follow_symlinks: true` allows it)",
            f"left out '{root}/folder': a link that leads out of the root (`follow_symlinks: true` allows it)",
        ]
        assert uris(root, "folder/") == []
        assert uris(root, follow_symlinks=True) == ["a.csv", "file", "folder/secret.csv"]

    def test_cycles_end(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        put(tmp_path, "a/x.csv")
        put(tmp_path, "b/y.csv")
        (tmp_path / "a/up").symlink_to("..")
        (tmp_path / "a/to_b").symlink_to("../b")
        (tmp_path / "b/to_a").symlink_to("../a")

        assert uris(tmp_path) == ["a/to_b/y.csv", "a/x.csv", "b/to_a/x.csv", "b/y.csv"]
        assert any("a link to a folder that it is in" in record.getMessage() for record in caplog.records)

    def test_that_lead_nowhere_are_listed_with_their_fault_and_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "dangling").symlink_to("nothing")
        (tmp_path / "loop").symlink_to("loop")

        assert {file.uri: file.fault for file in LocalReader(tmp_path).list_files("")} == {
            "dangling": "a link that leads nowhere",
            "loop": "a link that leads back to itself",
        }
        assert sorted(record.getMessage() for record in caplog.records) == [
            "left out 'dangling': a link that leads nowhere",
            "left out 'loop': a link that leads back to itself",
        ]

    def test_out_of_the_root_to_a_closed_folder_do_not_stop_the_listing(self, open_folder: Path) -> None:
        put(open_folder, "closed/secret.csv").parent.chmod(0)
        put(open_folder, "root/a.csv")
        (open_folder / "root/link").symlink_to("../closed/secret.csv")

        with unprivileged():
            assert uris(open_folder / "root") == ["a.csv"]


class TestNamesThatAreNotUtf8:
    def test_are_listed_and_opened_by_their_escaped_form(self, tmp_path: Path) -> None:
        folder = os.fsencode(tmp_path) + b"/50% \xff"
        os.mkdir(folder)  # noqa: PTH102
        with open(folder + b"/caf\xe9.csv", "wb") as stream:
            stream.write(b"abc")

        file = only_file(tmp_path)

        assert file.uri == "50%25 %FF/caf%E9.csv"
        with LocalReader(tmp_path).open(file) as content:
            assert content.read() == b"abc"
        for length in range(len(file.uri) + 1):
            assert uris(tmp_path, file.uri[:length]) == [file.uri]

    @pytest.mark.parametrize("name", ["caf%E9.csv", "%C3%A9", "100%", "%25", "%E9%25"])
    def test_names_that_only_look_escaped_are_taken_literally(self, tmp_path: Path, name: str) -> None:
        put(tmp_path, name, b"abc")

        file = only_file(tmp_path)

        assert file.uri == name
        with LocalReader(tmp_path).open(file) as content:
            assert content.read() == b"abc"

    def test_two_names_with_the_same_uri_are_refused(self, tmp_path: Path) -> None:
        put(tmp_path, "caf%E9.csv")
        with open(os.fsencode(tmp_path) + b"/caf\xe9.csv", "wb"):
            pass

        with pytest.raises(AccessError, match=r"two names .* have the same uri 'caf%E9.csv'"):
            uris(tmp_path)

    def test_two_folders_with_the_same_uri_are_refused(self, tmp_path: Path) -> None:
        put(tmp_path, "caf%E9/a.csv")
        os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")  # noqa: PTH102

        for prefix in ("", "caf%E9/"):
            with pytest.raises(AccessError, match="have the same uri"):
                uris(tmp_path, prefix)


class TestOpening:
    def test_gives_the_bytes_readable_and_seekable(self, tmp_path: Path) -> None:
        put(tmp_path, "a/b.csv", b"0123456789")
        with LocalReader(tmp_path).open(only_file(tmp_path)) as stream:
            assert stream.seekable()
            assert stream.read(3) == b"012"
            assert stream.seek(-2, os.SEEK_END) == 8
            assert stream.read() == b"89"
            stream.seek(4)
            with io.BufferedReader(stream, 4) as buffered:  # type: ignore[type-var]  # typeshed wants a RawIOBase by name
                assert buffered.read(3) == b"456"

    def test_a_file_listed_elsewhere_without_a_tag(self, tmp_path: Path) -> None:
        put(tmp_path, "a.csv", b"abc")
        with LocalReader(tmp_path).open(replace(only_file(tmp_path), etag=None)) as stream:
            assert stream.read() == b"abc"

    @pytest.mark.parametrize("etag", ["listed", None])
    @pytest.mark.parametrize("change", ["size", "time"])
    def test_another_version_is_refused(self, tmp_path: Path, change: str, etag: str | None) -> None:
        path = put(tmp_path, "a.csv", b"abc")
        file = only_file(tmp_path)
        listed = path.stat().st_mtime_ns
        if change == "size":
            path.write_bytes(b"abcd")
            os.utime(path, ns=(listed, listed))
        else:
            os.utime(path, ns=(listed, listed + 1000))

        with pytest.raises(FileChangedError, match="changed since it was listed") as caught:
            LocalReader(tmp_path).open(file if etag else replace(file, etag=None))
        assert caught.value.uri == "a.csv"

    @pytest.mark.parametrize("read", ["read", "readall", "readinto"])
    def test_a_change_while_reading_is_noticed(self, tmp_path: Path, read: str) -> None:
        path = put(tmp_path, "a.csv", b"abc" * 100)
        os.utime(path, ns=(0, 0))
        with LocalReader(tmp_path).open(only_file(tmp_path)) as stream:
            assert stream.read(3) == b"abc"
            path.write_bytes(b"xyz" * 100)
            arguments = {"read": (3,), "readall": (), "readinto": (bytearray(3),)}[read]
            with pytest.raises(FileChangedError):
                getattr(stream, read)(*arguments)

    def test_gone(self, tmp_path: Path) -> None:
        path = put(tmp_path, "a/b.csv")
        file = only_file(tmp_path)
        path.unlink()
        with pytest.raises(FileAccessError, match="gone since it was listed"):
            LocalReader(tmp_path).open(file)
        shutil.rmtree(tmp_path / "a")
        put(tmp_path, "a")
        with pytest.raises(FileAccessError, match="gone since it was listed"):
            LocalReader(tmp_path).open(file)

    def test_forbidden(self, open_folder: Path) -> None:
        path = put(open_folder, "a.csv")
        file = only_file(open_folder)
        path.chmod(0)
        with unprivileged(), pytest.raises(FileAccessError, match="may not be read: Permission denied") as caught:
            LocalReader(open_folder).open(file)
        assert caught.value.uri == "a.csv"
        assert caught.value.remedy

    @pytest.mark.parametrize(
        "uri",
        ["../outside.csv", "a/../../outside.csv", "a/../b.csv", "/b.csv", "a//b.csv", "./b.csv", "", "a\0", "a\ud800"],
    )
    def test_uris_that_no_listing_gives(self, tmp_path: Path, uri: str) -> None:
        put(tmp_path, "outside.csv")
        for name in ("b.csv", "a/b.csv"):
            put(tmp_path / "root", name)
        with pytest.raises(FileAccessError, match="not a path that a listing"):
            LocalReader(tmp_path / "root").open(replace(only_file_at(tmp_path, "outside.csv"), uri=uri))

    @pytest.mark.parametrize("swap", ["file", "folder"])
    def test_a_link_swapped_in_after_listing_does_not_lead_out(self, tmp_path: Path, swap: str) -> None:
        root, outside = tmp_path / "root", tmp_path / "outside"
        put(root, "a/b.csv", b"mine")
        shutil.copytree(root, outside)  # the same size and time, so that only the place tells
        file = only_file(root)
        if swap == "file":
            (root / "a/b.csv").unlink()
            (root / "a/b.csv").symlink_to(outside / "a/b.csv")
        else:
            shutil.rmtree(root / "a")
            (root / "a").symlink_to(outside / "a")

        with pytest.raises(FileAccessError, match="leads out of the root"):
            LocalReader(root).open(file)
        LocalReader(root, follow_symlinks=True).open(file).close()

    def test_a_fifo_swapped_in_does_not_hang(self, tmp_path: Path) -> None:
        path = put(tmp_path, "a.csv")
        file = only_file(tmp_path)
        path.unlink()
        os.mkfifo(path)
        caught: list[BaseException] = []

        def attempt() -> None:
            try:
                LocalReader(tmp_path).open(file)
            except FileAccessError as exc:
                caught.append(exc)

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        thread.join(timeout=10)

        assert not thread.is_alive()
        assert "not a regular file" in str(caught)

    def test_a_folder_swapped_in(self, tmp_path: Path) -> None:
        path = put(tmp_path, "a.csv")
        file = only_file(tmp_path)
        path.unlink()
        path.mkdir()
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        with pytest.raises(FileAccessError, match="not a regular file"):
            LocalReader(tmp_path).open(file)
        assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208


def only_file_at(root: Path, name: str) -> RemoteFile:
    (file,) = LocalReader(root).list_files(name)
    return file
