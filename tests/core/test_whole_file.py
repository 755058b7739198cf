import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from file_cdk.core.system.whole_file import is_stream, remove_old, write_whole


def test_what_is_there_is_replaced_by_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"an older and longer report")
    with path.open("rb") as reader:
        write_whole(path, b"new")
        assert reader.read() == b"an older and longer report"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "report.json", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "report.json").stat().st_mode & 0o777 == 0o640


def test_a_name_may_be_as_long_as_names_may_be(tmp_path: Path) -> None:
    write_whole(tmp_path / ("n" * 255), b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["n" * 255]


def test_of_a_link_the_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    target, link = tmp_path / "kept" / "report.json", tmp_path / "latest.json"
    link.symlink_to(target)
    for text in (b"first", b"second"):
        write_whole(link, text)
        assert target.read_bytes() == text
    assert link.is_symlink()
    remove_old(link)
    assert link.is_symlink()
    assert list((tmp_path / "kept").iterdir()) == []


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    write_whole(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_pipe_with_a_name_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    remove_old(path)
    write_whole(path, b"through the pipe")
    reader.join(10)
    assert read == [b"through the pipe"]
    assert path.is_fifo()


def test_a_device_stays_one() -> None:
    remove_old(Path("/dev/null"))
    write_whole(Path("/dev/null"), b"x")
    assert Path("/dev/null").is_char_device()


_TO_STDOUT = """
import sys
from pathlib import Path
from file_cdk.core.system.whole_file import remove_old, write_whole
print("before", flush=True)
remove_old(Path("/dev/stdout"))
write_whole(Path("/dev/stdout"), b"the report\\n")
print("after")
"""


def test_stdout_by_its_name_is_written_to_also_where_it_is_a_file(tmp_path: Path) -> None:
    with (tmp_path / "out").open("ab") as out:
        subprocess.run([sys.executable, "-c", _TO_STDOUT], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "before\nthe report\nafter\n"
    done = subprocess.run([sys.executable, "-c", _TO_STDOUT], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"before\nthe report\nafter\n"
    assert Path("/dev/stdout").is_symlink()


def test_what_cannot_be_written_leaves_the_old_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            write_whole(path, bytes(2048))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("report.json", b"old")]


def test_folders_and_missing_ones_are_refused(tmp_path: Path) -> None:
    assert not is_stream(tmp_path)
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path, b"x")
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "no" / "report.json", b"x")
    assert list(tmp_path.iterdir()) == []


_KILLED = """
import sys
from pathlib import Path
from file_cdk.core.system.whole_file import write_whole
print("writing", flush=True)
number = 0
while True:
    number += 1
    write_whole(Path(sys.argv[1]), str(number % 10).encode() * 100_000)
"""


def test_a_reader_never_sees_a_part_and_a_kill_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "report"
    with subprocess.Popen([sys.executable, "-c", _KILLED, str(path)], stdout=subprocess.PIPE, text=True) as writing:
        assert writing.stdout is not None
        assert writing.stdout.readline() == "writing\n"
        seen: set[bytes] = set()
        while len(seen) < 5:
            if path.exists():
                data = path.read_bytes()
                assert len(data) == 100_000
                assert data == data[:1] * 100_000
                seen.add(data[:1])
        writing.kill()
    data = path.read_bytes()
    assert data == data[:1] * 100_000
