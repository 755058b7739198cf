"""JSON objects over several lines: which lines belong together, what they cost, and what is rejected together."""

import io
import json
import time

import pytest
from file_builders import read_lines, rejects_of, remote, whole
from format_settings import JSONL

from file_cdk.core.config import JsonlConfig
from file_cdk.core.errors import MalformedRecordError, SequentialOnlyError
from file_cdk.core.files import Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.jsonl.format import JsonlFormat

SLOW = "JSON objects over several lines are read slowly: one object per line is faster"

Reject = tuple[int | None, str, bytes | None]


def read(data: bytes, fmt: JsonlFormat = JSONL) -> tuple[list[bytes], list[Reject], SplitReport]:
    """Lines, what was rejected of the whole file, and its report."""
    lines, report = read_lines(data, fmt)
    assert report.end == len(data)
    return lines, [(byte, reason, raw) for _, byte, reason, raw in rejects_of(report)], report


def test_lines_of_an_object_become_one_and_its_values_keep_their_bytes() -> None:
    data = b'{"z":0}\n {\n\t"b" : 1.10,\r\n\n  "a":[1e3,\n"\\u00e9\\n {\\"",{ } ]\n, "a":2\n }  \r\n{"z":1}\n{\n}'
    lines, rejected, report = read(data)
    assert lines == [b'{"z":0}', b'{"b" : 1.10,"a":[1e3,"\\u00e9\\n {\\"",{ } ], "a":2}', b'{"z":1}', b"{}"]
    assert rejected == []
    assert report.warnings == {SLOW: 2}


def test_one_object_may_be_the_whole_file() -> None:
    value = {"a": {"b": [1, {"c": None}]}, "text": "{[\n"}
    [line] = read(b"\xef\xbb\xbf" + json.dumps(value, indent=4).encode())[0]
    assert json.loads(line) == value


def test_an_object_of_many_lines() -> None:
    value = {"rows": [{"n": n, "text": " \n "} for n in range(60_000)]}
    lines, rejected, _ = read(json.dumps(value, indent=2).encode())
    assert lines == [json.dumps(value, separators=(",", ": ")).encode()]
    assert rejected == []


def test_the_rest_of_the_file_is_read_in_sequence_from_the_first_object_over_several_lines() -> None:
    data = b'{"a":1}\nx\n{\n"a":2}\n{"a":3}\n'
    report = SplitReport()
    batches = JSONL.read_records(io.BytesIO(data), Split(remote(data), 0, 0, 12), None, report)
    assert next(batches) == JsonLines([b'{"a":1}'], checked=True)
    with pytest.raises(SequentialOnlyError) as caught:
        next(batches)
    assert (caught.value.byte, report.end, report.rows, report.rejects.total()) == (10, 10, 1, 1)
    assert report.warnings == {}


def test_the_last_split_needs_no_other_to_be_read_in_sequence() -> None:
    data = b'{"a":1}\n{\n"a":2}\n'
    report = SplitReport()
    batches = list(JSONL.read_records(io.BytesIO(data), Split(remote(data), 1, 8, len(data)), None, report))
    assert batches == [JsonLines([b'{"a":2}'], checked=True)]
    assert (report.start, report.end) == (8, len(data))


def test_keys_that_the_envelope_adds_are_taken_out_of_objects_over_several_lines() -> None:
    assert read(b'{\n "_ab_source_file_url": "x",\n "a": 1.0\n}')[0] == [b'{"a":1.0}']


@pytest.mark.parametrize("half", [rb'"\ud800"', rb'["x\uDFFFx"]'])
def test_half_a_surrogate_pair_passes_with_a_warning(half: bytes) -> None:
    lines, rejected, report = read(b'{\n"a":' + half + b',\n"b":1\n}\n')
    assert (lines, rejected) == ([b'{"a":' + half + b',"b":1}'], [])
    assert report.warnings == {SLOW: 1, "line escapes half of a surrogate pair": 1}


# Lines that belong to no object


@pytest.mark.parametrize(
    "cut",
    [b'{"a":1', b'{"a":1,', b'{"a":"x', b'{"a":"x\\', b'{"a":', b'{"a":[', b'{"a":[1,', b"{", b'{"a":{"b":', b'{"a":t'],
)
@pytest.mark.parametrize("blank", [b"", b"\n \r\n"])
def test_the_line_that_breaks_off_is_rejected_alone(cut: bytes, blank: bytes) -> None:
    data = b'{"z":0}\n' + cut + b"\n" + blank + b'{"z":1}\n' + blank + b'{"z":2}\n'
    lines, rejected, _ = read(data)
    assert lines == [b'{"z":0}', b'{"z":1}', b'{"z":2}']
    assert rejected == [(8, "line is not a complete JSON object", cut)]


@pytest.mark.parametrize("end", [b"", b"\n", b'\n{"z":1}\n', b'\n{"z":1}'])
def test_a_line_that_breaks_off_near_the_end_is_rejected_alone(end: bytes) -> None:
    lines, rejected, _ = read(b'{"a":[' + end)
    assert lines == [b'{"z":1}'] * end.count(b"z")
    assert rejected == [(0, "line is not a complete JSON object", b'{"a":[')]


def test_every_line_of_braces_is_a_reject_of_its_own() -> None:
    lines, rejected, report = read(b"{\n" * 300 + b'{"z":1}\n' + b"}\n" * 2)
    assert lines == [b'{"z":1}']
    assert [byte for byte, _, _ in rejected] == [*range(0, 600, 2), 608, 610]
    assert report.rejects.first[-1].row == 303


# Objects with a fault


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{\n"a": NaN\n}', "object over several lines is not valid JSON"),
        (b'{\n"a": 1\n"b": {\n"x":2\n}\n}', "object over several lines is not valid JSON"),
        (b'{\n"a": [\n{\n"x":1\n},\n{\n"x":NaN\n}\n]\n}', "object over several lines is not valid JSON"),
        (b'{\n"a": "\xff"\n}', "object over several lines is not valid UTF-8"),
        (b'{"\xff":\n[{\n"a":1}]\n}', "object over several lines is not valid UTF-8"),
        (b'{\n"a":' + b"[" * 2000 + b"]" * 2000 + b"}", "object over several lines is nested too deeply"),
        (b'{\n"a": 1\n}, x', "line goes on after its JSON object"),
        (b'{\n"a": {\n"b": 1\n}', "object over several lines is not complete"),
        (b'{\n"a": [\n{\n"b": 1\n},', "object over several lines is not complete"),
    ],
)
def test_an_object_with_a_fault_is_one_reject_and_none_of_its_objects_is_a_record(bad: bytes, reason: str) -> None:
    data = b'{"z":0}\n' + bad + b'\n{\n"z":1\n}\n{"z":2}'
    if reason.endswith("complete") and bad.endswith(b","):  # what follows could be its next element
        data = data.replace(b'\n{\n"z":1\n}', b"")
        data = data.replace(b"},\n", b"}\n")
    lines, rejected, _ = read(data)
    assert lines[0] == b'{"z":0}'
    assert lines[-1] == b'{"z":2}'
    assert not any(b"x" in line or b"b" in line for line in lines)
    assert [(byte, why) for byte, why, _ in rejected] == [(8, reason)]
    assert rejected[0][2] == (bad if not bad.endswith(b"},") else bad[:-1])


def test_an_object_that_the_file_ends_in_is_one_reject() -> None:
    bad = b'{\n"a": [\n{\n"x": 1\n}'
    lines, rejected, _ = read(b'{"z":0}\n' + bad + b"\n")
    assert lines == [b'{"z":0}']
    assert rejected == [(8, "object over several lines is not complete", bad)]


def test_an_object_longer_than_the_limit() -> None:
    fmt = JsonlFormat(JsonlConfig(), max_record_bytes=100)
    fits = b'{\n"a":"' + b"x" * 91 + b'"}'
    assert len(fits) == 100
    assert read(b'{"z":0}\n' + fits + b"\n", fmt)[0] == [b'{"z":0}', fits.replace(b"\n", b"")]
    longer = fits.replace(b"x", b"xx", 1)
    assert read(b'{"z":0}\n' + longer + b'\n{"z":1}', fmt)[:2] == (
        [b'{"z":0}', b'{"z":1}'],
        [(8, "object over several lines is longer than the limit", longer)],
    )


@pytest.mark.parametrize("rest", [b"", b'"b":NaN}', b'"b":1}', b'"b":1}' + b" " * 10_000 + b"\n"])
def test_an_object_that_ends_nowhere_within_the_limit_ends_the_file(rest: bytes) -> None:
    fmt = JsonlFormat(JsonlConfig(), max_record_bytes=5000)
    data = b'{"z":0}\nx\n{"a":1,\n' + b'"a":1,\n' * 1000 + rest
    report = SplitReport()
    with pytest.raises(MalformedRecordError) as caught:
        list(fmt.read_records(io.BytesIO(data), whole(data), None, report))
    assert (caught.value.message, caught.value.row, caught.value.byte) == (
        "object over several lines is longer than the limit",
        3,
        10,
    )
    assert (report.rows, report.end) == (1, 10)


# Work


@pytest.mark.parametrize(
    "data",
    [
        b"{\n" * 30_000,
        b'{"a":\n' * 30_000,
        b'{"a":[\n{"b":1}\n,\n' * 10_000,
        b'{\n"rows":[\n' + b'{\n"x":1\n},\n' * 100_000 + b"{}]}",
        b'{\n"rows":[\n' + b'{\n"x":1\n},\n' * 100_000 + b"NaN]}",
        b'{\n"rows":[\n' + b'{\n"x":1\n},\n' * 100_000,
        b'{"a":\n{"b":1}\n' + b" " * 10_000_000 + b'\n{"c":1}\n',
        b'{"a":"\\ud800",\n"b":1}\n' * 3_000,
    ],
)
def test_the_work_is_linear(data: bytes) -> None:
    """Each takes less than a second; were it quadratic, minutes."""
    begun = time.process_time()
    read(data)
    assert time.process_time() - begun < 15
