"""What a Format may do besides, for rules about columns: leave some out, and tell where records stand."""

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from file_cdk.core.files import Split
from file_cdk.core.ports import SplitReport

if TYPE_CHECKING:
    import pyarrow as pa

_LEFT_OUT = {b"file_cdk.left_out": b"1"}


def left_out(name: str) -> "pa.Field":
    """In a schema that a file is to be decoded for: a column that nobody wants, whatever it holds. A format whose facts say
    that it skips columns leaves it out of batches; for others it has type null."""
    import pyarrow as pa

    return pa.field(name, pa.null(), metadata=_LEFT_OUT)


def is_left_out(column: "pa.Field") -> bool:
    return column.metadata is not None and _LEFT_OUT.items() <= column.metadata.items()


class Place(NamedTuple):
    """Of a record in its file: `row`, `byte` and `raw` as in Reject, the row counted from 1 within its split."""

    row: int
    byte: int | None
    raw: bytes


@runtime_checkable
class Locating(Protocol):
    """What a Format may do besides: tell where records stand, for those that are found wanting after they were decoded."""

    def locate(self, stream: IO[bytes], split: Split, report: SplitReport) -> Iterator[Place] | None:
        """Of each record that `read_table` yields, in order. None where the format inside does not know. The report is for
        nobody to read."""
