"""Excel workbooks and OpenDocument spreadsheets: the rows of chosen sheets as records, a file at a time."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar

import msgspec

from file_cdk.core.config import ExcelConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import FILE_COLUMNS, RemoteFile, Split
from file_cdk.core.ports import FormatFacts, JsonLines, SplitReport
from file_cdk.formats.excel.container import identify
from file_cdk.formats.excel.sheets import choose_sheets, names_sheets
from file_cdk.formats.excel.table import SheetTable, sheet_table
from file_cdk.formats.excel.values import Cells, json_schema_of, json_values, kinds_of
from file_cdk.formats.excel.workbook import Workbook

if TYPE_CHECKING:  # records do without
    import pyarrow as pa

_NO_STRUCT_NAME = re.compile(r'["\\\x00-\x1f]')
"""msgspec takes no such characters in the names of a struct's fields."""
_MAX_STRUCT_FIELDS = 500
"""The time it takes to define a struct grows with their square."""


@dataclass(frozen=True, slots=True)
class ExcelFormat:
    """Workbooks of Excel (.xlsx, .xlsm, .xlsb, .xls) and OpenDocument (.ods), told apart by their bytes.

    The first sheet is read unless `sheets` names others; a hidden one is like any other. The first row of the area that is
    not blank is the header. Blank rows are no records. An empty cell is null, and so are, with a warning that counts
    them, an error value and a formula that was never calculated (of formulas, not in .xls and .xlsb).

    Memory: the file, and 30 to 100 bytes for each cell of the rectangle that a sheet's cells lie in; one sheet at a time.
    max_unpacked_bytes: a workbook that unpacks to more is refused.
    """

    # A damaged sheet may ask for more memory than there is, which ends the process.
    facts: ClassVar[FormatFacts] = FormatFacts(None, may_crash=True, reads_forward=False)

    config: ExcelConfig
    max_unpacked_bytes: int = 2 << 30

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """From all rows: the sheet is in memory anyway. Columns with neither a name nor a value are left out."""
        kinds: dict[str, set[type]] = {}
        rows = 0
        unnamed: set[str] = set()
        for table in self._tables(stream, file, SplitReport()):
            unnamed |= table.unnamed
            for name in table.names:
                kinds.setdefault(name, set())
            for batch in table.batches():
                rows += batch.rows
                for name, column in zip(table.names, batch.columns, strict=True):
                    kinds[name] |= kinds_of(column)
        return {name: json_schema_of(found, rows) for name, found in kinds.items() if found or name not in unnamed}

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        """From all rows: int64, double, bool, date32, timestamp, time64 or duration in microseconds; string for a mixture."""
        import pyarrow as pa

        from file_cdk.core.arrow_types import merge
        from file_cdk.formats.excel.arrow_columns import arrow_type

        types: dict[str, pa.DataType] = {}
        unnamed: set[str] = set()
        for table in self._tables(stream, file, SplitReport()):
            unnamed |= table.unnamed
            for name in table.names:
                types.setdefault(name, pa.null())
            for batch in table.batches():
                for name, column in zip(table.names, batch.columns, strict=True):
                    types[name] = merge(types[name], arrow_type(column))
        return pa.schema([(name, kind) for name, kind in types.items() if name not in unnamed or kind != pa.null()])

    def read_records(
        self,
        stream: IO[bytes],
        split: Split,
        json_schema: Mapping[str, Any] | None,
        report: SplitReport,
    ) -> "Iterator[pa.RecordBatch | JsonLines]":
        """JsonLines with each cell as it is, so that a column may hold numbers and text; nulls only without a `json_schema`.

        Raises MalformedFileError, which names the sheet, after the rows that could be read.
        """
        report.start = split.start
        for table in self._tables(stream, split.file, report):
            writer = _LineWriter(table.names, keep_nulls=json_schema is None)
            checked = FILE_COLUMNS.keys().isdisjoint(table.names)
            for batch in table.batches():
                lines = writer.lines(batch.columns)
                report.rows += batch.rows
                yield JsonLines(lines, checked=checked)
        report.end = split.end

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> "Iterator[pa.RecordBatch]":
        """Batches of the sheets' columns. A column of strings takes any value, numbers and dates as text.

        Raises as `read_records`, and TypeMismatchError for the columns of the first batch that does not fit.
        """
        from file_cdk.formats.excel.arrow_columns import typed
        from file_cdk.formats.table_columns import AskedColumns

        asked = AskedColumns({field.name: field.type for field in schema}, split.file.uri)
        report.start = split.start
        for table in self._tables(stream, split.file, report):
            for batch in table.batches():
                rows = typed(table.names, batch, asked, report.rows + 1)
                report.rows += batch.rows
                yield rows
        report.end = split.end

    def _tables(self, stream: IO[bytes], file: RemoteFile, report: SplitReport) -> Iterator[SheetTable]:
        """One per sheet, each to be read before the next; what is odd about a sheet goes to the report."""
        says_sheet = names_sheets(self.config)
        workbook = Workbook(identify(stream.read(), file.uri, self.max_unpacked_bytes))
        if self.config.sheets is None and len(workbook.sheets) > 1:
            others = ", ".join(repr(sheet.name) for sheet in workbook.sheets[1:])
            report.warnings[f"only its first sheet is read; `sheets` chooses others: {others}"] += 1
        for sheet in choose_sheets(workbook.sheets, self.config, file.uri):
            rows, oddities = workbook.read(sheet)
            report.warnings += _warnings(sheet.name, oddities.errors, oddities.uncalculated)
            table = sheet_table(sheet, rows, self.config, says_sheet=says_sheet)
            if table is not None:
                yield table


def _warnings(sheet: str, errors: int, uncalculated: int) -> Counter[str]:
    messages = {
        f"sheet {sheet!r}: cells with an error value such as #N/A are null": errors,
        f"sheet {sheet!r}: formulas that were never calculated are null; open and save the file to have them": uncalculated,
    }
    return Counter({message: count for message, count in messages.items() if count})


class _LineWriter:
    """Rows as JSON objects."""

    def __init__(self, names: Sequence[str], *, keep_nulls: bool) -> None:
        fields = {f"f{i}": name for i, name in enumerate(names)}
        self._names = names
        self._keep_nulls = keep_nulls
        self._record: Callable[..., Any] = self._as_dict
        if len(names) <= _MAX_STRUCT_FIELDS and not any(map(_NO_STRUCT_NAME.search, names)):
            self._record = msgspec.defstruct(
                "Record", [(name, Any, None) for name in fields], rename=fields, omit_defaults=not keep_nulls, gc=False
            )
        self._encoder = msgspec.json.Encoder()

    def lines(self, columns: Sequence[Cells]) -> list[bytes]:
        records = list(map(self._record, *map(json_values, columns)))
        return self._encoder.encode_lines(records).split(b"\n")[:-1]

    def _as_dict(self, *row: Any) -> dict[str, Any]:
        pairs = zip(self._names, row, strict=True)
        return {name: value for name, value in pairs if value is not None or self._keep_nulls}
