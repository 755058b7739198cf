"""What a sync would do with each file, and why: those of the source, and those that are loaded and gone from it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import field
from enum import StrEnum
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DeletesRefusedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ledger import LedgerKeeper
from file_cdk.core.uris import redacted
from file_cdk.destinations.registry import destination_for
from file_cdk.engine.listing import ALREADY_LOADED
from file_cdk.pipeline.inspection import Inspection, InspectionOptions, inspections_of
from file_cdk.pipeline.tables.deletes import Listed, MaxDeletes, OnDelete, check_deletes


class Decision(StrEnum):
    READ = "read"
    REPLACE = "replace"
    SKIP = "skip"
    REMOVE = "remove"
    KEEP = "keep"


NEW = "new"
FAILED_BEFORE = "failed before"
OTHER_VERSION = "another version is loaded"
AGAIN = "to be loaded again"
GONE = "gone from the source"

_NEW = Decision.READ, NEW


class ExplainedFile(NamedTuple):
    """file: None where it is gone from the source."""

    stream: str
    uri: str
    file: RemoteFile | None
    decision: Decision
    why: str


_explained_file: Callable[[tuple[Any, ...]], ExplainedFile] = partial(tuple.__new__, ExplainedFile)
"""Of all of its fields, in a third of the time: without a call of Python's for each file."""


@dataclass(slots=True)
class Explanation:
    """One stream's. The counts, by decision, are complete when all files were yielded. Memory: that of an inspection, 8 bytes for
    each listed file, and the names of those that are gone."""

    inspection: Inspection
    ledger: LedgerKeeper
    on_delete: OnDelete | None
    limit: MaxDeletes
    counts: Counter[Decision] = field(default_factory=Counter)
    refused: DeletesRefusedError | None = None
    """Why files that are gone would not be removed, though they are to be."""

    @property
    def name(self) -> str:
        return self.inspection.stream.name

    def files(self) -> Iterator[ExplainedFile]:
        """Those of the source in the order of a sync, then those that are gone, by name. Raises what a sync would."""
        listed = Listed()
        with closing(self.inspection.decided()) as chunks:
            for files, reasons in chunks:
                listed.look(files)
                yield from self._explained(files, reasons)
        if not self._are_all_listed():
            yield from self._gone(listed)

    def _explained(self, files: Sequence[RemoteFile], reasons: Sequence[str | None]) -> Iterator[ExplainedFile]:
        uris = [file.uri for file in files]
        left = [uri for uri, reason in zip(uris, reasons, strict=True) if reason is None]
        known = self._known(left)
        self.counts[Decision.SKIP] += len(files) - len(left)
        self.counts.update([known.get(uri, _NEW)[0] for uri in left])
        found = [
            known.get(uri, _NEW) if reason is None else (Decision.SKIP, reason)
            for uri, reason in zip(uris, reasons, strict=True)
        ]
        return map(
            _explained_file, zip(repeat(self.name, len(files)), uris, files, *zip(*found, strict=True), strict=True)
        )

    def _are_all_listed(self) -> bool:
        """Whether no file is gone, as the counts tell without a look at the names."""
        met = self.inspection.skipped[ALREADY_LOADED] + self.counts[Decision.REPLACE]
        return met > 0 and any(each.stream == self.name and each.files == met for each in self.ledger.streams())

    def _known(self, uris: Sequence[str]) -> dict[str, tuple[Decision, str]]:
        """What would be done with files that are to be read and that the ledger has, and why."""
        known: dict[str, tuple[Decision, str]] = {}
        # Of one file, a failure comes before what is loaded.
        for entry in self.ledger.entries(self.name, uris) if uris else ():
            if entry.status == "failed":
                known[entry.url] = Decision.READ, FAILED_BEFORE
            elif entry.size_bytes is None:
                known[entry.url] = Decision.REPLACE, AGAIN
            else:
                known[entry.url] = Decision.REPLACE, FAILED_BEFORE if entry.url in known else OTHER_VERSION
        return known

    def _gone(self, listed: Listed) -> Iterator[ExplainedFile]:
        matcher = self.inspection.stream.matcher
        then = self.on_delete or self.inspection.stream.config.on_delete or "keep"
        loaded, gone = 0, list[str]()
        for part in self.ledger.loaded(self.name):
            loaded += len(part)
            gone += listed.gone(part, matcher)
        if gone and then == "remove":
            try:
                check_deletes(listed, len(gone), loaded, self.limit)
            except DeletesRefusedError as exc:
                self.refused = exc
        decision = Decision.REMOVE if then == "remove" and self.refused is None else Decision.KEEP
        for uri in sorted(gone):
            self.counts[decision] += 1
            yield ExplainedFile(self.name, uri, None, decision, GONE)


def explanations_of(
    source: str, options: InspectionOptions, on_delete: OnDelete | None, limit: MaxDeletes, opened: ExitStack
) -> list[Explanation]:
    """One for each table that a sync of SOURCE loads. opened: closes what they share. Raises ConfigError, or
    AccessError when nothing is there."""
    assert options.destination is not None
    ledger = ledger_keeper(options.destination)
    inspections = (part for each in inspections_of(source, options) for part in each.parts(opened))
    return [Explanation(each, ledger, on_delete, limit) for each in inspections]


def ledger_keeper(url: str) -> LedgerKeeper:
    """Not opened. Raises ConfigError."""
    destination = destination_for(url)
    if not isinstance(destination, LedgerKeeper):
        raise ConfigError(
            f"the ledger of {redacted(url)!r} cannot be asked", remedy="Name a DuckDB, SQLite or Postgres database"
        )
    return destination
