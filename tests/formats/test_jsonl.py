"""JSON Lines: which lines belong to a split, which lines are records, and that their bytes pass unchanged."""

import io
import itertools
import pickle
from collections.abc import Iterator
from dataclasses import replace

import pytest
from file_builders import read_lines, rejects_of, remote, whole
from format_settings import JSONL

from file_cdk.core.config import JsonlConfig
from file_cdk.core.errors import MalformedRecordError
from file_cdk.core.files import Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.jsonl.format import JsonlFormat


def test_lines_are_passed_on_in_their_own_bytes() -> None:
    records = [
        b'{"a":1.10,"b":123456789012345678901234567890}',
        b'{ "b" : 1e3, "a": null }',
        b'{"a":1,"a":2}',
        b"{}",
        '{"é":"ü😀"}'.encode(),
        rb'{"a":"\ud83d\ude00\n"}',
        b'{"deep":' + b"[" * 500 + b"]" * 500 + b"}",
    ]
    lines, report = read_lines(b"\n".join(records) + b"\n")
    assert lines == records
    assert (report.rows, report.start, report.end) == (7, 0, sum(map(len, records)) + 7)


@pytest.mark.parametrize(
    "data", [b'{"a":1}\n{"a":2}', b'\xef\xbb\xbf{"a":1}\r\n \t{"a":2}  \r\n', b'\n\n{"a":1}\n \r\n{"a":2}\n\n']
)
def test_blanks_around_and_between_lines_are_no_part_of_records(data: bytes) -> None:
    lines, report = read_lines(data)
    assert lines == [b'{"a":1}', b'{"a":2}']
    assert (report.rows, report.start, report.end) == (2, 0, len(data))


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf", b" \n\r\n"])
def test_a_file_without_records_is_no_error(data: bytes) -> None:
    lines, report = read_lines(data)
    assert lines == []
    assert (report.rows, report.start, report.end) == (0, 0, len(data))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'{"a":', "line is not a complete JSON object"),
        (b"{", "line is not a complete JSON object"),
        (b'{"a":1} x', "line goes on after its JSON object"),
        (b'{"a":1}, "b":2}', "line goes on after its JSON object"),
        (b"[1]", "line is JSON, but not an object"),
        (b"3", "line is JSON, but not an object"),
        (b"null", "line is JSON, but not an object"),
        (b'{"a":"\xff"}', "line is not valid UTF-8"),
        (b'{"a":NaN}', "line is not valid JSON"),
        (b'{"a":1,}', "line is not valid JSON"),
        (b"{'a':1}", "line is not valid JSON"),
        (b'{"a":01}', "line is not valid JSON"),
        (b'{"a":"\x01"}', "line is not valid JSON"),
        (b"\x0b{}", "line is not valid JSON"),
        (rb'{"a":"\ud800" 1}', "line is not valid JSON"),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "line is nested too deeply"),
    ],
)
def test_a_line_that_is_not_one_object_is_one_rejected_record(bad: bytes, message: str) -> None:
    data = b'{"a":1}\n\n{"a":2}\n' + bad + b'\n{"a":3}\n'
    lines, report = read_lines(data)
    assert lines == [b'{"a":1}', b'{"a":2}', b'{"a":3}']
    assert rejects_of(report) == [(3, 17, message, bad)]
    assert (report.rows, report.end) == (3, len(data))


def test_the_row_of_a_reject_counts_from_the_split_and_its_byte_from_the_file() -> None:
    data = b'{"a":1}\n{"a":2}\n{"a":3}\nx\n y\r\n{"a":4}\nz'
    lines, report = read_lines(data, split=Split(remote(data), 1, 8, len(data)))
    assert lines == [b'{"a":2}', b'{"a":3}', b'{"a":4}']
    assert rejects_of(report) == [
        (3, 24, "line is not valid JSON", b"x"),
        (4, 26, "line is not valid JSON", b" y\r"),
        (6, 38, "line is not valid JSON", b"z"),
    ]


def test_a_carriage_return_is_a_blank_within_a_record() -> None:
    lines, report = read_lines(b'{"a":\r1,\r\n"b":2}\r\n{"a" :\r\t1,"b":"\\r"}\r\n')
    assert lines == [b'{"a":1,"b":2}', b'{"a" :1,"b":"\\r"}']
    assert rejects_of(report) == []


def test_zero_bytes_between_records_are_passed_over_with_a_warning() -> None:
    data = b'{"a":1}\0\n\0\0\n\0{"a":2}' + b"\0" * 200_000
    lines, report = read_lines(data)
    assert lines == [b'{"a":1}', b'{"a":2}']
    assert rejects_of(report) == []
    assert list(report.warnings.values()) == [4]
    assert report.end == len(data)


def test_a_reject_keeps_the_beginning_of_its_line() -> None:
    assert read_lines(b"x" * 100_000 + b"\n{}")[1].rejects.first[0].raw == b"x" * 65536


@pytest.mark.parametrize("half", [rb"\ud800", rb"\uDFFF", rb"\ud800\ud800", rb"\ud800x\udc00"])
def test_half_a_surrogate_pair_passes_with_a_warning(half: bytes) -> None:
    line = b'{"a":"' + half + b'"}'
    lines, report = read_lines(line + b'\n{"a":1}\n')
    assert lines == [line, b'{"a":1}']
    assert report.warnings == {"line escapes half of a surrogate pair": 1}


def test_keys_that_the_envelope_adds_are_taken_out_of_their_line_alone() -> None:
    lines, _ = read_lines(
        b'{"_ab_source_file_url":"x", "a" : 1.10,"_ab_source_file_last_modified":[1]}\n'
        b'{"a" : "_ab_source_file_url"}\n'
        b'{"b" : {"_ab_source_file_url":"kept"}}\n'
        b'{"_ab_source_file_url":"x"}\n'
    )
    assert lines == [
        b'{"a":1.10}',
        b'{"a" : "_ab_source_file_url"}',
        b'{"b" : {"_ab_source_file_url":"kept"}}',
        b"{}",
    ]


# Splits


def test_a_line_belongs_to_the_split_in_which_its_first_byte_lies() -> None:
    data = b'{"a":1}\n{"a":2}\n{"a":3}\n'
    file = remote(data)
    found = []
    for start, end in [(0, 1), (1, 8), (8, 9), (9, 24)]:
        lines, report = read_lines(data, split=Split(file, 0, start, end))
        found.append((lines, report.start, report.end))
    assert found == [
        ([b'{"a":1}'], 0, 8),
        ([], 8, 8),
        ([b'{"a":2}'], 8, 16),
        ([b'{"a":3}'], 16, 24),
    ]


def test_a_split_known_to_begin_at_a_record_does_not_search_for_one() -> None:
    data = b'xx{"a":1}\n{"a":2}\n'
    lines, report = read_lines(data, split=Split(remote(data), 0, 2, 9, at_record=True))
    assert (lines, report.start, report.end) == ([b'{"a":1}'], 2, 10)


def test_a_split_inside_the_last_line_is_empty_and_ends_with_the_file() -> None:
    data = b'{"a":1}\n{"a":2}'
    lines, report = read_lines(data, split=Split(remote(data), 1, 10, 15))
    assert (lines, report.start, report.end) == ([], 15, 15)


def test_a_file_shorter_than_listed_ends_where_it_ends() -> None:
    data = b'{"a":1}\n'
    longer = replace(remote(data), size_bytes=100)
    _, report = read_lines(data, split=Split(longer, 0, 0, 100))
    assert report.end == 8


class Trickle(io.BytesIO):
    """A stream that returns fewer bytes than asked for, as a raw one may."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size, 3) if size and size > 0 else size)


def test_short_reads_change_nothing() -> None:
    data = b'{"a":1}\n{"long":"' + b"x" * 50 + b'"}\n{"a":3}'
    report = SplitReport()
    batches: Iterator[object] = JSONL.read_records(Trickle(data), whole(data), None, report)
    lines = [line for batch in batches if isinstance(batch, JsonLines) for line in batch.lines]
    assert lines == data.split(b"\n")
    assert report.end == len(data)


def test_pieces_are_bounded_and_keep_the_order() -> None:
    records = [b'{"n":%d,"pad":"%s"}' % (n, b"x" * 200) for n in range(5000)]
    data = b"\n".join(records)
    report = SplitReport()
    batches = [b for b in JSONL.read_records(io.BytesIO(data), whole(data), None, report) if isinstance(b, JsonLines)]
    assert [line for batch in batches for line in batch.lines] == records
    assert 4 <= len(batches) <= 20
    assert max(sum(map(len, batch.lines)) for batch in batches) <= 512 * 1024


# Records that are too long


@pytest.mark.parametrize("end", [b"", b"\n", b"\n{}\n"])
def test_a_record_may_be_as_long_as_the_limit_and_no_longer(end: bytes) -> None:
    fmt = JsonlFormat(JsonlConfig(), max_record_bytes=20)
    fits = b'{"a":"' + b"x" * 12 + b'"}'
    assert len(fits) == 20
    rest = [b"{}"] * end.count(b"{}")
    assert read_lines(b'{"b":1}\n' + fits + end, fmt=fmt)[0] == [b'{"b":1}', fits, *rest]
    longer = fits.replace(b"x", b"xx", 1)
    lines, report = read_lines(b'{"b":1}\n' + longer + end, fmt=fmt)
    assert lines == [b'{"b":1}', *rest]
    assert rejects_of(report) == [(2, 8, "line is longer than the limit", longer)]


@pytest.mark.parametrize("end", [b"", b"\n", b'\n{"c":1}\n'])
def test_a_line_that_is_not_held_is_passed_over(end: bytes) -> None:
    fmt = JsonlFormat(JsonlConfig(), max_record_bytes=100_000)
    data = b'{"b":1}\n{"a":"' + b"x" * 1_000_000 + end
    for bounds in ([0, len(data)], [0, 4, 50, 500_000, 900_000, len(data)]):
        lines: list[bytes] = []
        rejected: list[tuple[int | None, str, bytes | None]] = []
        position = 0
        for ordinal, (start, stop) in enumerate(itertools.pairwise(bounds)):
            split = Split(remote(data), ordinal, start, stop)
            found, report = read_lines(data, fmt, split)
            if report.start != position:
                found, report = read_lines(data, fmt, split.restarted_at(position))
            assert report.start == position
            lines += found
            position = report.end
            rejected += [(byte, reason, raw) for _, byte, reason, raw in rejects_of(report)]
        assert lines == [b'{"b":1}', *([b'{"c":1}'] * end.count(b"c"))]
        assert rejected == [(8, "line is longer than the limit", data[8:65544])]
        assert position == len(data)


def test_a_huge_line_is_given_up_on_without_being_read_to_its_end() -> None:
    fmt = JsonlFormat(JsonlConfig(), max_record_bytes=100_000)
    data = b'{"b":1}\n{"a":"' + b"x" * 10_000_000
    stream = io.BytesIO(data)
    report = SplitReport()
    with pytest.raises(MalformedRecordError) as caught:
        list(fmt.read_records(stream, whole(data), None, report))
    assert (caught.value.message, caught.value.row, caught.value.byte) == ("line is longer than the limit", 2, 8)
    assert report.rows == 1
    assert stream.tell() < 2_500_000
    assert list(fmt.read_records(stream, Split(remote(data), 1, 5_000_000, 6_000_000), None, report)) == []
    assert stream.tell() < 6_000_000
    assert report.start == report.end < 6_000_000


# Inference for the protocol


def test_json_types_are_those_of_the_values_and_merge_over_the_sample() -> None:
    data = b"\n".join(
        [
            rb'{"i":1,"n":1,"s":"1","b":true,"o":{"x":1},"a":[1],"z":null,"big":123456789012345678901234567890}',
            rb'{"i":-2,"n":1e3,"s":2,"b":false,"o":{},"a":[],"late":null,"mixed":[1]}',
            rb'{"late":true,"mixed":{"a":1},"bi":true,"d":"2024-01-01"}',
            rb'{"bi":1}',
        ]
    )
    assert list(JSONL.infer_json_schema(io.BytesIO(data), remote(data)).items()) == [
        ("i", {"type": "integer"}),
        ("n", {"type": "number"}),
        ("s", {"type": "string"}),
        ("b", {"type": "boolean"}),
        ("o", {"type": "object"}),
        ("a", {"type": "array"}),
        ("z", {"type": "null"}),
        ("big", {"type": "integer"}),
        ("late", {"type": "boolean"}),
        ("mixed", {"type": "string"}),
        ("bi", {"type": "integer"}),
        ("d", {"type": "string"}),
    ]


def test_inference_reads_a_bounded_sample_of_whole_lines() -> None:
    data = b'{"a":"' + b"x" * 600_000 + b'"}\n' + b'{"b":"' + b"x" * 600_000 + b'"}\n{"c":1}\n'
    assert list(JSONL.infer_json_schema(io.BytesIO(data), remote(data))) == ["a", "b"]


def test_inference_passes_over_rejected_records() -> None:
    data = b'x\n{"a":1}\nx\n{"b":1}\n'
    assert JSONL.infer_json_schema(io.BytesIO(data), remote(data)) == {
        "a": {"type": "integer"},
        "b": {"type": "integer"},
    }
    with pytest.raises(MalformedRecordError) as caught:
        JSONL.infer_json_schema(io.BytesIO(b"\nx\n{"), remote(b"\nx\n{"))
    assert (caught.value.message, caught.value.row, caught.value.byte) == ("line is not valid JSON", 1, 1)
    assert JSONL.infer_json_schema(io.BytesIO(b""), remote(b"")) == {}


def test_the_format_survives_pickling() -> None:
    fmt = JsonlFormat(JsonlConfig(), split_bytes=7)
    assert pickle.loads(pickle.dumps(fmt)) == fmt
