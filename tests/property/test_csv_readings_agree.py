"""Quotes that make no sense, in tables: a record is the same whoever reads it, and none is lost."""

import csv
import io
from typing import Any

import pyarrow as pa
from file_builders import remote
from hypothesis import example, given, settings
from hypothesis import strategies as st

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import FileCdkError
from file_cdk.core.files import Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv import CsvFormat

HEADER = "x,y\n"
SCHEMA = pa.schema([("x", pa.string()), ("y", pa.string())])
CONFIGS = st.sampled_from(
    [
        {},
        {"escape_char": "\\"},
        {"quote_char": "'"},
        {"double_quote": False},
        {"encoding": "utf-16"},
        {"comment_char": "#"},
    ]
)
PARTS = st.sampled_from(
    ['"', '"', ",", ",", "\n", "\n", "a", "bc", '""', "'", "\\", "#", 'd,"e"\n', "f,g\n", '"h,i",j\n', "é"]
)
BODIES = st.lists(PARTS, max_size=40).map("".join)

Outcome = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], str | None]


def read(data: bytes, config: CsvConfig, *, piece_bytes: int, steps: int | None = None, rows: bool = False) -> Outcome:
    """Rows, rejects with their places, and the error, if any. steps: bytes of each split. rows: only the row reader reads."""
    fmt = CsvFormat(config, piece_bytes=piece_bytes)
    file = remote(data)
    found: list[tuple[Any, ...]] = []
    rejects: list[tuple[Any, ...]] = []
    position = before = 0
    while position < len(data):
        end = len(data) if steps is None else min(len(data), position + steps)
        split = Split(file, 0, position, end, at_record=position > 0, sequential=rows)
        report = SplitReport()
        try:
            for batch in fmt.read_table(io.BytesIO(data), split, SCHEMA, report):
                found += [tuple(row.values()) for row in batch.to_pylist()]
        except FileCdkError as exc:
            return found, rejects, f"{exc.message} {exc.byte}"
        rejects += [
            ((reject.row or 0) + before, reject.byte, reject.reason, reject.raw) for reject in report.rejects.first
        ]
        before += report.rows_present
        assert report.end > position
        position = report.end
    return found, rejects, None


@settings(max_examples=400)
@given(BODIES, CONFIGS, st.integers(8, 200), st.integers(1, 60))
@example('a,b\nc,"d\ne,f\ng,h\n', {}, 64, 10)
@example('a,"b" c\n"d,e\nf,g\n"h,i",j\n', {}, 16, 5)
@example('"a,b\n', {}, 16, 5)
def test_all_ways_of_reading_agree(body: str, config: dict[str, Any], piece_bytes: int, steps: int) -> None:
    made = CsvConfig(**config)
    data = (HEADER + body).encode(made.encoding or "utf8")
    by_rows = read(data, made, piece_bytes=1 << 19, rows=True)
    assert read(data, made, piece_bytes=1 << 19) == by_rows
    assert read(data, made, piece_bytes=piece_bytes) == by_rows
    if made.encoding != "utf-16" and by_rows[2] is None:
        assert read(data, made, piece_bytes=piece_bytes, steps=steps) == by_rows


@settings(max_examples=300)
@given(BODIES)
def test_every_line_is_in_a_row_or_a_reject(body: str) -> None:
    data = (HEADER + body).encode()
    rows, rejects, error = read(data, CsvConfig(), piece_bytes=1 << 19)
    assert error is None
    raw = b"\n".join(reject[3] for reject in rejects).decode()
    for letter in "abcdefghij":
        kept = sum((value or "").count(letter) for row in rows for value in row)
        assert kept + raw.count(letter) == body.count(letter)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.text("ab,\"\n'", max_size=8), st.text("ab,\"\n'", max_size=8)), min_size=1, max_size=9))
def test_what_the_csv_module_writes_is_never_rejected(rows: list[tuple[str, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    found, rejects, error = read((HEADER + text.getvalue()).encode(), CsvConfig(), piece_bytes=64)
    written = [(x or None, y or None) for x, y in rows]
    assert ([(x or None, y or None) for x, y in found], rejects, error) == (written, [], None)
