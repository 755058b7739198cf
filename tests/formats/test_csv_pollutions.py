"""A clean CSV file, and copies of it with one fault each, as files that people exchange have them: what is good loads exactly,
and the malformed row is rejected or loads as it stands.

After the idea of Vitagliano et al., Pollock: A Data Loading Benchmark (VLDB 2023): one source, many pollutions. The table and the
pollutions here are our own.
"""

import csv
import io
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from file_builders import remote, whole

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import DialectRefutedError, FileCdkError
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv.sniff.detect import MIN_CONFIDENCE, detect
from file_cdk.formats.csv.sniff.format import DetectingCsvFormat, header_of

HEADER = ["day", "clock", "article", "price", "count", "kind", "remark", "fresh"]
_NOUNS = ["kettle", "lamp", "rug", "chair", "mirror", "shelf", "basket", "candle", "clock", "vase", "tray", "stool"]
_KINDS = ["oak", "brass", "child's", "glass", "wool", "porter's", "iron", "linen"]
_SENTENCES = [
    "Made by hand, one at a time, and signed below the foot.",
    "It doesn't fade, shrink or scratch",
    "Goes with anything in the room; keeps for years.",
    "A gift that's hard to wrap, easy to give, and never returned.",
    "Stands 12 cm high",
    'The rim is 8" wide, the base 5" at most.',
]
_SOURCE_ROWS = 60


def source_rows() -> list[list[str]]:
    """Header first: dates, times, codes, prices, counts, text with commas, quotes and apostrophes, flags."""
    rng = random.Random(11)
    rows = [HEADER]
    for number in range(_SOURCE_ROWS):
        noun, kind = rng.choice(_NOUNS), rng.choice(_KINDS)
        name = f"{kind} {noun}" if number % 3 else f'{noun}, {kind}, {rng.randint(4, 60)}"'
        rows.append(
            [
                f"{number % 28 + 1:02}/{number // 28 + 1:02}/2021",
                f"{number % 24:02}:{number * 7 % 60:02}",
                f"{noun[:2].upper()}-{rng.randint(1000, 9999)}",
                f"{rng.uniform(1, 90):.2f}",
                str(rng.randint(0, 30)),
                name,
                rng.choice(_SENTENCES),
                str(number % 2),
            ]
        )
    return rows


def written(
    rows: list[list[str]],
    *,
    delimiter: str = ",",
    quote: str = '"',
    escape: str | None = None,
    end: str = "\r\n",
    all_quoted: bool = False,
) -> str:
    """The rows as text; a delimiter may have several characters."""
    return "".join(line(row, delimiter, quote, escape, all_quoted=all_quoted) + end for row in rows)


def line(row: list[str], delimiter: str, quote: str, escape: str | None, *, all_quoted: bool = False) -> str:
    return delimiter.join(cell(value, delimiter, quote, escape, all_quoted=all_quoted) for value in row)


def cell(value: str, delimiter: str, quote: str, escape: str | None, *, all_quoted: bool = False) -> str:
    if not (all_quoted or delimiter in value or quote in value or "\n" in value):
        return value
    inside = value.replace(quote, quote * 2) if escape is None else value.replace(quote, escape + quote)
    return quote + inside + quote


@dataclass(frozen=True, slots=True)
class Polluted:
    """good: the rows that have to load as they are. bad: what may come of the malformed row, if it is loaded at all.
    more: rows of other tables in the file, which may load or be rejected."""

    name: str
    data: bytes
    good: list[list[str]]
    bad: tuple[tuple[str, ...], ...] = ()
    more: tuple[tuple[str, ...], ...] = ()
    header: list[str] | None = None


def pollutions() -> Iterator[Polluted]:
    yield from _of_files()
    yield from _of_rows()


def _of_files() -> Iterator[Polluted]:
    rows = source_rows()
    body = rows[1:]
    text = written(rows)
    yield Polluted("clean", text.encode(), body)
    yield Polluted("no line end at the end", text.removesuffix("\r\n").encode(), body)
    yield Polluted("byte order mark", text.encode("utf-8-sig"), body)
    yield Polluted("utf-16", text.encode("utf-16"), body)
    yield Polluted("no header", written(body).encode(), body)
    yield Polluted("one row", written(rows[:2]).encode(), body[:1])
    yield Polluted("one column", "".join(f"{row[2]}\r\n" for row in rows).encode(), [[row[2]] for row in body])
    for end in ("\n", "\r", "\r\n"):
        yield Polluted(f"records end with {end!r}", written(rows, end=end).encode(), body)
    for delimiter in (";", "\t", "|", " ", ", ", "^", "~", "||", "::", "§"):
        yield Polluted(f"delimiter {delimiter!r}", written(rows, delimiter=delimiter).encode(), body)
        everything = written(rows, delimiter=delimiter, all_quoted=True)
        yield Polluted(f"delimiter {delimiter!r}, all quoted", everything.encode(), body)
    yield Polluted("quote '", written(rows, quote="'").encode(), body)
    yield Polluted("quote ', all quoted", written(rows, quote="'", all_quoted=True).encode(), body)
    yield Polluted("escape", written(rows, escape="\\").encode(), body)
    yield Polluted("all quoted", written(rows, all_quoted=True).encode(), body)
    wide = [[*row, *(f"{row[0]}-{number}" for number in range(300))] for row in rows]
    yield Polluted("many columns", written(wide).encode(), wide[1:])
    yield Polluted("many rows", written(rows + body * 50).encode(), body * 51)
    long = [*rows[:30], [*rows[30][:6], "long, " * 20_000, "1"], *rows[31:]]
    yield Polluted("a long value", written(long).encode(), long[1:])
    yield from _of_headers(rows)
    yield from _with_lines(rows)


def _of_headers(rows: list[list[str]]) -> Iterator[Polluted]:
    body = rows[1:]
    for column in range(len(HEADER)):
        blank = [*HEADER[:column], "", *HEADER[column + 1 :]]
        yield Polluted(f"header without name {column}", written([blank, *body]).encode(), body)
        twice = [*HEADER[:column], HEADER[column - 1], *HEADER[column + 1 :]]
        yield Polluted(f"header with a name twice {column}", written([twice, *body]).encode(), body)
        odd = [*HEADER[:column], 'a "name", of sorts', *HEADER[column + 1 :]]
        yield Polluted(f"header with an odd name {column}", written([odd, *body]).encode(), body)
    yield Polluted("header ends with a delimiter", (",".join(HEADER) + ",\r\n" + written(body)).encode(), body)
    ending = written(rows).replace("\r\n", ",\r\n")
    yield Polluted("every row ends with a delimiter", ending.encode(), body)
    trailing = ",".join(HEADER) + "\r\n" + written(body).replace("\r\n", ",\r\n")
    yield Polluted("every row but the header ends with a delimiter", trailing.encode(), body)
    spaced = ", ".join(HEADER) + "\r\n" + "".join(line(row, ", ", '"', None) + "\r\n" for row in body)
    yield Polluted("blanks after delimiters", spaced.encode(), body)


def _with_lines(rows: list[list[str]]) -> Iterator[Polluted]:
    text, body = written(rows), rows[1:]
    for count in (1, 2, 5, 12):
        titles = "".join(f"Title number {number} of the report\r\n" for number in range(count))
        yield Polluted(f"{count} titles", (titles + text).encode(), body)
        yield Polluted(f"{count} titles and a blank line", (titles + "\r\n" + text).encode(), body)
        padded = titles.replace("\r\n", "," * 7 + "\r\n")
        yield Polluted(f"{count} padded titles", (padded + text).encode(), body)
        yield Polluted(f"{count} padded titles and a padded line", (padded + "," * 7 + "\r\n" + text).encode(), body)
        yield Polluted(f"{count} blank lines above", ("\r\n" * count + text).encode(), body)
        comments = titles.replace("Title", "# title")
        yield Polluted(f"{count} comments", (comments + text).encode(), body)
        lines = text.split("\r\n")
        below = "\r\n".join([lines[0], *comments.split("\r\n")[:-1], *lines[1:]])
        yield Polluted(f"{count} comments below the header", below.encode(), body)
        notes = text + "\r\n" + titles
        yield Polluted(f"{count} notes at the end", notes.encode(), body)
    for delimiter in (",", ";", "\t", "|"):
        hinted = f"sep={delimiter}\r\n" + written(rows, delimiter=delimiter)
        yield Polluted(f"hint {delimiter!r}", hinted.encode(), body)
        yield Polluted(
            f"wrong hint {delimiter!r}", (f"sep={delimiter}\r\n" + written(rows, delimiter="~")).encode(), body
        )
    for width in (2, 6, 8, 11):
        other = [[f"{word}{number}" for number in range(width)] for word in ("name", "x", "y", "z")]
        more = tuple(tuple(row) for row in other)
        yield Polluted(f"another table of {width} below", (text + "\r\n" + written(other)).encode(), body, more=more)


def _of_rows() -> Iterator[Polluted]:
    """One delimiter or quote too many or too few, in every place of every fourth row."""
    rows = source_rows()
    lines = written(rows).split("\r\n")[:-1]
    for number in range(1, len(rows), 4):
        cells = [cell(value, ",", '"', None) for value in rows[number]]
        good = [*rows[1:number], *rows[number + 1 :]]

        def polluted(name: str, changed: list[str], column: int, *bad: str, joined: bool = False) -> Polluted:
            text = changed[0] if joined else ",".join(changed)
            data = "\r\n".join([*lines[:number], text, *lines[number + 1 :]]) + "\r\n"  # noqa: B023 - called at once
            may = tuple((*rows[number][:column], value, *rows[number][column + 1 :]) for value in bad)  # noqa: B023
            return Polluted(f"{name} at {number}, {column}", data.encode(), good, may)  # noqa: B023

        for column, text in enumerate(cells):
            before, after, value = cells[:column], cells[column + 1 :], rows[number][column]
            # A blank value beyond the last one loses nothing.
            yield polluted("delimiter too many", [*before, text, "", *after], column, *([] if after else [value]))
            if after:
                glued = ",".join([*before, text + after[0], *after[1:]])
                yield polluted("delimiter too few", [glued], column, joined=True)
            yield polluted("quote before", [*before, '"' + text, *after], column, value, '"' + value)
            yield polluted("quote after", [*before, text + '"', *after], column, value, value + '"')
            if text.startswith('"'):
                yield polluted("no opening quote", [*before, text[1:], *after], column, value, value + '"')
                yield polluted("no closing quote", [*before, text[:-1], *after], column, value)
    short = ",".join(lines[20].split(",")[:3])
    data = "\r\n".join([*lines[:20], short, *lines[21:]]) + "\r\n"
    yield Polluted("early end at 20, 3", data.encode(), [*rows[1:20], *rows[21:]])


def read_back(data: bytes) -> list[list[str]]:
    """What Python's csv module makes of a plain file."""
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


_READINGS = 3

Loaded = tuple[list[list[str]], int]
"""Rows of text, and how many records were rejected."""


def load(data: bytes) -> Loaded | None:
    """As `sync` reads a file about which nothing is said; None where it is refused."""
    sniffed = detect(data, complete=True)
    usual = sniffed.config if sniffed.confidence >= MIN_CONFIDENCE else CsvConfig()
    fmt = DetectingCsvFormat(usual, header_of(data, usual), sniffed.seen)
    for _ in range(_READINGS):
        report = SplitReport()
        try:
            names = fmt.infer_table_schema(io.BytesIO(data), remote(data)).names
            schema = pa.schema([(name, pa.string()) for name in names])
            batches = list(fmt.read_table(io.BytesIO(data), whole(data), schema, report))
        except DialectRefutedError as exc:
            fmt = fmt.with_dialect(exc)
        except FileCdkError:
            return None
        else:
            assert (report.start, report.end) == (0, len(data))
            rows = [[value or "" for value in row.values()] for batch in batches for row in batch.to_pylist()]
            assert len(rows) == report.rows
            return rows, report.rejects.total()
    raise AssertionError("a file is read three times at most")


def load_with_duckdb(connection: duckdb.DuckDBPyConnection, data: bytes, path: Path) -> Iterator[Loaded | None]:
    """By its own detection, first strictly, then without the lines at fault."""
    path.write_bytes(data)
    for options in ("", ", ignore_errors = true"):
        query = f"SELECT * FROM read_csv('{path}', all_varchar = true{options})"
        try:
            found = connection.execute(query).fetchall()
        except duckdb.Error:
            yield None
        else:
            yield [[value or "" for value in row] for row in found], 0


def verdict(polluted: Polluted, loaded: Loaded | None) -> str:
    if loaded is None:
        return "refused"
    width = len(polluted.good[0])
    rows = Counter(tuple(row[:width] + [value for value in row[width:] if value.strip()]) for row in loaded[0])
    rows.subtract(map(tuple, polluted.good))
    if any(count < 0 for count in rows.values()):
        return "good rows are lost or changed"
    expected = {*polluted.bad, *polluted.more}
    if any(row not in expected and _without_blanks(row) not in expected for row in rows.elements()):
        return "the malformed row is loaded wrongly"
    return "right"


def _without_blanks(row: Sequence[str]) -> tuple[str, ...]:
    return tuple(filter(None, row))


ALL = list(pollutions())
WHOLE = [
    polluted
    for polluted in ALL
    if " at " not in polluted.name or "notes" in polluted.name or "line end" in polluted.name
]
SINGLE = [polluted for polluted in ALL if polluted not in WHOLE]


def test_the_generator_writes_what_the_csv_module_reads() -> None:
    assert read_back(written(source_rows()).encode()) == source_rows()
    assert len(ALL) > 600
    assert len({polluted.data for polluted in ALL}) > 0.99 * len(ALL)


@pytest.mark.parametrize("polluted", WHOLE, ids=lambda polluted: polluted.name)
def test_a_file_in_another_dialect_or_frame_loads_exactly(polluted: Polluted) -> None:
    loaded = load(polluted.data)
    assert verdict(polluted, loaded) == "right"
    if not polluted.more and "notes" not in polluted.name:
        assert loaded == (polluted.good, 0)


def test_a_delimiter_or_quote_too_many_or_too_few_costs_its_row_at_most() -> None:
    verdicts = {polluted.name: verdict(polluted, load(polluted.data)) for polluted in SINGLE}
    wrong = [name for name, found in verdicts.items() if found != "right"]
    # `lamp"The rim is 8"" wide, ...` has the right number of values, and all of its quotes inside one: nothing tells.
    assert all(name.startswith("delimiter too few at") and name.endswith(", 5") for name in wrong), wrong
    assert len(wrong) <= 0.01 * len(verdicts)


def test_more_files_load_right_than_with_duckdb(tmp_path: Path) -> None:
    chosen = WHOLE + SINGLE[::8]
    ours = Counter(verdict(polluted, load(polluted.data)) for polluted in chosen)
    theirs: Counter[str] = Counter()
    with duckdb.connect() as connection:
        for polluted in chosen:
            loads = load_with_duckdb(connection, polluted.data, tmp_path / "x.csv")
            found = {verdict(polluted, loaded) for loaded in loads}
            theirs["right" if "right" in found else "wrong"] += 1  # the better of its two ways
    assert ours["right"] > theirs["right"]
