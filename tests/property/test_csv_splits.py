"""Laws of reading CSV: both paths read as Python's csv module does, and a file cut anywhere reads as the whole does."""

import csv
import io
import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import assume, example, given
from hypothesis import strategies as st

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import FileCdkError, MalformedRecordError, SequentialOnlyError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv import CsvFormat

MODIFIED_AT = datetime(2024, 1, 1, tzinfo=UTC)

Row = tuple[str, ...]


@dataclass
class Outcome:
    """What a pass over a file gave. error: message, row and byte."""

    rows: list[Row] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    error: tuple[str, int | None, int | None] | None = None


def remote(data: bytes) -> RemoteFile:
    return RemoteFile("a.csv", len(data), MODIFIED_AT)


def rows_of(batch: Any) -> list[Row]:
    assert isinstance(batch, pa.RecordBatch)
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def run(csv_format: CsvFormat, data: bytes, split: Split) -> tuple[list[Row], SplitReport, FileCdkError | None]:
    report = SplitReport(start=-1, end=-1)
    rows: list[Row] = []
    try:
        for batch in csv_format.read_records(io.BytesIO(data), split, None, report):
            assert report.start >= 0
            rows += rows_of(batch)
            assert report.rows == len(rows)
    except FileCdkError as error:
        return rows, report, error
    assert report.rows == len(rows)
    return rows, report, None


def read_whole(csv_format: CsvFormat, data: bytes, *, sequential: bool) -> Outcome:
    split = Split(remote(data), 0, 0, len(data), sequential=sequential)
    rows, report, error = run(csv_format, data, split)
    if error is None:
        assert (report.start, report.end) == (0, len(data))
        return Outcome(rows, report.skipped)
    assert isinstance(error, MalformedRecordError)
    return Outcome(rows, report.skipped, (error.message, error.row, error.byte))


def read_in_splits(csv_format: CsvFormat, data: bytes, cuts: list[int], *, sequential: bool = False) -> Outcome:
    """Chains splits as the engine does: every one has to begin where the one before it ended."""
    file = remote(data)
    edges = [0, *sorted(cuts), len(data)]
    outcome, position, rows_before = Outcome(), 0, 0
    for ordinal, (start, end) in enumerate(itertools.pairwise(edges)):
        split = Split(file, ordinal, start, end, sequential=sequential)
        rows, report, error = run(csv_format, data, split)
        if report.start != position:
            split = split.restarted_at(position)
            rows, report, error = run(csv_format, data, split)
        assert report.start == position
        outcome.rows += rows
        outcome.skipped += report.skipped
        if isinstance(error, SequentialOnlyError):
            assert error.byte == report.end
            rows, report, error = run(csv_format, data, split.rest_of_file(report.end))
            outcome.rows += rows
            outcome.skipped += report.skipped
        if error is not None:
            assert isinstance(error, MalformedRecordError)
            assert error.row is not None
            outcome.error = (error.message, error.row + rows_before, error.byte)
            return outcome
        assert report.end >= split.end or not rows
        position = report.end
        rows_before += report.rows + report.skipped.total()
    assert position == len(data)
    return outcome


def reference(data: bytes, config: CsvConfig, width: int, header_lines: int = 1) -> Outcome:
    """The same by the csv module alone, from the decoded text."""
    options: dict[str, Any] = {
        "delimiter": config.delimiter,
        "quotechar": config.quote_char,
        "escapechar": config.escape_char,
        "doublequote": config.double_quote,
    }
    lines = list(io.StringIO(data.decode(), newline=""))[header_lines:]
    first = sum(len(line.encode()) for line in list(io.StringIO(data.decode(), newline=""))[:header_lines])
    reader = csv.reader(lines, **options)
    outcome, number, line = Outcome(), 0, 0
    for values in reader:
        byte = first + sum(len(text.encode()) for text in lines[:line])
        text = "".join(lines[line : reader.line_num])
        line = reader.line_num
        if not values:
            continue
        number += 1
        if line == len(lines) and list(csv.reader(io.StringIO(text.rstrip("\r\n") + "\n\nz", newline=""), **options))[
            -1
        ] != ["z"]:
            outcome.error = ("a quote opened in this record is never closed", number, byte)
            return outcome
        if len(values) == width:
            outcome.rows.append(tuple(values))
        elif config.ignore_errors_on_fields_mismatch:
            outcome.skipped[f"record has too {'many' if len(values) > width else 'few'} values"] += 1
        else:
            plural = "" if len(values) == 1 else "s"
            outcome.error = (f"record has {len(values)} value{plural}, the header names {width}", number, byte)
            return outcome
    return outcome


line_ends = st.sampled_from(["\n", "\r\n", "\r"])
dirty_text = st.text(alphabet='ab1,,,"""\n\n\r ;é\ufeff\x00', max_size=60)
cell = st.text(alphabet="a1 ,;\"'\n\ré\x00", max_size=6)


@st.composite
def dirty_files(draw: st.DrawFn) -> bytes:
    """Anything at all below a header of two columns."""
    return ("a,b" + draw(line_ends) + draw(dirty_text)).encode()


@st.composite
def clean_files(draw: st.DrawFn) -> tuple[bytes, CsvConfig]:
    """Rows of three columns as the csv module writes them in some dialect; a few have another width."""
    config = CsvConfig(
        delimiter=draw(st.sampled_from([",", ";", "\t", "|", "§"])),
        quote_char=draw(st.sampled_from(['"', "'"])),
        ignore_errors_on_fields_mismatch=True,
    )
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=config.delimiter,
        quotechar=config.quote_char,
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    writer.writerow(["a", "b", "c"])
    writer.writerows(draw(st.lists(st.lists(cell, min_size=3, max_size=3) | st.lists(cell, max_size=4), max_size=12)))
    return text.getvalue().encode(), config


def formats(config: CsvConfig, piece_bytes: int) -> CsvFormat:
    return CsvFormat(config, piece_bytes=piece_bytes)


piece_sizes = st.sampled_from([1, 2, 7, 64, 256 << 10])


@given(data=dirty_files(), skip=st.booleans(), piece_bytes=piece_sizes)
@example(data=b'a,b\n1,"x\n2,y\n', skip=False, piece_bytes=64)
@example(data=b'a,b\n1,5" pipe\n"q"r,"\n",x\n', skip=False, piece_bytes=7)
@example(data="a,b\n\ufeffx,1\n\ufeffy,2\n".encode(), skip=False, piece_bytes=1)
def test_both_paths_read_as_the_csv_module_does(data: bytes, skip: bool, piece_bytes: int) -> None:
    config = CsvConfig(ignore_errors_on_fields_mismatch=skip)
    expected = reference(data, config, 2)
    csv_format = formats(config, piece_bytes)
    assert read_whole(csv_format, data, sequential=True) == expected
    assert read_whole(csv_format, data, sequential=False) == expected


@given(
    text=st.text(alphabet='ab,,""\\\\\n\n\r', max_size=40),
    escape=st.sampled_from([None, "\\"]),
    double_quote=st.booleans(),
    piece_bytes=piece_sizes,
)
def test_escapes_and_single_quotes_read_as_the_csv_module_does(
    text: str, escape: str | None, double_quote: bool, piece_bytes: int
) -> None:
    data = b"a,b\n" + text.encode()
    config = CsvConfig(escape_char=escape, double_quote=double_quote, ignore_errors_on_fields_mismatch=True)
    expected = reference(data, config, 2)
    assume(escape is None or expected.error is None)
    csv_format = formats(config, piece_bytes)
    assert read_whole(csv_format, data, sequential=True) == expected
    assert read_whole(csv_format, data, sequential=False) == expected


@given(data=dirty_files(), fractions=st.lists(st.floats(0, 1), max_size=6), skip=st.booleans(), piece_bytes=piece_sizes)
def test_a_dirty_file_cut_anywhere_reads_as_the_whole(
    data: bytes, fractions: list[float], skip: bool, piece_bytes: int
) -> None:
    config = CsvConfig(ignore_errors_on_fields_mismatch=skip)
    cuts = [int(fraction * len(data)) for fraction in fractions]
    assert read_in_splits(formats(config, piece_bytes), data, cuts) == reference(data, config, 2)


@given(file=clean_files(), fractions=st.lists(st.floats(0, 1), max_size=8), piece_bytes=piece_sizes)
def test_a_clean_file_cut_anywhere_reads_as_the_whole(
    file: tuple[bytes, CsvConfig], fractions: list[float], piece_bytes: int
) -> None:
    data, config = file
    csv_format = formats(config, piece_bytes)
    expected = reference(data, config, 3)
    cuts = [int(fraction * len(data)) for fraction in fractions]
    assert read_in_splits(csv_format, data, cuts) == expected
    assert read_in_splits(csv_format, data, cuts, sequential=True) == expected


@given(file=clean_files())
def test_splits_of_one_byte(file: tuple[bytes, CsvConfig]) -> None:
    data, config = file
    assert read_in_splits(CsvFormat(config), data, list(range(1, len(data)))) == reference(data, config, 3)
