import errno
import pickle
from pathlib import Path

import pyarrow as pa
import pytest

from file_cdk.core.errors import SystemLimitError
from file_cdk.core.system.limits import limit_reached, reason_and_remedy


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (MemoryError(), "not enough memory"),
        (pa.ArrowMemoryError("malloc of size 8388608 failed"), "8,388,608 bytes more were asked for"),
        (pa.ArrowException("Unknown error: std::bad_alloc"), "not enough memory"),
        (ImportError("libarrow.so.2600: failed to map segment from shared object"), "not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory"),
        (RuntimeError("can't start new thread"), "no more processes or threads"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "no more processes or threads"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files"),
        (ImportError("x.so: cannot open shared object file: Too many open files"), "too many files"),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), "the disk is full (writing '/tmp/x')"),
        (OSError(errno.EFBIG, "File too large"), "a file would become larger than the limit"),
    ],
    ids=repr,
)
def test_what_the_system_refuses(cause: Exception, said: str) -> None:
    limit = limit_reached(cause)
    assert limit is not None
    assert said in str(limit)
    assert str(pickle.loads(pickle.dumps(limit))) == str(limit)
    assert limit_reached(limit) is limit


@pytest.mark.parametrize(
    "cause",
    [ValueError("size"), FileNotFoundError(errno.ENOENT, "No such file", "x"), KeyError("a"), EOFError()],
    ids=repr,
)
def test_anything_else_is_not_explained_away(cause: Exception) -> None:
    assert limit_reached(cause) is None


def test_a_real_failure_to_allocate() -> None:
    with pytest.raises(MemoryError) as caught:
        pa.allocate_buffer(1 << 60)
    limit = limit_reached(caught.value)
    assert isinstance(limit, SystemLimitError)
    assert f"{1 << 60:,} bytes" in str(limit)


def test_the_working_folder_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        Path.cwd()
    assert "is gone" in str(limit_reached(caught.value))


@pytest.mark.parametrize(
    ("cause", "reason", "has_remedy"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full", True),
        (OSError(errno.EBADF, "Bad file descriptor"), "it is closed", False),
        (OSError(errno.EPERM, "Operation not permitted"), "Operation not permitted", False),
        (OSError("odd"), "OSError", False),
    ],
)
def test_why_something_could_not_be_written(cause: OSError, reason: str, has_remedy: bool) -> None:
    said, remedy = reason_and_remedy(cause)
    assert said == reason
    assert (remedy is not None) == has_remedy
