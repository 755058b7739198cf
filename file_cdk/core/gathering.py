"""What an Encoder may do besides, for tables whose rows are written in large groups; and tables with an encoder of their own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Destination, Encoder, StreamTable

if TYPE_CHECKING:
    import pyarrow as pa


class Gathering(Encoder, Protocol):
    """An Encoder of several batches at once."""

    @property
    def gathered_bytes(self) -> int:
        """How many bytes of batches in memory make one block; the last ones of a split may be fewer."""

    def gathers(self, file: RemoteFile) -> bool:
        """Whether it does so with this file's."""

    def encode_together(
        self, batches: "Sequence[pa.RecordBatch]", file: RemoteFile, first_row: int
    ) -> bytes | memoryview | None:
        """As `encode`, of batches with the same columns that follow one another. None where they are to be encoded one by one."""


def gathering(encoder: Encoder | None, file: RemoteFile) -> Gathering | None:
    """The encoder, if it gathers the file's batches."""
    found = cast(Gathering, encoder)
    return found if hasattr(encoder, "gathers") and found.gathers(file) else None


class Encoding(Protocol):
    """What a StreamTable may do besides: have blocks made by another encoder than the destination's, which it takes, too."""

    @property
    def encoder(self) -> Encoder: ...


def encoder_of(table: StreamTable, destination: Destination) -> Encoder:
    return cast(Encoding, table).encoder if hasattr(table, "encoder") else destination.encoder
