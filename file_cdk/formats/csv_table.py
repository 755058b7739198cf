"""Columns of a CSV file as a table's types: inferred from a sample, converted exactly, or told apart where they do not fit.

An unquoted empty value is null in a column of any type; a quoted one is an empty string.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as cp
import pyarrow.csv as pc

from file_cdk.core.arrow_types import merge, normal
from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import InternalError, TypeMismatchError
from file_cdk.formats.csv_decode import Batch
from file_cdk.formats.csv_header import Header
from file_cdk.formats.csv_lexer import Lexer

_NOT_A_NUMBER = r"^[+-]?0[0-9xX]|^\+[0-9]+$"
"""Codes rather than numbers: leading zeros, hexadecimal, telephone numbers. As numbers they would lose characters."""

_TOO_LONG_FOR_DOUBLE = r"^[+-]?[0-9]{16,}$"
"""Integers of which a double keeps the first 15 to 17 digits only."""

_BELOW_A_MICROSECOND = r"\.[0-9]{7}"


def table_nulls(config: CsvConfig) -> frozenset[str]:
    """Values that are null where they stand without quotes."""
    return config.null_values | {""}


def _options(config: CsvConfig, types: dict[str, pa.DataType], columns: list[str] | None = None) -> pc.ConvertOptions:
    return pc.ConvertOptions(
        column_types=types,
        include_columns=columns,
        null_values=sorted(table_nulls(config)),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def inferred_types(prepared: bytes, lexer: Lexer, config: CsvConfig) -> list[pa.DataType]:
    """The narrowest type of each column that loses nothing of its values; null for a column without any."""
    table = lexer.read(prepared, _options(config, {})).table
    texts = lexer.read(prepared, _options(config, dict.fromkeys(lexer.columns, pa.string()))).table
    return [_lossless(typed.type, text) for typed, text in zip(table.columns, texts.columns, strict=True)]


def _lossless(kind: pa.DataType, texts: pa.ChunkedArray) -> pa.DataType:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        pattern = _NOT_A_NUMBER
        if pa.types.is_floating(kind):
            pattern = f"{_NOT_A_NUMBER}|{_TOO_LONG_FOR_DOUBLE}"
        if _any_match(texts, pattern):
            return pa.string()
    if pa.types.is_timestamp(kind) and kind.unit == "ns" and not _any_match(texts, _BELOW_A_MICROSECOND):
        return pa.timestamp("us", normal(kind).tz)  # the reader takes nanoseconds for any fraction
    return normal(kind)


def _any_match(texts: pa.ChunkedArray, pattern: str) -> bool:
    return bool(cp.any(cp.match_substring_regex(texts, pattern)).as_py())


class TableConversion:
    """Batches of exactly the table's types. Raises TypeMismatchError for a piece with a value or column it does not hold."""

    fast: pc.ConvertOptions | None

    def __init__(self, header: Header, config: CsvConfig, schema: pa.Schema, uri: str) -> None:
        self._uri = uri
        self._config = config
        self._names = list(header.stripped_names)
        known = set(schema.names)
        self._types = {name: schema.field(name).type for name in self._names if name in known}
        self._lacking = [name for name in self._names if name not in known]
        self.fast = None
        if not self._lacking:
            self.fast = _options(config, {str(i): self._types[name] for i, name in enumerate(self._names)})

    def from_typed(self, table: pa.Table, prepared: bytes) -> Sequence[Batch]:  # noqa: ARG002
        width = len(self._names)
        return [pa.RecordBatch.from_arrays(batch.columns[:width], names=self._names) for batch in table.to_batches()]

    def from_strings(self, table: pa.Table, prepared: bytes, lexer: Lexer) -> Sequence[Batch]:  # noqa: ARG002
        needed: dict[str, pa.DataType] = {}
        for position, (name, found) in enumerate(
            zip(self._names, inferred_types(prepared, lexer, self._config), strict=False)
        ):
            kind = self._types.get(name)
            if kind is None:
                needed[name] = found
            elif not self._fits(str(position), kind, prepared, lexer):
                wider = merge(kind, found)
                needed[name] = pa.string() if wider.equals(kind) else wider
        if not needed:
            raise InternalError("a piece does not convert, but each of its columns does", uri=self._uri)
        raise TypeMismatchError(uri=self._uri, row=None, columns=needed)

    def _fits(self, column: str, kind: pa.DataType, prepared: bytes, lexer: Lexer) -> bool:
        try:
            lexer.read(prepared, _options(self._config, {column: kind}, [column]))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return False
        return True
