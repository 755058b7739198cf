"""What a Format and an Encoder may do besides: read many small files in one go, where each alone costs more than its bytes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Encoder, Format

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class WholeFile:
    """data: all of its bytes."""

    file: RemoteFile
    data: bytes


@dataclass(frozen=True, slots=True)
class Joined:
    """The records of files, one file's after the other's. rows: how many each has. warnings: of every one of them alike."""

    batch: "pa.RecordBatch"
    rows: tuple[int, ...]
    warnings: tuple[str, ...] = ()


class JoiningFormat(Format, Protocol):
    @property
    def joins(self) -> bool:
        """Whether, as it is configured, it can join files at all."""

    def join_records(self, files: Sequence[WholeFile], json_schema: Mapping[str, Any] | None) -> Joined | int:
        """The records of the first of `files`, one or more, as `read_records` has them of each alone; or how many of the first
        files have to be read alone: where anything else is to be said of one (a fault, a record left out), or where it is
        not certain that the answer would be the same. Raises nothing for what is in the files.
        """


class JoiningEncoder(Encoder, Protocol):
    def encode_joined(
        self, batch: "pa.RecordBatch", files: Sequence[RemoteFile], rows: Sequence[int], emitted_at_ms: int
    ) -> bytes:
        """What `encode` gives for the records of each file, one file's after the other's. rows: how many each has."""


def joining_format(file_format: Format) -> JoiningFormat | None:
    """The format, if it joins files."""
    return cast(JoiningFormat, file_format) if getattr(file_format, "joins", False) else None


def joining_encoder(encoder: Encoder | None) -> JoiningEncoder | None:
    return cast(JoiningEncoder, encoder) if hasattr(encoder, "encode_joined") else None
