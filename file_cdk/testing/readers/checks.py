"""What the conformance checks of a reader are written in."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import lru_cache
from typing import IO, TypeVar

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.testing.checks import wrong
from file_cdk.testing.readers.storage import PutsMany, Storage

_Result = TypeVar("_Result")


@lru_cache(maxsize=4)
def noise(size_bytes: int, seed: str = "") -> bytes:
    """The same bytes for the same arguments, of which no two stretches are alike."""
    return random.Random(f"{seed}:{size_bytes}").randbytes(size_bytes)  # noqa: S311  reproducible by design


def put_all(storage: Storage, files: Mapping[str, bytes]) -> None:
    if isinstance(storage, PutsMany):
        storage.put_many(files)
        return
    for uri, data in files.items():
        storage.put(uri, data)


def listed(reader: StreamReader, prefix: str = "") -> dict[str, RemoteFile]:
    """What the reader lists below a prefix, by uri. A file that is listed twice fails the check."""
    files = [file for file in reader.list_files(prefix) if file.uri.startswith(prefix)]
    if twice := [uri for uri, count in Counter(file.uri for file in files).items() if count > 1]:
        wrong(f"list_files({prefix!r}) gives {len(twice)} uris more than once: {some(twice)}")
    return {file.uri: file for file in files}


def find(reader: StreamReader, uri: str) -> RemoteFile:
    files = listed(reader)
    if uri not in files:
        wrong(f"list_files('') does not give {uri!r}; it gives {some(files)}")
    return files[uri]


def stored(storage: Storage, uri: str, data: bytes) -> tuple[StreamReader, RemoteFile]:
    """A file that is put there now, as a new reader lists it."""
    storage.put(uri, data)
    reader = storage.reader()
    return reader, find(reader, uri)


def require_uris(found: Iterable[str], expected: Iterable[str], what: str) -> None:
    """Compares as sets; what: the call that found them."""
    found, expected = set(found), set(expected)
    if lacking := expected - found:
        wrong(
            f"{what} lacks {len(lacking)} of {len(expected)} files: {some(lacking)}; not expected: {some(found - expected)}"
        )
    if extra := found - expected:
        wrong(f"{what} gives {len(extra)} files that it should not: {some(extra)}")


def read_up_to(stream: IO[bytes], size: int) -> bytes:
    """`size` bytes, less only where the stream ends: a read may give less than it was asked for."""
    pieces = []
    while size > 0 and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def read_whole(reader: StreamReader, file: RemoteFile) -> bytes:
    with closing(reader.open(file)) as stream:
        return read_up_to(stream, file.size_bytes + 1)


def require_bytes(found: bytes, expected: bytes, what: str) -> None:
    """what: names the file and the part of it."""
    if found == expected:
        return
    if len(found) != len(expected):
        wrong(f"{what} gives {len(found)} bytes instead of {len(expected)}")
    at = next(at for at, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other)
    wrong(f"{what} gives other bytes than were stored, the first at byte {at} of {len(expected)}")


def within(limit_s: float, call: Callable[[], _Result], what: str) -> _Result:
    """What `call` returns or raises; fails when it takes longer, and leaves it behind in its thread."""
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as exc:  # noqa: BLE001  raised again below, in the thread that waits
            errors.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        wrong(f"{what}: neither a result nor an error within {limit_s:g} s")
    if errors:
        raise errors[0]
    return results[0]


def some(uris: Iterable[str]) -> str:
    """The first few, for a message."""
    uris = sorted(uris)
    more = f" and {len(uris) - 5} more" if len(uris) > 5 else ""
    return (", ".join(map(shown, uris[:5])) or "nothing") + more


def shown(uri: str) -> str:
    return repr(uri if len(uri) <= 80 else f"{uri[:70]}…{uri[-7:]}")
