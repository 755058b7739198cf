"""What a sync would do with each file, and why: those of the source, and those that are loaded and gone from it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum

from file_cdk.core.errors import ConfigError, DeletesRefusedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ledger import LedgerEntry, LedgerKeeper
from file_cdk.destinations.registry import destination_for
from file_cdk.pipeline.inspection import Inspection, InspectionOptions, inspections_of
from file_cdk.pipeline.tables.deletes import Listed, MaxDeletes, OnDelete, Uris, check_deletes


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


@dataclass(frozen=True, slots=True)
class ExplainedFile:
    """file: None where it is gone from the source."""

    stream: str
    uri: str
    file: RemoteFile | None
    decision: Decision
    why: str


@dataclass(slots=True)
class _Entries:
    """What the ledger has of one stream, in 8 bytes a file."""

    loaded: Uris = field(default_factory=Uris)
    again: Uris = field(default_factory=Uris)
    failed: Uris = field(default_factory=Uris)

    def add(self, entry: LedgerEntry) -> None:
        if entry.status == "failed":
            self.failed.add(entry.url)
        elif entry.size_bytes is None:
            self.again.add(entry.url)
        else:
            self.loaded.add(entry.url)

    def why(self, uri: str) -> tuple[Decision, str]:
        """Of a file that would be read."""
        if self.again.has(uri):
            return Decision.REPLACE, AGAIN
        if self.loaded.has(uri):
            return Decision.REPLACE, FAILED_BEFORE if self.failed.has(uri) else OTHER_VERSION
        return Decision.READ, FAILED_BEFORE if self.failed.has(uri) else NEW


@dataclass(slots=True)
class Explanation:
    """One stream's. The counts, by decision, are complete when all files were yielded. Memory: that of an inspection, 8 bytes for
    each loaded file, and the names of those that are gone."""

    inspection: Inspection
    ledger: LedgerKeeper
    on_delete: OnDelete
    limit: MaxDeletes
    counts: Counter[Decision] = field(default_factory=Counter)
    refused: DeletesRefusedError | None = None
    """Why files that are gone would not be removed, though they are to be."""

    @property
    def name(self) -> str:
        return self.inspection.stream.name

    def files(self) -> Iterator[ExplainedFile]:
        """Those of the source in the order of a sync, then those that are gone, by name. Raises what a sync would."""
        known, listed = _Entries(), Listed()
        for entry in self.ledger.entries(self.name):
            known.add(entry)
        with closing(self.inspection.files(lambda file: listed.add(file))) as files:
            for each in files:
                if each.reason is not None:
                    yield self._counted(each.file.uri, each.file, Decision.SKIP, each.reason)
                else:
                    yield self._counted(each.file.uri, each.file, *known.why(each.file.uri))
        yield from self._gone(listed, len(known.loaded) + len(known.again))

    def _gone(self, listed: Listed, loaded: int) -> Iterator[ExplainedFile]:
        matcher = self.inspection.stream.matcher
        then = self.inspection.stream.config.on_delete or self.on_delete
        gone = list(listed.gone(self._loaded(), matcher))
        if gone and then == "remove":
            try:
                check_deletes(listed, len(gone), loaded, self.limit)
            except DeletesRefusedError as exc:
                self.refused = exc
        decision = Decision.REMOVE if then == "remove" and self.refused is None else Decision.KEEP
        for uri in gone:
            yield self._counted(uri, None, decision, GONE)

    def _loaded(self) -> Iterator[str]:
        return (entry.url for entry in self.ledger.entries(self.name) if entry.status == "loaded")

    def _counted(self, uri: str, file: RemoteFile | None, decision: Decision, why: str) -> ExplainedFile:
        self.counts[decision] += 1
        return ExplainedFile(self.name, uri, file, decision, why)


def explanations_of(
    source: str, options: InspectionOptions, on_delete: OnDelete, limit: MaxDeletes
) -> list[Explanation]:
    """One for each stream that SOURCE stands for. Raises ConfigError, or AccessError when nothing is there."""
    assert options.destination is not None
    ledger = ledger_keeper(options.destination)
    return [Explanation(each, ledger, on_delete, limit) for each in inspections_of(source, options)]


def ledger_keeper(url: str) -> LedgerKeeper:
    """Not opened. Raises ConfigError."""
    destination = destination_for(url)
    if not isinstance(destination, LedgerKeeper):
        raise ConfigError(f"the ledger of {url!r} cannot be asked", remedy="Name a DuckDB database")
    return destination
