"""Files that are loaded and not in the source any more: told from those that a listing does not show, counted, or removed."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DeletesRefusedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Matcher, StreamTable
from file_cdk.core.uris import is_archive, split_member
from file_cdk.pipeline.rejects import parsed_limit

OnDelete = Literal["keep", "remove"]


@dataclass(frozen=True, slots=True)
class MaxDeletes:
    """How many loaded files may be removed with one sync: so many, or a percentage of all loaded files, but at least `least`."""

    files: int | None = None
    percent: float = 20
    least: int = 10

    @classmethod
    def parse(cls, text: str | None) -> "MaxDeletes":
        """From `10` or `0.5%`; None is the default. Raises ConfigError."""
        if text is None:
            return cls()
        files, percent = parsed_limit(text, "removed files", "20%")
        return cls(files) if percent is None else cls(percent=percent, least=0)

    def allow(self, gone: int, loaded: int) -> bool:
        if self.files is not None:
            return gone <= self.files
        if gone <= self.least:
            return True
        from fractions import Fraction  # takes long to import, and most syncs do without

        return gone * 100 <= Fraction(str(self.percent)) * loaded

    def __str__(self) -> str:
        return str(self.files) if self.files is not None else f"{self.percent:g}%"


_FEW = 1 << 16
"""Maximum number of hashes that are sorted as Python's objects: pyarrow sorts with a module whose import takes longer."""


class Uris:
    """A set of uris, in 8 bytes each."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._is_sorted = False

    def __len__(self) -> int:
        return len(self._hashes)

    def update(self, uris: Iterable[str]) -> None:
        some = list(uris)
        self._hashes.extend(map(hash if "".join(some).isascii() else _hash, some))
        self._is_sorted = False

    def has(self, uri: str) -> bool:
        self._sort()  # only where there is something to look for
        number = _hash(uri)
        place = bisect_left(self._hashes, number)
        return place < len(self._hashes) and self._hashes[place] == number

    def _sort(self) -> None:
        if self._is_sorted:
            return
        if len(self._hashes) <= _FEW:
            self._hashes = array("q", sorted(self._hashes))
        else:
            import pyarrow as pa  # sorts without an object for each number

            ordered = pa.array(memoryview(self._hashes), pa.int64()).sort()
            self._hashes = array("q")
            self._hashes.frombytes(memoryview(ordered.buffers()[1])[: 8 * len(ordered)])
        self._is_sorted = True


def _hash(uri: str) -> int:
    """Of 64 bits, and the same in this process alone; what UTF-8 cannot hold as a ledger may have escaped it."""
    return hash(uri if uri.isascii() else uri.encode("utf-8", "backslashreplace"))


class Listed:
    """Every file of one listing; what the ledger has besides is gone from the source.

    What could not be listed inside counts as there: a folder that is closed to us, and an archive that is listed itself.
    """

    def __init__(self) -> None:
        self._files = Uris()
        self._archives: set[str] = set()
        self._folders: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._files)

    def look(self, files: Sequence[RemoteFile]) -> list[str | None]:
        """As a rule that skips nothing; before those that do, since files that others skip are there."""
        uris = [file.uri for file in files]
        self._files.update(uris)
        self._archives.update(filter(is_archive, uris))
        self._folders += [file.uri for file in files if file.fault is not None and file.is_closed_folder]
        return [None] * len(files)

    def gone(self, uris: Iterable[str], matcher: Matcher) -> Iterator[str]:
        """Those that the patterns would have listed: others may be there. To be asked after a listing without an error."""
        return (uri for uri in uris if not self._has(uri) and matcher.matches(uri))

    def _has(self, uri: str) -> bool:
        if self._files.has(uri) or any(uri.startswith(folder) for folder in self._folders):
            return True
        member = split_member(uri) if self._archives else None
        return member is not None and member[0] in self._archives


@dataclass(frozen=True, slots=True)
class Gone:
    """How many loaded files are gone from the source, and how many of them were removed from the table."""

    files: int = 0
    removed: int = 0


def handle_gone(table: StreamTable, listed: Listed, matcher: Matcher, then: OnDelete, limit: MaxDeletes) -> Gone:
    """Raises what `check_deletes` does; then none is removed."""
    loaded, gone = _counted(table, listed, matcher)
    if then == "keep" or not gone:
        return Gone(gone)
    check_deletes(listed, gone, loaded, limit)
    for part in table.loaded():
        if uris := list(listed.gone(part, matcher)):
            table.remove(uris)
    return Gone(gone, gone)


def settle_gone(
    tables: tuple[StreamTable, Listed], selected: Listed | None, matcher: Matcher, then: OnDelete, limit: MaxDeletes
) -> tuple[Gone, DeletesRefusedError | None]:
    """Before new files are loaded: one that was renamed is in the table twice at no time. tables: that of the earlier syncs,
    and what is in the source now. selected: of a full refresh, the files that it would load. Also why nothing is removed, or
    the table not replaced."""
    table, listed = tables
    gone = Gone()
    try:
        gone = handle_gone(table, listed, matcher, "keep" if selected is not None else then, limit)
        if selected is not None:
            check_refresh(table, selected, matcher, limit)
    except DeletesRefusedError as exc:
        return Gone(exc.gone), exc
    return gone, None


def _counted(table: StreamTable, listed: Listed, matcher: Matcher) -> tuple[int, int]:
    """How many files are loaded, and how many of them are gone."""
    loaded = gone = 0
    for part in table.loaded():
        loaded += len(part)
        gone += sum(1 for _ in listed.gone(part, matcher))
    return loaded, gone


def check_deletes(listed: Listed, gone: int, loaded: int, limit: MaxDeletes) -> None:
    """Raises DeletesRefusedError where more are gone than may be removed, or all."""
    if not listed:
        raise DeletesRefusedError(
            f"the listing of the source is empty, and {gone:,} loaded files would be removed: none was",
            gone=gone,
            remedy="Check the source. To empty the table, drop it",
        )
    if not limit.allow(gone, loaded):
        raise DeletesRefusedError(
            f"{gone:,} of {loaded:,} loaded files are gone from the source, more than --max-deletes {limit} lets be removed: "
            "none was",
            gone=gone,
            remedy=f"Check the source. To remove them, sync with --max-deletes {gone}",
        )


def check_refresh(table: StreamTable, selected: Listed, matcher: Matcher, limit: MaxDeletes) -> None:
    """Raises DeletesRefusedError where a full refresh would lose the rows of more files than may be removed, or of all. Those
    that the patterns leave out are meant to go.

    selected: the files that it would load.
    """
    loaded, lost = _counted(table, selected, matcher)
    if not selected:
        if loaded:
            raise DeletesRefusedError(
                f"no file would be loaded, and the rows of {loaded:,} would go: the table is as it was",
                gone=lost,
                remedy="Check the source and the patterns. To empty the table, drop it",
            )
    elif not limit.allow(lost, loaded):
        raise DeletesRefusedError(
            f"{lost:,} of {loaded:,} loaded files would not be loaded again, since they are gone or skipped; that is more than "
            f"--max-deletes {limit} lets go, so the table is as it was",
            gone=lost,
            remedy=f"Check the source. To let them go, refresh with --max-deletes {lost}",
        )
