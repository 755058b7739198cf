"""Bodies as they are held: in memory up to a size, in a file of the run's folder beyond it."""

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from file_cdk.core.errors import SystemLimitError
from file_cdk.core.system.run_folder import run_folder
from file_cdk.declarative.http.messages import Spilled

MAX_HELD_BYTES = 64 << 20
"""Maximum size of a body in memory, in bytes."""
_PIECE_BYTES = 1 << 20


def held(pieces: Iterator[bytes]) -> bytes | Spilled:
    """All of them. Raises SystemLimitError where the file has no room; then nothing of it is left."""
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size > MAX_HELD_BYTES:
            return _spilled(parts, pieces)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def opened(body: bytes | Spilled) -> BinaryIO:
    """It, from its beginning on; to be closed."""
    return io.BytesIO(body) if isinstance(body, bytes) else body.path.open("rb")


def pieces_of(body: Spilled) -> Iterator[bytes]:
    with opened(body) as file:
        yield from iter(lambda: file.read(_PIECE_BYTES), b"")


def no_room(cause: OSError) -> SystemLimitError:
    return SystemLimitError(
        f"an answer of more than {MAX_HELD_BYTES >> 20} MiB cannot be held in a temporary file: {cause.strerror}",
        remedy="Make room in the folder for temporary files, or name another one in TMPDIR",
    )


def _spilled(parts: list[bytes], pieces: Iterator[bytes]) -> Spilled:
    # An OSError of the file is not to be taken for one of the connection that the pieces come over.
    try:
        path = Path(run_folder()) / f"answer-{os.urandom(8).hex()}"
        file = path.open("xb", buffering=0)
    except OSError as exc:
        raise no_room(exc) from exc
    try:
        with file:
            size = _written(parts, file)
            parts.clear()
            size += _written(pieces, file)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Spilled(path, size)


def _written(pieces: Iterable[bytes], file: BinaryIO) -> int:
    size = 0
    for piece in pieces:
        rest = memoryview(piece)
        size += len(rest)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as exc:
            raise no_room(exc) from exc
    return size
