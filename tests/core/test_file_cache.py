import pickle
from datetime import UTC, datetime

from file_cdk.core.files import FileCache, RemoteFile

A, B, C = (RemoteFile(name, 1, datetime(2024, 1, 1, tzinfo=UTC)) for name in "abc")


def test_each_version_is_read_once_until_others_push_it_out() -> None:
    cache, reads = FileCache[str](2), list[str]()

    def reading(file: RemoteFile) -> str:
        def read() -> str:
            reads.append(file.uri)
            return file.uri.upper()

        return cache.get(file, read)

    assert [reading(file) for file in (A, B, A, C, A, B)] == ["A", "B", "A", "C", "A", "B"]
    assert reads == ["a", "b", "c", "b"]
    reading(RemoteFile("a", 1, A.modified_at, etag="2"))
    assert reads[-1] == "a"


def test_a_copy_for_another_process_is_empty() -> None:
    cache = FileCache[str](2)
    cache.get(A, lambda: "mine")
    copy: FileCache[str] = pickle.loads(pickle.dumps(cache))
    assert copy.get(A, lambda: "its own") == "its own"
