"""Arrays of JSON objects: what counts as one, its elements, and where one that is malformed is given up."""

import io
import json
from collections.abc import Iterator

import pytest
from file_builders import Rejected, lines_of, read_lines, rejects_of, remote, whole
from format_settings import JSONL

from file_cdk.core.config import JsonlConfig
from file_cdk.core.errors import MalformedRecordError, SequentialOnlyError
from file_cdk.core.files import Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.jsonl.format import JsonlFormat


def lines_as_read(data: bytes, report: SplitReport, fmt: JsonlFormat = JSONL) -> Iterator[bytes]:
    return lines_of(fmt.read_records(io.BytesIO(data), whole(data), None, report))


def read(data: bytes, fmt: JsonlFormat = JSONL) -> tuple[list[bytes], list[Rejected]]:
    lines, report = read_lines(data, fmt)
    assert (report.start, report.end) == (0, len(data))
    return lines, rejects_of(report)


@pytest.mark.parametrize(
    "data",
    [
        b'[{"a":1.10},{"b" : [1, {}]}]',
        b'\xef\xbb\xbf \n[ {"a":1.10} ,\r\n{"b" : [1, {}]}\n ]\n\n',
        b'[\n  {\n    "a":1.10\n  },\n  {\n    "b" : [1, \n      {}]\n  }\n]\n',
        b'[{"a":1.10}]\n[{"b" : [1, {}]}]\n',
        b'[{"a":1.10}]\n{"b" : [1, {}]}\n',
    ],
)
def test_elements_are_records_in_their_own_bytes(data: bytes) -> None:
    assert read(data) == ([b'{"a":1.10}', b'{"b" : [1, {}]}'], [])


@pytest.mark.parametrize("data", [b"[]", b" [\n]\n", b"[]\n[ ]"])
def test_an_empty_array_is_a_file_without_records(data: bytes) -> None:
    assert read(data) == ([], [])


def test_lines_that_are_arrays_of_other_values_are_rejected_one_by_one() -> None:
    reason = "line is JSON, but not an object"
    assert read(b'[1, 2]\n["x"]\n{"a":1}\n[{"a":1}]\n') == (
        [b'{"a":1}'],
        [(1, 0, reason, b"[1, 2]"), (2, 7, reason, b'["x"]'), (4, 21, reason, b'[{"a":1}]')],
    )


def test_an_element_that_is_no_object_is_rejected() -> None:
    data = b'[{"a":1}, 12 ,null,"]",\n[{"x":1}],{"a":"\xff"},{"a":NaN},{"a":' + b"[" * 2000 + b"]" * 2000 + b"},{}]"
    lines, rejected = read(data)
    assert lines == [b'{"a":1}', b"{}"]
    assert [(row, byte, reason) for row, byte, reason, _ in rejected] == [
        (2, 10, "array element is not an object"),
        (3, 14, "array element is not an object"),
        (4, 19, "array element is not an object"),
        (5, 24, "array element is not an object"),
        (6, 34, "array element is not valid UTF-8"),
        (7, 44, "array element is not valid JSON"),
        (8, 54, "array element is nested too deeply"),
    ]
    assert [raw for _, _, _, raw in rejected][:6] == [
        b"12",
        b"null",
        b'"]"',
        b'[{"x":1}]',
        b'{"a":"\xff"}',
        b'{"a":NaN}',
    ]


@pytest.mark.parametrize(
    ("rest", "message", "byte"),
    [
        (b',{"a":N ', "array element is not valid JSON, and where it ends is not known", 19),
        (b',{"a":"x},{"b":"y"}]', "array element is not valid JSON, and where it ends is not known", 19),
        (b' "x"]', "two elements of the JSON array have no comma between them", 19),
        (b",'x\"]", "array element is not valid JSON, and where it ends is not known", 19),
        (b",,]", "array element is not valid JSON, and where it ends is not known", 19),
    ],
)
def test_where_an_array_cannot_be_read_on_the_elements_before_are_kept(rest: bytes, message: str, byte: int) -> None:
    report = SplitReport()
    lines: list[bytes] = []
    with pytest.raises(MalformedRecordError) as caught:
        lines.extend(lines_as_read(b'[{"a":1},7,{"a":2}' + rest, report))
    assert lines == [b'{"a":1}', b'{"a":2}']
    assert (report.rows, report.rejects.total()) == (2, 1)
    assert (caught.value.message, caught.value.row, caught.value.byte) == (message, 4, byte)


@pytest.mark.parametrize(
    ("rest", "byte", "raw"),
    [
        (b"", 17, b""),
        (b" ", 18, b""),
        (b",", 18, b""),
        (b',{"a":', 18, b'{"a":'),
        (b',{"a":"x', 18, b'{"a":"x'),
        (b',{"a":tr', 18, b'{"a":tr'),
        (b',{"a":1.', 18, b'{"a":1.'),
        (b',{"a":"x' + b"\0" * 300, 18, b'{"a":"x' + b"\0" * 300),
    ],
)
def test_the_element_that_the_file_ends_in_is_one_reject(rest: bytes, byte: int, raw: bytes) -> None:
    assert read(b'[{"a":1}, {"c":3}' + rest) == (
        [b'{"a":1}', b'{"c":3}'],
        [(3, byte, "the file ends inside its JSON array", raw)],
    )


def test_a_faulty_element_before_the_file_ends_is_a_reject_of_its_own() -> None:
    assert read(b'[{"a":1},{"a":NaN}\n') == (
        [b'{"a":1}'],
        [(2, 9, "array element is not valid JSON", b'{"a":NaN}'), (3, 19, "the file ends inside its JSON array", b"")],
    )


@pytest.mark.parametrize("data", [b'[{"a":1},{"a":2},]', b'[{"a":1}\n {"a":2} , ]\n', b'[{"a":1}{"a":2}]'])
def test_a_comma_that_is_missing_or_too_much_loses_nothing(data: bytes) -> None:
    assert read(data) == ([b'{"a":1}', b'{"a":2}'], [])


@pytest.mark.parametrize("word", [b"NaN", b"-Infinity", b"undefined", b"01", b"0x1F"])
def test_a_word_that_json_does_not_have_is_one_reject(word: bytes) -> None:
    assert read(b'[{"a":1},' + word + b', {"a":2},' + word + b"]") == (
        [b'{"a":1}', b'{"a":2}'],
        [(2, 9, "array element is not valid JSON", word), (4, 19 + len(word), "array element is not valid JSON", word)],
    )


def test_an_element_longer_than_the_limit() -> None:
    fmt = JsonlFormat(JsonlConfig(), max_record_bytes=20)
    fits = b'{"a":"' + b"x" * 12 + b'"}'
    assert read(b"[" + fits + b", " + fits + b"]", fmt) == ([fits, fits], [])
    report = SplitReport()
    with pytest.raises(MalformedRecordError, match="array element is longer than the limit"):
        list(lines_as_read(b"[" + fits + b"," + fits.replace(b"x", b"x" * 10_000, 1) + b"]", report, fmt))
    assert report.rows == 1


def test_half_a_surrogate_pair_passes_with_a_warning() -> None:
    report = SplitReport()
    assert list(lines_as_read(rb'[{"a":"\ud800"},{"a":"\ud83d\ude00"}]', report)) == [
        rb'{"a":"\ud800"}',
        rb'{"a":"\ud83d\ude00"}',
    ]
    assert report.warnings == {"line escapes half of a surrogate pair": 1}


def test_an_array_is_read_in_sequence() -> None:
    data = b' [\n{"a":1},\n{"a":2}]'
    report = SplitReport()
    with pytest.raises(SequentialOnlyError) as caught:
        list(JSONL.read_records(io.BytesIO(data), Split(remote(data), 0, 0, 1), None, report))
    assert (caught.value.byte, report.start, report.end, report.rows) == (0, 0, 0, 0)


class Counted(io.BytesIO):
    """A stream that knows how far it was read."""

    furthest = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.furthest = max(self.furthest, self.tell())
        return data


def test_batches_come_while_the_array_is_read() -> None:
    records = [b'{"n":%d,"pad":"%s"}' % (n, b"x" * 200) for n in range(20_000)]
    data = b"[\n" + b",\n".join(records) + b"\n]\n"
    stream, report = Counted(data), SplitReport()
    found: list[bytes] = []
    for batch in JSONL.read_records(stream, whole(data), None, report):
        assert isinstance(batch, JsonLines)
        assert sum(map(len, batch.lines)) < 300_000
        found += batch.lines
        assert stream.furthest - sum(map(len, found)) < 600_000
        assert report.rows == len(found)
    assert found == records


def test_inference_samples_the_beginning_of_an_array() -> None:
    data = json.dumps([{"a": 1}, 5, {"b": "x" * 2_000_000}, {"c": 1}], indent=1).encode()
    stream = Counted(data)
    assert JSONL.infer_json_schema(stream, remote(data)) == {"a": {"type": "integer"}, "b": {"type": "string"}}
    assert JSONL.infer_table_schema(stream, remote(data)).names == ["a", "value", "b"]
    data = b'[{"a":1},{"a":' + b"x" * 5_000_000
    stream = Counted(data)
    assert JSONL.infer_json_schema(stream, remote(data)) == {"a": {"type": "integer"}}
    assert stream.furthest == len(data)  # to see that the element has no end
    with pytest.raises(MalformedRecordError, match="ends inside"):  # as of a file with nothing but rejects
        JSONL.infer_json_schema(io.BytesIO(b"[ {"), remote(b"[ {"))
    with pytest.raises(MalformedRecordError, match="not an object"):
        JSONL.infer_json_schema(io.BytesIO(b'[[{"a":1}],{'), remote(b'[[{"a":1}],{'))
