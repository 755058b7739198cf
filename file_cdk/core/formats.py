"""The one table of the formats that are built in. Importing it imports neither them nor their configurations."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from file_cdk.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A format's row. From the table follow the configurations that `format` of a stream may hold, which files are
    recognised, what `--format` takes, and the documentation's list.

    config: name of its configuration's class in core.config.formats. place: module and class, with a colon between them;
    None for a format whose files nothing here reads. extensions: how the names of its files end, in lower case.
    options: of the configuration, where nobody wrote one. partitioned: whether `key=value` segments of paths are columns by
    default, as users of the format always had them. variant_of: the format of which this is a name for some options.
    """

    config: str
    place: str | None = None
    extensions: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    partitioned: bool = False
    variant_of: str | None = None


BUILT_IN = {
    "csv": BuiltIn("CsvConfig", "file_cdk.formats.csv:CsvFormat", (".csv",)),
    "tsv": BuiltIn("CsvConfig", "file_cdk.formats.csv:CsvFormat", (".tsv",), {"delimiter": "\t"}, variant_of="csv"),
    "jsonl": BuiltIn("JsonlConfig", "file_cdk.formats.jsonl:JsonlFormat", (".jsonl", ".ndjson", ".json")),
    "parquet": BuiltIn(
        "ParquetConfig", "file_cdk.formats.parquet:ParquetFormat", (".parquet", ".parq", ".pq"), partitioned=True
    ),
    "avro": BuiltIn("AvroConfig", "file_cdk.formats.avro:AvroFormat", (".avro",)),
    "excel": BuiltIn("ExcelConfig", "file_cdk.formats.excel:ExcelFormat", (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")),
    "unstructured": BuiltIn("UnstructuredConfig"),
}
"""By what a configuration says as `filetype`, and, for a variant, `--format` alone."""

FILETYPES = tuple(name for name, row in BUILT_IN.items() if row.variant_of is None)
KINDS = tuple(name for name, row in BUILT_IN.items() if row.place is not None)
"""What `--format` takes without formats of other packages."""
