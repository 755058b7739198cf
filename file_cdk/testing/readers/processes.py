"""Conformance of a reader that goes to other processes, and of what it leaves behind."""

import gc
import multiprocessing
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Prefetching, StreamReader
from file_cdk.testing.checks import error_of, require
from file_cdk.testing.readers.checks import listed, noise, put_all, read_up_to, read_whole, require_bytes
from file_cdk.testing.readers.storage import Storage

_FILES = {"a.csv": noise(10_000), "folder/b.csv": noise(300_000), "empty.csv": b""}
_MORE_WHEN_USED_BYTES = 512


class ProcessConformance:
    def test_a_pickled_reader_reads_the_same(self, storage: Storage) -> None:
        put_all(storage, _FILES)
        unused = storage.reader()
        used = storage.reader()
        found = listed(used)
        with closing(used.open(found["folder/b.csv"])) as stream:
            read_up_to(stream, 100)
            before, after = _pickled(unused, "that was not used yet"), _pickled(used, "in use, with a file open,")
        require(
            len(after) <= len(before) + _MORE_WHEN_USED_BYTES,
            f"a reader in use takes {len(after)} bytes when pickled, and {len(before)} before: a reader holds its "
            "configuration alone, and makes clients when they are first used",
        )
        for text in (before, after):
            copy: StreamReader = pickle.loads(text)
            require(listed(copy) == found, "a pickled reader lists other files than the one it was made from")
            for uri, data in _FILES.items():
                require_bytes(read_whole(copy, found[uri]), data, f"{uri!r}, read by a pickled reader,")

    def test_a_reader_works_in_a_new_process(self, storage: Storage) -> None:
        """Spawned, not forked: nothing but the pickled reader and file goes there."""
        put_all(storage, _FILES)
        reader = storage.reader()
        found = listed(reader)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            listed_there, contents = pool.submit(_list_and_read, reader, list(found.values())).result(60)
        require(listed_there == found, "another process lists other versions of the files, though nothing changed")
        for (uri, data), bytes_there in zip(found.items(), contents, strict=True):
            require(data.uri == uri and bytes_there == _FILES[uri], f"another process reads other bytes of {uri!r}")

    def test_nothing_is_left_open(self, storage: Storage) -> None:
        put_all(storage, _FILES)
        gc.collect()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _use(storage.reader())
            gc.collect()
        left = sorted({str(warning.message) for warning in caught if issubclass(warning.category, ResourceWarning)})
        require(not left, f"a reader that is not used any more leaves resources open: {left}")


def _pickled(reader: StreamReader, state: str) -> bytes:
    error = error_of(lambda: pickle.dumps(reader))
    require(error is None, f"a reader {state} cannot be pickled, and so not be sent to a worker: {error}")
    return pickle.dumps(reader)


def _list_and_read(reader: StreamReader, files: list[RemoteFile]) -> tuple[dict[str, RemoteFile], list[bytes]]:
    return listed(reader), [read_whole(reader, file) for file in files]


def _use(reader: StreamReader) -> None:
    """A listing given up, a listing to the end, a file given up, a file read to the end."""
    next(iter(reader.list_files("")), None)
    files = listed(reader)
    if isinstance(reader, Prefetching):
        reader.prefetch(files["a.csv"], 0, 10_000)
    with closing(reader.open(files["folder/b.csv"])) as stream:
        read_up_to(stream, 10)
    read_whole(reader, files["folder/b.csv"])
