"""Columns of a CSV file as a table's types: inferred from a sample, converted exactly, or told apart where they do not fit.

An unquoted empty value is null in a column of any type; a quoted one is an empty string. A value of nothing but blanks is
null where the column is not text.
"""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Literal

import pyarrow as pa
import pyarrow.compute as cp
import pyarrow.csv as pc

from file_cdk.core.arrow_types import merge, normal
from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import TypeMismatchError
from file_cdk.formats.csv.decode import Batch
from file_cdk.formats.csv.header import Header
from file_cdk.formats.csv.lexer import Lexer
from file_cdk.formats.csv.numbers import BLANKS, is_number, number_type, to_numbers, with_points

_BELOW_A_MICROSECOND = r"\.[0-9]{7}"
_ONLY_BLANKS = rf"^[{BLANKS}]+$"

_TRUE, _FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]
"""Arrow's own spellings without 1 and 0, which would not come back as numbers."""

_TIME = r"^[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?$"
_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ]|$)"
_UNTRIED = (
    (_TIME, (pa.time64("us"), pa.time64("ns"))),
    (_TIMESTAMP, (pa.timestamp("us"), pa.timestamp("us", "UTC"))),
)
"""Types that Arrow's reader converts to but does not try by itself, and what values look like where they are worth a try:
times with a fraction, and timestamps with one outside the years that nanoseconds can tell."""


def table_nulls(config: CsvConfig) -> frozenset[str]:
    """Values that are null where they stand without quotes."""
    return config.null_values | {""}


def _options(config: CsvConfig, types: dict[str, pa.DataType]) -> pc.ConvertOptions:
    """Prepared pieces are known to be UTF-8."""
    return pc.ConvertOptions(
        column_types=types,
        null_values=sorted(table_nulls(config)),
        true_values=_TRUE,
        false_values=_FALSE,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        check_utf8=False,
        decimal_point=config.decimal_mark,
    )


def inferred_types(prepared: bytes, lexer: Lexer, config: CsvConfig) -> list[pa.DataType]:
    """The narrowest type of each column that loses nothing of its values; null for a column without any."""
    typed = lexer.read(prepared, _options(config, {})).table
    return [
        _inferred(column.type, texts, config)
        for column, texts in zip(typed.columns, _texts(prepared, lexer, config), strict=True)
    ]


def _inferred(kind: pa.DataType, texts: pa.Array, config: CsvConfig) -> pa.DataType:
    if pa.types.is_string(kind):
        filled = _without_blanks(texts)
        if filled is not texts:
            texts, kind = filled, _read_again(filled, None, config.decimal_mark).type
    if is_number(kind):
        return number_type(with_points(cp.ascii_trim(texts.drop_null(), BLANKS), config.decimal_mark))
    if pa.types.is_timestamp(kind) and kind.unit == "ns" and not _any_match(texts, _BELOW_A_MICROSECOND):
        return pa.timestamp("us", normal(kind).tz)  # the reader takes nanoseconds for any fraction
    if pa.types.is_string(kind):
        return next(filter(partial(_converts, texts), _candidates(texts)), kind)
    return normal(kind)


def _candidates(texts: pa.Array) -> tuple[pa.DataType, ...]:
    for pattern, kinds in _UNTRIED:
        if cp.all(cp.match_substring_regex(texts, pattern)).as_py():
            return kinds
    return ()


def _any_match(texts: pa.Array, pattern: str) -> bool:
    return bool(cp.any(cp.match_substring_regex(texts, pattern)).as_py())


def _texts(prepared: bytes, lexer: Lexer, config: CsvConfig) -> list[pa.Array]:
    """All columns as strings, or null."""
    table = lexer.read(prepared, _options(config, dict.fromkeys(lexer.columns, pa.string()))).table
    return [column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in table.columns]


def _without_blanks(texts: pa.Array) -> pa.Array:
    """With nulls for values of nothing but blanks, in quotes or not; `texts` itself when there are none."""
    blank = cp.match_substring_regex(texts, _ONLY_BLANKS)
    return cp.if_else(blank, pa.scalar(None, pa.string()), texts) if cp.any(blank).as_py() else texts


def _converts(texts: pa.Array, kind: pa.DataType) -> bool:
    try:
        _read_again(texts, kind)
    except pa.ArrowInvalid:
        return False
    return True


def _read_again(texts: pa.Array, kind: pa.DataType | None, decimal_mark: Literal[".", ","] = ".") -> pa.Array:
    """The texts as Arrow's CSV reader converts them to `kind`, or to what it takes them for.

    Raises ArrowInvalid or ArrowNotImplementedError.
    """
    lines = (",\n" if text is None else '"' + text.replace('"', '""') + '",\n' for text in texts.to_pylist())
    data = "".join(lines).encode()
    if not data:
        return pa.array([], pa.null())
    options = _options(CsvConfig(decimal_mark=decimal_mark), {"0": kind} if kind is not None else {})
    table = pc.read_csv(
        pa.py_buffer(data),
        read_options=pc.ReadOptions(use_threads=False, block_size=len(data), column_names=["0", "1"]),
        parse_options=pc.ParseOptions(newlines_in_values=True),
        convert_options=options,
    )
    return table.column(0).combine_chunks()


class TableConversion:
    """Batches of exactly the table's types. Raises TypeMismatchError for a piece with a value or column it does not hold.

    Numbers are read as their bytes, looked at, and converted then: Arrow's reader would take 007 for 7 without a word.
    """

    fast: pc.ConvertOptions | None
    from_rows = None

    def __init__(self, header: Header, config: CsvConfig, schema: pa.Schema, uri: str) -> None:
        self._uri = uri
        self._config = config
        self._names = list(header.stripped_names)
        known = set(schema.names)
        self._types = {name: schema.field(name).type for name in self._names if name in known}
        self.fast = None
        if len(self._types) == len(self._names):
            types = [self._types[name] for name in self._names]
            reading = [pa.binary() if is_number(kind) else kind for kind in types]
            self.fast = _options(config, {str(i): kind for i, kind in enumerate(reading)})

    def from_typed(self, table: pa.Table, prepared: bytes) -> Sequence[Batch] | None:  # noqa: ARG002
        batches = []
        for batch in table.to_batches():
            columns = []
            for name, column in zip(self._names, batch.columns, strict=False):
                kind = self._types[name]
                if is_number(kind):
                    column = to_numbers(with_points(column.view(pa.string()), self._config.decimal_mark), kind)
                    if column is None:
                        return None
                columns.append(column)
            batches.append(pa.RecordBatch.from_arrays(columns, names=self._names))
        return batches

    def from_strings(self, table: pa.Table, prepared: bytes, lexer: Lexer) -> Sequence[Batch]:  # noqa: ARG002
        """Column by column, blanks being null where they are no text."""
        texts = _texts(prepared, lexer, self._config)
        columns = {}
        for name, text in zip(self._names, texts, strict=False):
            kind = self._types.get(name)
            column = None if kind is None else _converted(text, kind, self._config)
            if column is not None:
                columns[name] = column
        if len(columns) < len(self._names):
            raise TypeMismatchError(uri=self._uri, row=None, columns=self._needed(columns, prepared, lexer))
        return [pa.RecordBatch.from_arrays(list(columns.values()), names=self._names)]

    def _needed(self, fitting: Collection[str], prepared: bytes, lexer: Lexer) -> dict[str, pa.DataType]:
        needed = {}
        for name, found in zip(self._names, inferred_types(prepared, lexer, self._config), strict=False):
            kind = self._types.get(name)
            if kind is None:
                needed[name] = found
            elif name not in fitting:
                wider = merge(kind, found)
                needed[name] = pa.string() if wider.equals(kind) else wider
        return needed


def _converted(texts: pa.Array, kind: pa.DataType, config: CsvConfig) -> pa.Array | None:
    """None when some value is not one of `kind`."""
    if pa.types.is_string(kind):
        return texts
    texts = _without_blanks(texts)
    if is_number(kind):
        return to_numbers(with_points(texts, config.decimal_mark), kind)
    try:
        return _read_again(texts, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
