"""Which class reads which filetype and which file ending. Importing this module imports no format."""

from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from file_cdk.core.errors import ConfigError, DialectRefutedError
from file_cdk.core.ports import Format
from file_cdk.core.uris import without_compression

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from file_cdk.core.config import CsvConfig, FormatConfig, StreamConfig
    from file_cdk.formats.csv.sniff.detect import Seen

ENTRY_POINT_GROUP = "file_cdk.formats"
"""A third party's entry point: its name is the filetype, its object a class that is constructed with the config."""

BUILT_IN = {
    "csv": "file_cdk.formats.csv:CsvFormat",
    "jsonl": "file_cdk.formats.jsonl:JsonlFormat",
    "parquet": "file_cdk.formats.parquet:ParquetFormat",
    "avro": "file_cdk.formats.avro:AvroFormat",
    "excel": "file_cdk.formats.excel:ExcelFormat",
}

EXTENSIONS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "jsonl",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".parq": "parquet",
    ".pq": "parquet",
    ".avro": "avro",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xlsb": "excel",
    ".xls": "excel",
    ".ods": "excel",
}
"""Written out once more here, so that a file name can be judged without importing its format."""


_PARTITIONED_BY_DEFAULT = frozenset({"parquet"})
"""Whose users always had `key=value` segments of paths as columns."""


def format_for(config: "FormatConfig", stream: "StreamConfig") -> Format:
    """The format that `config.filetype` names, configured, for plain and compressed files, with the columns that `stream`
    wants from their paths. Raises ConfigError when no installed format has that name."""
    return _wrapped(cast(Format, _class_for(config.filetype)(config)), config.filetype, stream)


def detecting_csv(usual: "CsvConfig", header: tuple[str, ...], seen: "Seen", stream: "StreamConfig") -> Format:
    """As `format_for`, but of CSV files each in the dialect that it shows; see DetectingCsvFormat."""
    from file_cdk.formats.csv.sniff.format import DetectingCsvFormat

    return _wrapped(DetectingCsvFormat(usual, header, seen), "csv", stream)


def with_dialect(decoder: Format, refuted: DialectRefutedError) -> Format:
    """The same format, as `detecting_csv` gave it, but for the file that was not written as it looked."""
    from file_cdk.formats.csv.sniff.format import DetectingCsvFormat

    if isinstance(decoder, DetectingCsvFormat):
        return decoder.with_dialect(refuted)
    wrapper: Any = decoder
    return cast(Format, replace(wrapper, inner=with_dialect(wrapper.inner, refuted)))


def _wrapped(decoder: Format, filetype: str, stream: "StreamConfig") -> Format:
    from file_cdk.formats.unpacking import Unpacking

    unpacking = Unpacking(decoder, stream.max_expansion_ratio)
    return with_path_columns(unpacking, filetype, stream.path_partitions, stream.path_pattern)


def with_path_columns(inner: Format, filetype: str, path_partitions: bool | None, path_pattern: str | None) -> Format:
    """`inner` with the path columns a stream is configured to have; `inner` itself where there are none."""
    partitions = filetype in _PARTITIONED_BY_DEFAULT if path_partitions is None else path_partitions
    if not (partitions or path_pattern):
        return inner
    from file_cdk.formats.path_columns import WithPathColumns

    return WithPathColumns(inner, partitions, path_pattern)


def supported() -> list[str]:
    """The filetypes of all installed formats, those of other packages last."""
    return [*BUILT_IN, *_third_party()]


def is_installed(filetype: str) -> bool:
    """Whether there is a format of that name; imports none."""
    return filetype in BUILT_IN or filetype in _third_party()


def require_format(filetype: str) -> None:
    """Raises ConfigError when no installed format has that name; imports none."""
    if not is_installed(filetype):
        raise ConfigError(
            f"format {filetype!r} is not supported by this version",
            remedy=f"Supported formats: {', '.join(supported())}",
        )


def module_of(filetype: str) -> str | None:
    """The module of a built-in format, for a process to import ahead; None for any other."""
    place = BUILT_IN.get(filetype)
    return None if place is None else place.partition(":")[0]


def filetype_for(uri: str) -> str | None:
    """The filetype that a file's ending stands for, in any case, one of compression before it passed over; None when no
    installed format claims it."""
    name = without_compression(uri).rpartition("/")[2].lower()
    for extension, filetype in EXTENSIONS.items():
        if name.endswith(extension):
            return filetype
    for filetype in _third_party():
        if name.endswith(tuple(_class_for(filetype).extensions)):
            return filetype
    return None


def _class_for(filetype: str) -> Any:
    if place := BUILT_IN.get(filetype):
        module, _, name = place.partition(":")
        return getattr(import_module(module), name)
    require_format(filetype)
    entry_point = _third_party()[filetype]
    try:
        return entry_point.load()
    except (ImportError, AttributeError) as exc:
        raise ConfigError(
            f"format {filetype!r} cannot be loaded from {entry_point.value!r}",
            remedy="Reinstall the package that provides it, with all it needs",
        ) from exc


@cache
def _third_party() -> "dict[str, EntryPoint]":
    """By filetype, in alphabetical order; a built-in name cannot be taken over."""
    from importlib.metadata import entry_points  # of all that start-up needs, what takes longest

    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name not in BUILT_IN}
    return dict(sorted(found.items()))
