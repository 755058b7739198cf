"""In what format a table's data files are, and in which folders: what was chosen for the first of them holds for the others."""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, RowsRefusedError
from file_cdk.destinations.files.formats import FORMATS
from file_cdk.destinations.files.partitions import Partition, of_path, parsed
from file_cdk.destinations.files.types import partition_by

OUTPUT_FORMATS = ("parquet", *FORMATS)
"""As names of data files end, after the point."""


@dataclass(frozen=True, slots=True)
class Choice:
    """output_format: of OUTPUT_FORMATS."""

    output_format: str = OUTPUT_FORMATS[0]
    partitions: tuple[Partition, ...] = ()

    @classmethod
    def of(cls, path: str, noted: tuple[Partition, ...], columns: Sequence[str]) -> "Choice":
        """What a data file shows. noted: what the ledger says of partitions. columns: of the table."""
        output_format = next((each for each in FORMATS if path.endswith(f".{each}")), OUTPUT_FORMATS[0])
        return cls(output_format, noted or of_path(path, columns))

    @property
    def partition_by(self) -> str:
        return ",".join(map(str, self.partitions))

    def check_bytes(self, types: Mapping[str, pa.DataType], wanted: Mapping[str, pa.DataType], uri: str) -> None:
        """Raises RowsRefusedError where a column of bytes is to become another, and data files have it in base64."""
        for name, kind in types.items():
            is_changed = pa.types.is_binary(kind) and not wanted[name].equals(kind)
            if is_changed and self.output_format != OUTPUT_FORMATS[0]:
                raise RowsRefusedError(
                    "has text, where the table has bytes, which its files have in base64",
                    uri=uri,
                    column=name,
                    remedy="Load all files anew: --full-refresh",
                )

    def check(self, stream: str, has: "Choice") -> None:
        """has: what the table's data files are. Raises ConfigError."""
        for option, own, other in (
            ("--output-format", has.output_format, self.output_format),
            ("--partition-by", *(each.partition_by or "no column" for each in (has, self))),
        ):
            if own != other:
                raise ConfigError(
                    f"table {stream!r} has files with {option} {own}, and {other} was asked for",
                    remedy=f"Leave {option} out, or load all files anew: --full-refresh",
                )


def noted_partitions(declared: Iterable[str]) -> tuple[Partition, ...]:
    """Those of a table. declared: types of its columns, as the ledger has them."""
    noted = next(map(partition_by, declared), "")
    return parsed(noted) if noted else ()
