"""In what format a table's data files are, and in which folders: what was chosen for the first of them holds for the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from file_cdk.core.errors import ConfigError
from file_cdk.destinations.files.partitions import Partition, of_path
from file_cdk.destinations.files.text import FORMATS

OUTPUT_FORMATS = ("parquet", *FORMATS)
"""As names of data files end, after the point."""


@dataclass(frozen=True, slots=True)
class Choice:
    """output_format: of OUTPUT_FORMATS."""

    output_format: str = OUTPUT_FORMATS[0]
    partitions: tuple[Partition, ...] = ()

    @classmethod
    def of(cls, path: str, columns: Sequence[str]) -> "Choice":
        """What a data file shows. columns: of the table."""
        output_format = next((each for each in FORMATS if path.endswith(f".{each}")), OUTPUT_FORMATS[0])
        return cls(output_format, of_path(path, columns))

    def check(self, stream: str, has: "Choice") -> None:
        """has: what the table's data files are. Raises ConfigError."""
        for option, own, other in (
            ("--output-format", has.output_format, self.output_format),
            ("--partition-by", *(",".join(map(str, each.partitions)) or "no column" for each in (has, self))),
        ):
            if own != other:
                raise ConfigError(
                    f"table {stream!r} has files with {option} {own}, and {other} was asked for",
                    remedy=f"Leave {option} out, or load all files anew: --full-refresh",
                )
