"""How far the load of a large file came, kept where its rows are, so that a later run goes on from there."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Protocol, cast

from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import FileLoad, Rejects, StreamTable


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """What is known of a file version at the end of a split.

    position: the byte at which the next record begins; all before it is read. rows: that were written. skipped, rejects,
    warnings: as in SplitReport, of all splits so far. meaning: the caller's, of all that decides how the rest is to be read.
    """

    file: RemoteFile
    position: int
    rows: int
    skipped: Counter[str] = field(default_factory=Counter)
    rejects: Rejects = field(default_factory=Rejects)
    warnings: Counter[str] = field(default_factory=Counter)
    meaning: str = ""


class Resumable(Protocol):
    """What a StreamTable may do besides: keep the rows of a load that takes long where nobody sees them before it is
    committed. `begin`, and the commit of any version, forget what was kept of a file; a load that is aborted, or whose process
    dies, does not."""

    def keep(self, position: int, progress: Callable[[], LoadProgress]) -> None:
        """Called at the end of every split, of the load that is open. Does nothing while the load has not taken long, nor will
        by how far it is; asks for the progress, which is at `position`, only where it keeps it. Raises RowsRefusedError as
        FileLoad.write does."""

    def begun(self) -> Sequence[LoadProgress]:
        """What is kept, and durable: of loads that were aborted, or whose process died."""

    def resume(self, progress: LoadProgress) -> FileLoad:
        """As `begin`, but what `begun` answered is written already. `commit` announces the rows of the whole file."""

    def forget_begun(self, uris: Sequence[str]) -> None:
        """Removes what is kept of these files. Durable when it returns; not while a load is open."""


def resumable(table: StreamTable) -> Resumable | None:
    """The table, if it keeps what was read of a file."""
    return cast(Resumable, table) if hasattr(table, "resume") else None
