"""Records of a page: a list, or in a file where the answer was too large to hold.

Whoever takes records one after the other need not know which. A file has no name, and is gone with the records.
"""

import threading
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, compress, islice
from typing import Any, TypeVar, overload

from file_cdk.core.system.run_folder import run_folder
from file_cdk.declarative.http.holding import MAX_HELD_BYTES, no_room

PIECE_RECORDS = 1024
"""Maximum number of records of a file that are in memory at a time, for each who reads them."""
_BUFFER_BYTES = 1 << 20

_Each = TypeVar("_Each")


class RecordsInFile(Sequence[bytes]):
    """Each on a line. For several threads, once all are written; not to be pickled. size_bytes: on the disk."""

    def __init__(self) -> None:
        """Raises SystemLimitError where there is no room, as `write` and `finish` do."""
        import tempfile  # few answers are as large

        try:
            self._file = tempfile.TemporaryFile(dir=run_folder(), buffering=_BUFFER_BYTES)  # noqa: SIM115 as long as this object
        except OSError as exc:
            raise no_room(exc) from exc
        weakref.finalize(self, self._file.close)
        self._starts = array("Q")
        """Offsets of every PIECE_RECORDS-th record."""
        self._count = 0
        self._lock = threading.Lock()
        self.size_bytes = 0

    def write(self, records: Iterable[bytes]) -> None:
        try:
            for record in records:
                if self._count % PIECE_RECORDS == 0:
                    self._starts.append(self.size_bytes)
                self._file.write(record)
                self._file.write(b"\n")
                self._count += 1
                self.size_bytes += len(record) + 1
        except OSError as exc:
            raise no_room(exc) from exc

    def finish(self) -> None:
        """After the last is written, and before any is read."""
        try:
            self._file.flush()
        except OSError as exc:
            raise no_room(exc) from exc

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces():
            yield from piece

    def pieces(self) -> Iterator[list[bytes]]:
        for number in range(len(self._starts)):
            yield self._piece(number)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._count))]
        at = index + self._count if index < 0 else index
        if not 0 <= at < self._count:
            raise IndexError(index)
        return self._piece(at // PIECE_RECORDS)[at % PIECE_RECORDS]

    def __reduce__(self) -> Any:
        raise TypeError("records in a file stay in their process")

    def _piece(self, number: int) -> list[bytes]:
        with self._lock:
            self._file.seek(self._starts[number])
            return [line[:-1] for line in islice(self._file, PIECE_RECORDS)]


class ValuesInFile(Sequence[Any]):
    """A value of each of such records, found anew whenever it is asked for. values: of some of them."""

    def __init__(self, records: RecordsInFile, values: Callable[[Sequence[bytes]], Sequence[Any]]) -> None:
        self._records = records
        self._values = values

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Any]:
        for piece in self.pieces():
            yield from piece

    def of(self, records: RecordsInFile) -> "ValuesInFile":
        """Those of other records."""
        return ValuesInFile(records, self._values)

    def pieces(self) -> Iterator[Sequence[Any]]:
        return map(self._values, self._records.pieces())

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._values(self._records[index])
        return self._values([self._records[index]])[0]


def in_pieces(each: Sequence[_Each]) -> Iterator[Sequence[_Each]]:
    """All records of a page, or their values, in order, never more of a file than a piece."""
    if type(each) is RecordsInFile or type(each) is ValuesInFile:  # quicker to ask than isinstance
        return each.pieces()
    return iter((each,) if each else ())


def chosen(
    records: Sequence[bytes], values: Sequence[Any], is_taken: Callable[[Any], bool]
) -> tuple[Sequence[bytes], Sequence[Any]]:
    """The records of a page whose values are taken, and those. Raises SystemLimitError as RecordsInFile."""
    if isinstance(records, RecordsInFile) and isinstance(values, ValuesInFile):
        if all(map(is_taken, values)):
            return records, values
        kept = RecordsInFile()
        kept.write(record for record, value in zip(records, values, strict=True) if is_taken(value))
        kept.finish()
        return kept, values.of(kept)
    counts = list(map(is_taken, values))
    if all(counts):
        return records, values
    return list(compress(records, counts)), list(compress(values, counts))


class RecordWriter:
    """Takes the records of a page as they are found."""

    def __init__(self) -> None:
        self._parts: list[Sequence[bytes]] = []
        """What is held, while there is no file."""
        self._held_bytes = 0
        self._file: RecordsInFile | None = None

    @property
    def is_in_file(self) -> bool:
        """They turned out to be more than may be held."""
        return self._file is not None

    def add(self, records: Sequence[bytes]) -> None:
        """Raises SystemLimitError where there is no room for a file."""
        if self._file is not None:
            self._file.write(records)
            return
        self._parts.append(records)
        # A page in one part is one that was held as a whole: it is not measured.
        if len(self._parts) > 1:
            unmeasured = self._parts if len(self._parts) == 2 else (records,)
            self._held_bytes += sum(len(record) for part in unmeasured for record in part)
            if self._held_bytes > MAX_HELD_BYTES:
                self._file = RecordsInFile()
                self._file.write(chain.from_iterable(self._parts))
                self._parts.clear()

    def records(self) -> Sequence[bytes]:
        """All of them; nothing is added after that."""
        if self._file is not None:
            self._file.finish()
            return self._file
        return self._parts[0] if len(self._parts) == 1 else list(chain.from_iterable(self._parts))
