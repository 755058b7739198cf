"""Laws of quotes that are astray in files for tables: every way to read gives the same, and no character goes without a word."""

import csv
import io
import itertools
from collections import Counter
from typing import Any

import pyarrow as pa
from file_builders import remote
from hypothesis import example, given, settings
from hypothesis import strategies as st

from file_cdk.core.config import CsvConfig
from file_cdk.core.files import Split
from file_cdk.core.ports import Rejects, SplitReport
from file_cdk.formats.csv import CsvFormat

NAMES = "abcd"

plain = st.text("xyz 1", max_size=3)
row = st.lists(plain, min_size=3, max_size=3).map(",".join)
quoted = st.tuples(plain, plain, st.sampled_from(["", '""', ",", "\n"]), plain).map(
    lambda parts: f'{parts[0]},"{parts[1]}{parts[2]}",{parts[3]}'
)
stray = st.sampled_from(
    [
        'x,"y,z',
        '"x,y,z',
        'x,y,"z',
        'x,"y"z,w',
        '"x" ,y,z',
        'x,5" y,z',
        'x,"y "z" w",u',
        'x",y,z',
        '"',
        'x,""y,z',
        "x,y",
        "p,q,r,s",
    ]
)
lines = st.lists(st.one_of(row, row, row, quoted, stray), max_size=14)
configs = st.fixed_dictionaries(
    {},
    optional={
        "double_quote": st.just(False),
        "ragged": st.sampled_from(["reject", "pad"]),
        "escape_char": st.just("\\"),
        "encoding": st.just("utf-16"),
        "delimiter": st.sampled_from([";", "||"]),
        "skip_initial_space": st.just(True),
        "comment_char": st.just("p"),
    },
)

Found = tuple[list[dict[str, str]], Counter[str], Rejects, Counter[str]]


def read(csv_format: CsvFormat, data: bytes, cuts: list[int], *, sequential: bool = False) -> Found:
    """Chains splits as the engine does."""
    schema = pa.schema((name, pa.string()) for name in [*NAMES[:3], "_rest"])
    rows: list[dict[str, str]] = []
    skipped, warnings, rejects, position, before = Counter[str](), Counter[str](), Rejects(), 0, 0
    edges = [0, *sorted(cuts), len(data)]
    if csv_format.split_bytes is None:
        edges = [0, len(data)]
    for ordinal, (start, end) in enumerate(itertools.pairwise(edges)):
        split = Split(remote(data), ordinal, start, end, sequential=sequential)
        report = SplitReport(-1, -1)
        batches = list(csv_format.read_table(io.BytesIO(data), split, schema, report))
        if report.start != position:
            report = SplitReport(-1, -1)
            batches = list(csv_format.read_table(io.BytesIO(data), split.restarted_at(position), schema, report))
        assert report.start == position
        rows += [{k: v for k, v in r.items() if v is not None} for batch in batches for r in batch.to_pylist()]
        skipped += report.skipped
        warnings += report.warnings
        rejects.update(report.rejects, before)
        before += report.rows_present
        position = report.end
    assert position == len(data)
    return rows, skipped, rejects, warnings


@settings(max_examples=300)
@given(
    lines=lines,
    options=configs,
    fractions=st.lists(st.floats(0, 1), max_size=4),
    piece_bytes=st.sampled_from([1, 16, 64, 1 << 18]),
    line_end=st.sampled_from(["\n", "\n", "\r\n", "\r"]),
    ends=st.booleans(),
)
@example(["1,x,2", '2,"y,3', "3,x,4", "4,x,5", "5,x,6", '6,z",7'], {}, [0.5], 16, "\n", True)
@example(['1,"x,2', "3,x,4", "4,x,5"], {}, [0.5], 1, "\n", True)
@example(['x,"y', 'z""', 'u"v,w,', "1,2,3"], {}, [], 1 << 18, "\n", False)
def test_every_way_to_read_a_table_gives_the_same_and_all(
    lines: list[str], options: dict[str, Any], fractions: list[float], piece_bytes: int, line_end: str, ends: bool
) -> None:
    piece_bytes = max(piece_bytes, 4 if "encoding" in options else 1)  # a byte order mark comes in one chunk
    config = CsvConfig(**({"null_values": []} | options))
    text = line_end.join([",".join(NAMES[:3]), *lines]) + (line_end if ends else "")
    text = text.replace(",", config.delimiter)
    data = text.encode(config.encoding or "utf8")
    found = read(CsvFormat(config, piece_bytes=piece_bytes), data, [])
    assert found == read(CsvFormat(config), data, [], sequential=True)
    assert found == read(CsvFormat(config, piece_bytes=piece_bytes), data, [int(f * len(data)) for f in fractions])
    rows, _, rejects, _ = found
    for reject in rejects.first:
        assert reject.raw is not None
        assert reject.byte is not None
        assert data[reject.byte : reject.byte + len(reject.raw)] == reject.raw
    if "comment_char" not in options and "encoding" not in options:
        here = (
            "".join(value for row in rows for value in row.values())
            + b"".join(r.raw or b"" for r in rejects.first).decode()
        )
        for letter in "yzu1":  # not of the names, nor of the column for what is over
            assert here.count(letter) == text[len(NAMES) + 1 :].count(letter)


@settings(max_examples=200)
@given(
    rows=st.lists(st.lists(st.text("xy\",\n\r '", max_size=6), min_size=3, max_size=3), max_size=12),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    piece_bytes=st.sampled_from([1, 64, 1 << 18]),
    sequential=st.booleans(),
)
def test_what_the_csv_module_writes_is_read_whole(
    rows: list[list[str]], quoting: Any, piece_bytes: int, sequential: bool
) -> None:
    rows = [[value if value.count("\n") + value.count("\r") < 3 else "x" for value in row] for row in rows]
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator="\r\n").writerows([NAMES[:3], *rows])
    found, skipped, rejects, warnings = read(
        CsvFormat(CsvConfig(), piece_bytes=piece_bytes), text.getvalue().encode(), [], sequential=sequential
    )
    assert [tuple(row.get(name, "") for name in NAMES[:3]) for row in found] == [tuple(row) for row in rows]
    assert (skipped, rejects.total(), warnings) == ({}, 0, {})
