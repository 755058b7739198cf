"""Laws of reading CSV: both paths read as Python's csv module does, and a file cut anywhere reads as the whole does."""

import csv
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from file_builders import remote, whole
from hypothesis import assume, example, given
from hypothesis import strategies as st

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import FileCdkError, MalformedRecordError, SequentialOnlyError
from file_cdk.core.files import Split
from file_cdk.core.ports import JsonLines, Reject, Rejects, SplitReport
from file_cdk.formats.csv import CsvFormat

Row = dict[str, str]
"""What a record has; null values are left out."""


@dataclass
class Outcome:
    """What a pass over a file gave. error: message, row and byte."""

    rows: list[Row] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    error: tuple[str, int | None, int | None] | None = None


def rows_of(batch: Any) -> list[Row]:
    if isinstance(batch, JsonLines):
        return [json.loads(line) for line in batch.lines]
    assert isinstance(batch, pa.RecordBatch)
    return [{name: value for name, value in row.items() if value is not None} for row in batch.to_pylist()]


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
    split = whole(data, sequential=sequential)
    rows, report, error = run(csv_format, data, split)
    outcome = Outcome(rows, report.skipped, report.rejects.first)
    if error is None:
        assert (report.start, report.end) == (0, len(data))
        return outcome
    assert isinstance(error, MalformedRecordError)
    outcome.error = (error.message, error.row, error.byte)
    return outcome


def read_in_splits(csv_format: CsvFormat, data: bytes, cuts: list[int], *, sequential: bool = False) -> Outcome:
    """Chains splits as the engine does: every one has to begin where the one before it ended."""
    file = remote(data)
    edges = [0, *sorted(cuts), len(data)]
    outcome, position, rows_before = Outcome(), 0, 0
    rejects = Rejects()
    outcome.rejects = rejects.first
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
        rejects.update(report.rejects, rows_before)
        if error is not None:
            assert isinstance(error, MalformedRecordError)
            assert error.row is not None
            outcome.error = (error.message, error.row + rows_before, error.byte)
            return outcome
        assert report.end >= split.end or not report.rows_present
        position = report.end
        rows_before += report.rows_present
    assert position == len(data)
    return outcome


@dataclass
class Record:
    start: int
    end: int
    values: list[str]
    closed: bool


def records_of(text: str, delimiter: str, config: CsvConfig) -> Iterator[Record]:
    """Records by the csv module's rules for quotes, whatever the length of the delimiter; blank lines left out.

    A comment has no values.
    """
    position, quote = 0, config.quote_char
    while position < len(text):
        start, values, value, state = position, list[str](), "", "start"
        if config.comment_char is not None and text.startswith(config.comment_char, start):
            while position < len(text) and text[position] not in "\r\n":
                position += 1
            yield Record(start, position, [], True)
        while position < len(text):
            char = text[position]
            if state == "quoted":
                if char != quote:
                    value += char
                elif text[position + 1 : position + 2] == quote:
                    value += char
                    position += 1
                else:
                    state = "value"
            elif text.startswith(delimiter, position):
                values.append(value)
                value, state = "", "start"
                position += len(delimiter) - 1
            elif char in "\r\n":
                break
            elif char == " " and state == "start" and config.skip_initial_space:
                pass
            elif char == quote and state == "start":
                state = "quoted"
            else:
                value += char
                state = "value"
            position += 1
        end = position
        position += 2 if text.startswith("\r\n", position) else 1
        if end > start and not (config.comment_char and text.startswith(config.comment_char, start)):
            yield Record(start, end, [*values, value], state != "quoted")


def reference(data: bytes, config: CsvConfig, width: int, header_lines: int = 1) -> Outcome:
    """What the file holds. Its bytes are looked at one by one, so that places in the text are places in the file."""
    text = data.decode("latin-1")
    header_end = sum(len(line) for line in list(io.StringIO(text, newline=""))[:header_lines])
    names = ["a", "b", "c"][:width]
    if config.header_rows == 2:
        names = [f"{name}_{unit}" for name, unit in zip(names, "xyz", strict=False)]
    outcome = Outcome()
    delimiter = config.delimiter.encode().decode("latin-1")
    for number, record in enumerate(records_of(text[header_end:], delimiter, config), 1):
        start, raw = header_end + record.start, data[header_end + record.start : header_end + record.end]
        lenient = config.ragged in ("reject", "pad")
        try:
            raw.decode()
        except UnicodeDecodeError as exc:
            if not lenient:
                outcome.error = ("not valid utf8", number, start + exc.start)
                return outcome
            if record.closed and record.values:
                outcome.rejects.append(Reject(number, start, "not valid utf8", raw))
                continue
        if not record.values:
            outcome.skipped["comment"] += 1
            continue
        if not record.closed:
            outcome.error = ("a quote opened in this record is never closed", number, start)
            return outcome
        values = [value.encode("latin-1").decode() for value in record.values]
        reason = f"record has too {'many' if len(values) > width else 'few'} values"
        if len(values) == width or config.ragged == "pad":
            row = dict(zip(names, values, strict=False))
            if values[width:]:
                row["_rest"] = json.dumps(values[width:], ensure_ascii=False)
            outcome.rows.append(row)
        elif config.ragged == "reject":
            outcome.rejects.append(Reject(number, start, reason, raw))
        elif config.ignore_errors_on_fields_mismatch:
            outcome.skipped[reason] += 1
        else:
            plural = "" if len(values) == 1 else "s"
            outcome.error = (f"record has {len(values)} value{plural}, the header names {width}", number, start)
            return outcome
    return outcome


def by_csv_module(data: bytes, config: CsvConfig, header_lines: int = 1) -> list[list[str]]:
    options: dict[str, Any] = {
        "delimiter": config.delimiter,
        "quotechar": config.quote_char or None,
        "escapechar": config.escape_char,
        "doublequote": config.double_quote,
        "skipinitialspace": config.skip_initial_space,
        "quoting": csv.QUOTE_MINIMAL if config.quote_char else csv.QUOTE_NONE,
    }
    lines = list(io.StringIO(data.decode(), newline=""))[header_lines:]
    return [row for row in csv.reader(lines, **options) if row]


line_ends = st.sampled_from(["\n", "\r\n", "\r"])
dirty_text = st.text(alphabet='ab1,,,"""\n\n\r ;#é\ufeff\x00', max_size=60)
cell = st.text(alphabet="a1 ,;|#\"'\n\ré\x00\x1f\ufdd0", max_size=6)
ragged = st.sampled_from([None, "skip", "fail", "reject", "pad"])


def configured(mode: str | None, **options: Any) -> CsvConfig:
    if mode == "skip":
        return CsvConfig(ignore_errors_on_fields_mismatch=True, **options)
    return CsvConfig(**({"ragged": mode} | options))


marks = st.fixed_dictionaries(
    {},
    optional={
        "quote_char": st.sampled_from(["", "'"]),
        "comment_char": st.sampled_from(["#", "b"]),
        "skip_initial_space": st.booleans(),
    },
)


@st.composite
def dirty_files(draw: st.DrawFn) -> bytes:
    """Anything at all below a header of two columns; now and then bytes that are no text."""
    body = draw(dirty_text).encode()
    if draw(st.integers(0, 3)) == 0:
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, len(body)))
            body = body[:at] + draw(st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80"])) + body[at:]
    return ("a,b" + draw(line_ends)).encode() + body


blanks = st.sampled_from(["", " ", "  "])


@st.composite
def clean_files(draw: st.DrawFn) -> tuple[bytes, CsvConfig]:
    """Rows of three columns in some dialect; a few have another width, and some values have quotes of their own."""
    delimiter = draw(st.sampled_from([",", ";", "\t", "|", "§", "¦", "||", "::", "\t|\t", "a1", "é;"]))
    quote = draw(st.sampled_from(['"', "'"]))
    comment = draw(st.sampled_from([None, "#"]))
    skips_blanks = draw(st.booleans())
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    header_rows = draw(st.sampled_from([1, 1, 2]))
    always = draw(st.booleans())

    def written(value: str) -> str:
        marks = [*delimiter, quote, comment or quote, "\r", "\n", " " if skips_blanks else quote]
        if always or any(mark in value for mark in marks):
            return draw(blanks if skips_blanks else st.just("")) + quote + value.replace(quote, quote * 2) + quote
        return value

    rows = draw(st.lists(st.lists(cell, min_size=3, max_size=3) | st.lists(cell, max_size=5), max_size=12))
    header = [["a", "b", "c"], ["x", "y", "z"]][:header_rows]
    text = "".join(delimiter.join(names) + line_end for names in header)
    comments = st.lists(st.just(f"#{quote} a{delimiter}{line_end}"), max_size=1)
    for row in rows:
        text += "".join(draw(comments) if comment else []) + delimiter.join(map(written, row)) + line_end
    mode = draw(st.sampled_from(["skip", "reject", "pad"]))
    marks = {"delimiter": delimiter, "quote_char": quote, "comment_char": comment, "skip_initial_space": skips_blanks}
    return text.encode(), configured(mode, header_rows=header_rows, **marks)


def formats(config: CsvConfig, piece_bytes: int) -> list[CsvFormat]:
    """One that gives all pieces to Arrow, and one that keeps them."""
    return [CsvFormat(config, piece_bytes=piece_bytes, small_piece_bytes=small) for small in (0, 1 << 20)]


piece_sizes = st.sampled_from([1, 2, 7, 64, 256 << 10])


@given(data=dirty_files(), quote=st.sampled_from(['"', ""]), skips_blanks=st.booleans())
def test_the_reference_reads_as_the_csv_module_does(data: bytes, quote: str, skips_blanks: bool) -> None:
    text = data.decode("utf-8", "replace").encode()
    config = CsvConfig(ragged="pad", quote_char=quote, skip_initial_space=skips_blanks)
    names = ["a", "b"]
    found = list(records_of(text.decode(), ",", config))[1:]
    assert [record.values for record in found] == by_csv_module(text, config)
    expected = [dict(zip(names, record.values, strict=False)) for record in found if record.closed]
    rows = reference(text, config, 2).rows
    assert [{name: row[name] for name in names if name in row} for row in rows] == expected


@given(data=dirty_files(), mode=ragged, others=marks, piece_bytes=piece_sizes)
@example(data=b'a,b\n1,"x\n2,y\n', mode="fail", others={}, piece_bytes=64)
@example(data=b'a,b\n1,5" pipe\n"q"r,"\n",x\n', mode=None, others={}, piece_bytes=7)
@example(data="a,b\n\ufeffx,1\n\ufeffy,2\n".encode(), mode=None, others={}, piece_bytes=1)
@example(data=b'a,b\n1,"\n3\n"\n3\n1,2\n3\n', mode="reject", others={}, piece_bytes=64)
@example(data=b"a,b\n1\xff,2\n1\xff\n3,4\n1\n", mode="reject", others={}, piece_bytes=64)
@example(data=b'a,b\n#,"\n1,2\n#"\n3,"\n#4"\n#', mode="reject", others={"comment_char": "#"}, piece_bytes=7)
@example(data=b'a,b\n1, "2\n,"\n', mode="reject", others={"skip_initial_space": True}, piece_bytes=7)
def test_both_paths_read_as_the_csv_module_does(
    data: bytes, mode: str | None, others: dict[str, Any], piece_bytes: int
) -> None:
    config = configured(mode, **others)
    expected = reference(data, config, 2)
    for csv_format in formats(config, piece_bytes):
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
    csv_format, other = formats(config, piece_bytes)
    found = read_whole(csv_format, data, sequential=True)
    assume(found.error is None)
    rows = by_csv_module(data, config)
    assert [list(row.values()) for row in found.rows] == [row for row in rows if len(row) == 2]
    assert found.skipped.total() == sum(len(row) != 2 for row in rows)
    assert read_whole(csv_format, data, sequential=False) == found
    assert read_whole(other, data, sequential=False) == found


@given(
    data=dirty_files(),
    fractions=st.lists(st.floats(0, 1), max_size=6),
    mode=ragged,
    others=marks,
    piece_bytes=piece_sizes,
)
def test_a_dirty_file_cut_anywhere_reads_as_the_whole(
    data: bytes, fractions: list[float], mode: str | None, others: dict[str, Any], piece_bytes: int
) -> None:
    config = configured(mode, **others)
    cuts = [int(fraction * len(data)) for fraction in fractions]
    expected = reference(data, config, 2)
    for csv_format in formats(config, piece_bytes):
        assert read_in_splits(csv_format, data, cuts) == expected


@given(file=clean_files(), fractions=st.lists(st.floats(0, 1), max_size=8), piece_bytes=piece_sizes)
def test_a_clean_file_cut_anywhere_reads_as_the_whole(
    file: tuple[bytes, CsvConfig], fractions: list[float], piece_bytes: int
) -> None:
    data, config = file
    expected = reference(data, config, 3, config.header_rows)
    cuts = [int(fraction * len(data)) for fraction in fractions]
    for csv_format in formats(config, piece_bytes):
        assert read_in_splits(csv_format, data, cuts) == expected
        assert read_in_splits(csv_format, data, cuts, sequential=True) == expected


@given(file=clean_files())
def test_splits_of_one_byte(file: tuple[bytes, CsvConfig]) -> None:
    data, config = file
    expected = reference(data, config, 3, config.header_rows)
    assert read_in_splits(CsvFormat(config), data, list(range(1, len(data)))) == expected


@given(file=clean_files(), piece_bytes=piece_sizes)
def test_every_record_is_read_skipped_or_rejected(file: tuple[bytes, CsvConfig], piece_bytes: int) -> None:
    data, config = file
    delimiter = config.delimiter.encode().decode("latin-1")
    present = sum(1 for _ in records_of(data.decode("latin-1"), delimiter, config)) - config.header_rows
    for csv_format in formats(config, piece_bytes):
        found = read_in_splits(csv_format, data, list(range(7, len(data), 7)))
        assert len(found.rows) + found.skipped.total() + len(found.rejects) == present


@given(
    data=dirty_files(),
    count=st.integers(1, 4),
    mode=st.sampled_from(["reject", "pad"]),
    piece_bytes=piece_sizes,
    sequential=st.booleans(),
)
def test_a_footer_is_no_data(data: bytes, count: int, mode: str, piece_bytes: int, sequential: bool) -> None:
    lines = data.splitlines(keepends=True)
    left = count
    while left and len(lines) > 1:
        left -= bool(lines.pop().strip())
    config = configured(mode, skip_rows_at_end=count)
    assert CsvFormat(config).facts.split_bytes is None
    expected = reference(b"".join(lines), config, 2)
    for csv_format in formats(config, piece_bytes):
        assert read_whole(csv_format, data, sequential=sequential) == expected
