"""Laws of reading JSON: a file cut anywhere reads as the whole does, and every record in it is yielded or rejected, once."""

import io
import itertools
import json
from ast import literal_eval
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pytest
from file_builders import remote
from file_builders import whole as whole_split
from format_settings import JSONL
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from file_cdk.core.config import JsonlConfig
from file_cdk.core.errors import FileCdkError, MalformedRecordError, SequentialOnlyError
from file_cdk.core.files import Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.jsonl import lines as jsonl_lines
from file_cdk.formats.jsonl import values as jsonl_values
from file_cdk.formats.jsonl.encoding import wide_encoding
from file_cdk.formats.jsonl.format import JsonlFormat

NAN = float("nan")


@dataclass
class Outcome:
    """What a pass over a file gave. rejected: row, byte, reason. error: message, row and byte."""

    lines: list[bytes] = field(default_factory=list)
    rejected: list[tuple[int, int, str]] = field(default_factory=list)
    warned: int = 0
    error: tuple[str, int | None, int | None] | None = None

    @property
    def present(self) -> int:
        return len(self.lines) + len(self.rejected)

    def add(self, lines: list[bytes], report: SplitReport) -> None:
        before = self.present
        for reject in report.rejects.first:
            assert reject.row is not None
            assert reject.byte is not None
            self.rejected.append((reject.row + before, reject.byte, reject.reason))
        self.lines += lines
        self.warned += sum(report.warnings.values())


Run = tuple[list[bytes], SplitReport, FileCdkError | None]


def run_records(fmt: JsonlFormat, data: bytes, split: Split) -> Run:
    report = SplitReport(start=-1, end=-1)
    lines: list[bytes] = []
    try:
        for batch in fmt.read_records(io.BytesIO(data), split, None, report):
            assert isinstance(batch, JsonLines)
            assert report.start >= 0
            lines += batch.lines
            assert report.rows == len(lines)
    except FileCdkError as error:
        assert report.rows == len(lines)
        return lines, report, error
    return lines, report, None


def run_table(fmt: JsonlFormat, data: bytes, split: Split, schema: pa.Schema) -> Run:
    report = SplitReport(start=-1, end=-1)
    rows: list[bytes] = []
    try:
        for batch in fmt.read_table(io.BytesIO(data), split, schema, report):
            rows += [repr(row).encode() for row in batch.to_pylist()]
            assert report.rows == len(rows)
    except FileCdkError as error:
        return rows, report, error
    return rows, report, None


def read_in_splits(fmt: JsonlFormat, data: bytes, cuts: list[int], run: Callable[..., Run] = run_records) -> Outcome:
    """Chains splits as the engine does: every one has to begin where the one before it ended."""
    file = remote(data)
    outcome, position = Outcome(), 0
    for ordinal, (start, end) in enumerate(itertools.pairwise([0, *sorted(cuts), len(data)])):
        split = Split(file, ordinal, start, end)
        lines, report, error = run(fmt, data, split)
        if report.start != position:
            assert not split.is_first
            split = split.restarted_at(position)
            lines, report, error = run(fmt, data, split)
        assert report.start == position
        if isinstance(error, SequentialOnlyError):
            assert not split.is_last
            assert error.byte == report.end
            outcome.add(lines, report)
            split = split.rest_of_file(report.end)
            lines, report, error = run(fmt, data, split)
            assert report.start == split.start
        present = outcome.present
        outcome.add(lines, report)
        if error is not None:
            assert isinstance(error, MalformedRecordError)
            assert error.row is not None
            outcome.error = (error.message, error.row + present, error.byte)
            assert error.row + present == outcome.present + 1
            return outcome
        position = report.end
        if split.sequential:
            break
    assert position == len(data)
    return outcome


# Files of which it is known what is in them


@dataclass(frozen=True)
class Item:
    """What one or more lines hold: records, and then a record that is rejected for a reason; or neither.

    reject_at: where the rejected one begins. zeros: how many times zero bytes come between records.
    """

    text: bytes
    record: bytes | None = None
    reason: str | None = None
    multi_line: bool = False
    further: tuple[bytes, ...] = ()
    reject_at: int = 0
    zeros: int = 0
    plain: bytes | None = None
    """The record that a table has of it, where the protocol has none."""

    @property
    def records(self) -> tuple[bytes, ...]:
        return self.further if self.record is None else (self.record, *self.further)


def several(*texts: bytes, between: bytes = b"", reason: str | None = None) -> Item:
    """Objects on one line; with a reason, the last one is rejected for it."""
    data = b""
    places: list[int] = []
    for text in texts:
        data += between if places else b""
        places.append(len(data))
        data += text
    good = texts[: len(texts) - (reason is not None)]
    return Item(data, further=good, reason=reason, reject_at=places[-1], zeros=(len(texts) - 1) * (b"\0" in between))


def line(text: bytes) -> Item:
    return Item(text, text.strip())


def pretty(value: object, indent: int | str) -> Item:
    return Item(
        json.dumps(value, indent=indent).encode(),
        json.dumps(value, separators=(",", ": ")).encode(),
        multi_line=True,
    )


def broken(value: object) -> Item:
    return Item(json.dumps(value, indent=1).encode(), reason="object over several lines is not valid JSON")


texts = st.text(alphabet='ab1 "\\{}[],:\n\té\u2028', max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=4)
full_objects = st.dictionaries(texts, values, min_size=1, max_size=4)

good_lines = st.one_of(
    objects.map(lambda value: line(json.dumps(value).encode())),
    objects.map(lambda value: line(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())),
    st.sampled_from(
        [
            b'{"a":1.10,"b":123456789012345678901234567890,"c":1e3,"a":-0.0}',
            b' \t{ "a" : [1 , 2] , "b":"\\u00e9\\ud83d\\ude00" }  \r',
            b'{"long":"' + b"x" * 300 + b'"}',
        ]
    ).map(line),
)
bad_lines = st.sampled_from(
    [
        Item(b"x", reason="line is not valid JSON"),
        Item(b"true\r", reason="line is JSON, but not an object", plain=b'{"value":true}'),
        Item(b"[3 x", reason="line is JSON, but not an object"),
        Item(b" 3", reason="line is JSON, but not an object", plain=b'{"value":3}'),
        Item(b'{"a":NaN}', reason="line is not valid JSON"),
        Item(b'{"a":1,}', reason="line is not valid JSON"),
        Item(b'{"a":"\xff"}', reason="line is not valid UTF-8"),
        Item(b'{"a":1} "b":2}', reason="line goes on after its JSON object"),
        Item(b'{"a":1},,', reason="line goes on after its JSON object"),
        Item(b'{"a":"cut', reason="line is not a complete JSON object"),
        Item(b'{"a":1,', reason="line is not a complete JSON object"),
        Item(b'{"a":[1', reason="line is not a complete JSON object"),
        Item(b"\0\0", zeros=1),
    ]
)
full_lines = st.one_of(
    st.builds(
        lambda values, between: several(*(json.dumps(value).encode() for value in values), between=between),
        st.lists(objects, min_size=1, max_size=5),
        st.sampled_from(
            [b"", b" ", b"\t\r", b"\r", b"\x1e", b" \x1e ", b",", b" , ", b"\0\0", b"\xef\xbb\xbf", b" " * 150]
        ),
    ),
    st.sampled_from(
        [
            several(b'{"a":"b}{az"}', b'{"a":"}{"}', b"{}"),
            several(b'{"a":"\\"}{"}', b'{"b":[{"c":{}},{}]}', between=b","),
            several(b'{"a":1}', b'{"b":NaN}', reason="line is not valid JSON"),
            several(b'{"a":1}', b'{"b":NaN,"c":[{"d":1}]}', between=b"\r", reason="line is not valid JSON"),
            several(b'{"a":1}', b'{"b":"\xff"}', between=b" ", reason="line is not valid UTF-8"),
            several(b'{"a":1}', b'{"b":2} x', between=b" ", reason="line goes on after its JSON object"),
            several(b'{"a":1}', b"x", between=b"\r", reason="line is not valid JSON"),
            several(b'{"a":1}', b'{"b":"cut', between=b"\r", reason="line is not a complete JSON object"),
            several(b'{"a":1}', b'{"b"', reason="line is not a complete JSON object"),
            Item(b'\x1e{"a":1}', b'{"a":1}'),
            Item(b'\xef\xbb\xbf{"a":1}', b'{"a":1}'),
            Item(b'{"a":1},\r', b'{"a":1}'),
        ]
    ),
)
blank_lines = st.sampled_from([b"", b" ", b"\r", b"\t\r"]).map(Item)
multi_lines = st.builds(pretty, full_objects, st.sampled_from([0, 1, 3, "\t"]))
broken_multi_lines = st.sampled_from(
    [
        broken({"a": NAN}),
        broken({"a": 1, "b": {"x": [NAN, {"y": "}"}]}}),
        broken({"a": [{"b": 1}, {"c": NAN}, {"d": {}}], "e": "]"}),
        Item(b'{\n"a":1\n"b":{\n"c":2\n}\n}', reason="object over several lines is not valid JSON"),
        Item(b'{\n"a":"\xff"\n}', reason="object over several lines is not valid UTF-8"),
        Item(b'{\n"a":1\n}, x', reason="line goes on after its JSON object"),
        Item(b'{\n"a":' + b"[" * 3000 + b"]" * 3000 + b"\n}", reason="object over several lines is nested too deeply"),
    ]
)


@st.composite
def files(draw: st.DrawFn, items: st.SearchStrategy[Item]) -> tuple[bytes, Outcome]:
    data = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    known = Outcome()
    for item in draw(st.lists(items, max_size=12)):
        known.lines += item.records
        known.warned += item.multi_line + item.zeros
        if item.reason is not None:
            known.rejected.append((known.present + 1, len(data) + item.reject_at, item.reason))
        data += item.text + b"\n"
    if data.endswith(b"\n") and draw(st.booleans()):
        data = data[:-1]
    return data, known


plain_lines = bad_lines.filter(lambda item: item.plain is not None)
object_lines = bad_lines.filter(lambda item: item.plain is None and item.text[:1] != b"[")
line_files = files(st.one_of(good_lines, bad_lines, full_lines, blank_lines))
mixed_files = files(st.one_of(good_lines, bad_lines, full_lines, blank_lines, multi_lines, broken_multi_lines))
table_files = files(st.one_of(good_lines, object_lines, full_lines, blank_lines, multi_lines, broken_multi_lines))
plain_files = st.lists(st.one_of(good_lines, plain_lines), min_size=2, max_size=9)
fractions = st.lists(st.floats(0, 1), max_size=8)


def cuts_at(data: bytes, shares: list[float]) -> list[int]:
    return [int(share * len(data)) for share in shares]


@given(line_files, fractions)
def test_every_line_is_yielded_or_rejected_once_however_the_file_is_cut(
    file: tuple[bytes, Outcome], shares: list[float]
) -> None:
    data, known = file
    assert read_in_splits(JSONL, data, []) == known
    assert read_in_splits(JSONL, data, cuts_at(data, shares)) == known
    assert read_in_splits(JSONL, data, list(range(1, len(data)))) == known


@given(mixed_files, fractions)
def test_every_record_is_yielded_or_rejected_once_however_the_file_is_cut(
    file: tuple[bytes, Outcome], shares: list[float]
) -> None:
    data, known = file
    assert read_in_splits(JSONL, data, []) == known
    assert read_in_splits(JSONL, data, cuts_at(data, shares)) == known
    assert read_in_splits(JSONL, data, list(range(7, len(data), 7))) == known


@given(mixed_files, fractions, st.sampled_from([8, 30, 100]))
def test_a_line_that_is_too_long_to_be_held_is_read_alike(
    file: tuple[bytes, Outcome], shares: list[float], limit: int
) -> None:
    """As long as what is not held: no record of it is over 64 MiB."""
    data, known = file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl_lines, "LONG_LINE_BYTES", limit)
        patch.setattr(jsonl_values, "LONG_LINE_BYTES", limit)
        patch.setattr(jsonl_values, "PIECE_BYTES", limit)
        assert read_in_splits(JSONL, data, []) == known
        assert read_in_splits(JSONL, data, cuts_at(data, shares)) == known
        assert read_in_splits(JSONL, data, list(range(1, len(data)))) == known


@given(plain_files, fractions)
def test_a_table_has_plain_values_in_a_column(items: list[Item], shares: list[float]) -> None:
    data = b"\n".join(item.text for item in items)
    rows = [json.loads(item.plain or item.record or b"") for item in items]
    schema = pa.schema(
        [(name, pa.string()) for name in dict.fromkeys(["value", *(name for row in rows for name in row)])]
    )
    run = partial(run_table, schema=schema)
    whole = read_in_splits(JSONL, data, [], run)
    found = [literal_eval(text.decode())["value"] for text in whole.lines]
    assert [text for text, item in zip(found, items, strict=True) if item.plain] == [
        json.dumps(row["value"], separators=(",", ":")) for row, item in zip(rows, items, strict=True) if item.plain
    ]
    assert read_in_splits(JSONL, data, cuts_at(data, shares), run) == whole


@given(table_files, fractions)
def test_a_table_has_a_row_for_every_record(file: tuple[bytes, Outcome], shares: list[float]) -> None:
    data, known = file
    rows = [json.loads(text) for text in known.lines]
    schema = pa.schema([(name, pa.string()) for name in dict.fromkeys(name for row in rows for name in row)])
    run = partial(run_table, schema=schema)
    whole = read_in_splits(JSONL, data, [], run)
    assert whole.rejected == known.rejected
    for found, row in zip(map(literal_eval, map(bytes.decode, whole.lines)), rows, strict=True):
        assert {name for name, value in found.items() if value is not None} == {
            name for name, value in row.items() if value is not None
        }
    assert read_in_splits(JSONL, data, cuts_at(data, shares), run) == whole


def test_splits_of_64_kib_over_many_pieces() -> None:
    items = [
        line(b'{"n":1,"pad":"' + b"x" * 400 + b'"}'),
        Item(b'{"cut', reason="line is not a complete JSON object"),
        Item(b""),
        line(b'{"n":2,"pad":"' + b"y" * 300 + b'"}'),
    ]
    items = (
        items * 500 + [pretty({"a": [1, {"b": None}], "pad": "z" * 500}, 2), broken({"a": 1, "b": NAN})] * 500 + items
    )
    data = b"\n".join(item.text for item in items)
    whole = read_in_splits(JSONL, data, [])
    assert whole.lines == [item.record for item in items if item.record is not None]
    assert [reason for _, _, reason in whole.rejected] == [item.reason for item in items if item.reason is not None]
    assert whole.warned == 500
    assert read_in_splits(JSONL, data, list(range(64 << 10, len(data), 64 << 10))) == whole


# Files of which nothing is known


fragments = st.lists(
    st.sampled_from(
        [b"\n", b"\n", b"\n", b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b'"a"', b'"a":', b'{"a":1}', b'{"a":1',
         b'{"a":', b'{"a":[', b"1", b"-", b"null", b" ", b"\r", b"\xff", b"\\ud800", b'"\\ud800"', b"\xef\xbb\xbf",
         b"\x1e", b"\0"]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip


@given(fragments, fractions, st.sampled_from([8, 20, 64 << 20]))
@settings(max_examples=300)
@example(b'{"a":\n{"a":\n{"b":1}\n', [0.5], 20)
@example(b'\n[{"a":1}]', [0.1], 20)
def test_garbage_cut_anywhere_reads_as_the_whole(data: bytes, shares: list[float], limit: int) -> None:
    fmt = JsonlFormat(JsonlConfig(), max_record_bytes=limit)
    whole = read_in_splits(fmt, data, [])
    assert read_in_splits(fmt, data, cuts_at(data, shares)) == whole
    assert read_in_splits(fmt, data, list(range(1, len(data)))) == whole
    for text in whole.lines:
        assert isinstance(json.loads(text), dict)
        assert b"\n" not in text
        assert b"\r" not in text


_BETWEEN = b" \t\r\n\0\x1e,[]\xef\xbb\xbf"
"""What may be between records, or around them. Within them it is left out of the comparison as well."""


@given(st.lists(fragments, max_size=3), st.sampled_from([8, 20, 64 << 20]))
@settings(max_examples=300)
def test_every_byte_of_garbage_is_in_a_record_or_a_reject_once_and_in_order(parts: list[bytes], limit: int) -> None:
    data = b'{"x":2}'.join(parts)
    assume(wide_encoding(data[:4]) is None)
    lines, report, error = run_records(JsonlFormat(JsonlConfig(), max_record_bytes=limit), data, whole_split(data))
    rejected = {reject.row: reject.raw or b"" for reject in report.rejects.first}
    records = iter(lines)
    found = b"".join(
        rejected[row] if row in rejected else next(records) for row in range(1, len(lines) + len(rejected) + 1)
    )
    plain = data.translate(None, _BETWEEN)
    assert plain.startswith(found.translate(None, _BETWEEN))
    assert error is not None or found.translate(None, _BETWEEN) == plain


# Arrays


@st.composite
def arrays(draw: st.DrawFn) -> tuple[bytes, Outcome]:
    known = Outcome()
    parts: list[bytes] = []
    blanks = st.sampled_from([b"", b" ", b"\n", b"\r\n\t"])
    data = draw(st.sampled_from([b"", b"\xef\xbb\xbf", b"\n "])) + b"[" + draw(blanks)
    for index, value in enumerate(draw(st.lists(objects | st.just(NAN) | values, max_size=8))):
        if index:
            data += b"," + draw(blanks)
        if isinstance(value, float) or (index == 0 and not isinstance(value, dict)):
            value = {"b": [NAN]}
            known.rejected.append((known.present + 1, len(data), "array element is not valid JSON"))
        elif isinstance(value, dict):
            known.lines.append(json.dumps(value, separators=(",", ": ")).encode())
        else:
            known.rejected.append((known.present + 1, len(data), "array element is not an object"))
        parts.append(json.dumps(value, indent=draw(st.sampled_from([0, 2]))).encode())
        data += parts[-1] + draw(blanks)
    return data + b"]" + draw(blanks), known


@given(arrays(), fractions)
def test_every_element_of_an_array_is_yielded_or_rejected_once(
    file: tuple[bytes, Outcome], shares: list[float]
) -> None:
    data, known = file
    assert read_in_splits(JSONL, data, []) == known
    assert read_in_splits(JSONL, data, cuts_at(data, shares)) == known
    assert read_in_splits(JSONL, data, list(range(1, len(data)))) == known


@given(arrays(), st.floats(0, 1))
def test_an_array_that_breaks_off_keeps_the_elements_before(file: tuple[bytes, Outcome], share: float) -> None:
    data, known = file
    start = data.index(b"[") + 1
    cut = data[: start + int(share * (len(data.rstrip()) - 1 - start))]
    found = read_in_splits(JSONL, cut, [])
    assert found.lines == known.lines[: len(found.lines)]
    if found.error is None and cut.strip(b"\xef\xbb\xbf\r\n \t") != b"[":
        assert found.rejected[-1][2] == "the file ends inside its JSON array"
    assert read_in_splits(JSONL, cut, list(range(1, len(cut)))) == found
