"""What a destination that no run has open has of the slices of APIs."""

from collections.abc import Sequence

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ledger import SliceLedger, SlicesStatus
from file_cdk.pipeline.piping.attempts import unfinished


@dataclass(frozen=True, slots=True)
class SlicesOfTable:
    """begun: of an attempt that did not come to its end, how many slices are in their midst; None where there is none such."""

    stream: str
    counts: SlicesStatus | None
    begun: int | None


def slices_of(ledger: object, stream: str | None = None) -> Sequence[SlicesOfTable]:
    """By table; none where the destination keeps no slices. Raises DestinationError."""
    if not isinstance(ledger, SliceLedger):
        return []
    counted = {each.stream: each for each in ledger.slices_read(stream)}
    begun = {table: n for table, n in unfinished(ledger.states_kept()).items() if stream in (None, table)}
    return [
        SlicesOfTable(table, counted.get(table), begun.get(table)) for table in sorted(counted.keys() | begun.keys())
    ]
