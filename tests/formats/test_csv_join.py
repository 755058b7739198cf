"""Small CSV files read together give what each gives alone, or are left to be read alone."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest

from file_cdk.core.config import CsvConfig, StreamConfig
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.joining import Joined, WholeFile, joining_format
from file_cdk.core.ports import SplitReport
from file_cdk.formats.registry import format_for
from file_cdk.protocol.record_encoding import RecordEncoder

_AT = datetime(2024, 1, 1, tzinfo=UTC)


def whole(*texts: str | bytes) -> list[WholeFile]:
    data = [text.encode() if isinstance(text, str) else text for text in texts]
    return [
        WholeFile(RemoteFile(f"f{number}.csv", len(each), _AT + timedelta(seconds=number)), each)
        for number, each in enumerate(data)
    ]


def join(
    files: Sequence[WholeFile], schema: Mapping[str, Any] | None = None, config: CsvConfig | None = None
) -> Joined | int:
    config = config or CsvConfig()
    joins = joining_format(format_for(config, StreamConfig(name="s", format=config)))
    assert joins is not None
    return joins.join_records(files, schema or {})


def alone(each: WholeFile, schema: Mapping[str, Any] | None = None) -> bytes:
    config = CsvConfig()
    file_format = format_for(config, StreamConfig(name="s", format=config))
    split = Split(each.file, 0, 0, each.file.size_bytes)
    batches = file_format.read_records(BytesIO(each.data), split, schema or {}, SplitReport())
    return b"".join(RecordEncoder("s").encode(batch, each.file, 1, 7) for batch in batches)


def together(files: Sequence[WholeFile], schema: Mapping[str, Any] | None = None) -> bytes:
    joined = join(files, schema)
    assert isinstance(joined, Joined)
    assert len(joined.rows) == len(files)
    return RecordEncoder("s").encode_joined(joined.batch, [each.file for each in files], joined.rows, 7)


@pytest.mark.parametrize(
    "bodies",
    [
        ["1,x\n2,y\n", "3,z\n"],
        ["1,x", "3,z"],
        ["1,x\r\n2,y\r\n", "3,z\r\n"],
        ["1,x\r", "2,y\n"],
        ["", "1,x\n", ""],
        ["\n\n1,x\n\n", "\n", "2,y\n"],
        ['1,"a,\nb"\n', '2,"say ""so"""\n'],
        ['1,in"ch\n', "2,\u00e9\u20ac\U0001f600\n"],
        ["\ufeff1,x\n", "\ufeff2,y\n"],
        [",\n", '"",""\n'],
        ["1,\x01\x7f\u2028/\\\n", "2,<>&'\n"],
        ["", ""],
    ],
)
def test_files_together_give_what_each_gives_alone(bodies: list[str]) -> None:
    files = whole(*("a,b\n" + body for body in bodies))
    assert together(files) == b"".join(map(alone, files))


def test_byte_order_marks_are_those_of_each_file() -> None:
    files = whole("\ufeffa,b\n1,x\n", "\ufeffa,b\n2,y\n")
    assert together(files) == b"".join(map(alone, files))


def test_typed_values_are_those_of_each_file_alone() -> None:
    schema = {"a": {"type": "integer"}, "b": {"type": "number"}}
    files = whole("a,b\n1,2.50\n", "a,b\n-3,1e3\n")
    assert together(files, schema) == b"".join(alone(each, schema) for each in files)


@pytest.mark.parametrize(
    "bodies",
    [
        ['1,"x\n', '2,y"\n'],
        ['1,"x\n', ',,\n2,"y\n'],
        [',,\n1,"x\n', '2,"y\n'],
        ["1,x,z\n", "2,y\n"],
        ["1\n", "2,y\n"],
        [",,\r\n", "2,y\n"],
        ['1,"x,,\n"\n', "2,y\n"],
    ],
)
def test_what_is_uncertain_or_at_fault_is_left_to_be_read_alone(bodies: list[str]) -> None:
    assert join(whole(*("a,b\n" + body for body in bodies))) == len(bodies)


def test_bytes_that_are_no_text_are_left_to_be_read_alone() -> None:
    assert join(whole(b"a,b\n1,\xff\n", "a,b\n2,y\n")) == 2


@pytest.mark.parametrize("first", ["", "a,a\n1,2\n", "a,\n1,2\n", ",\n1,x\n", 'a,"b\n', "a,b"])
def test_a_first_file_of_whose_header_there_is_more_to_say_is_read_alone(first: str) -> None:
    assert join(whole(first, "a,b\n1,x\n")) == 1


def test_files_are_joined_as_long_as_their_headers_are_the_same() -> None:
    joined = join(whole("a,b\n1,x\n", "a,b\n2,y\n3,z\n", "a,c\n4,w\n"))
    assert isinstance(joined, Joined)
    assert joined.rows == (1, 2)


def test_a_compressed_file_ends_what_is_joined() -> None:
    joined = join(whole("a,b\n1,x\n", b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"))
    assert isinstance(joined, Joined)
    assert joined.rows == (1,)


def test_what_a_schema_leaves_out_is_told_with_the_records() -> None:
    joined = join(whole("a,b\n1,x\n", "a,b\n2,y\n"), {"a": {"type": "string"}})
    assert isinstance(joined, Joined)
    assert joined.rows == (1, 1)
    assert joined.warnings == ("column 'b' is not in the catalog's schema and is left out",)
    assert joined.batch.schema.names == ["a"]


def test_records_that_go_out_whole_keep_their_nulls() -> None:
    config = CsvConfig(null_values=frozenset({"NULL"}))
    file_format = format_for(config, StreamConfig(name="s", format=config))
    joins = joining_format(file_format)
    assert joins is not None
    files = whole("a,b\nNULL,x\n", "a,b\n2,NULL\n")
    joined = joins.join_records(files, None)
    assert isinstance(joined, Joined)
    encoder = RecordEncoder("s", schemaless=True)
    expected = []
    for each in files:
        split = Split(each.file, 0, 0, each.file.size_bytes)
        batches = file_format.read_records(BytesIO(each.data), split, None, SplitReport())
        expected += [encoder.encode(batch, each.file, 1, 7) for batch in batches]
    assert b'"a":null' in expected[0]
    assert encoder.encode_joined(joined.batch, [each.file for each in files], joined.rows, 7) == b"".join(expected)


def test_values_that_do_not_cast_are_told_of_each_file_alone() -> None:
    schema = {"a": {"type": "integer"}, "b": {"type": "string"}}
    assert join(whole("a,b\n1,x\n", "a,b\nmany,y\n"), schema) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"comment_char": "#"},
        {"skip_rows_at_end": 1},
        {"encoding": "utf-16"},
        {"encoding": "latin-1"},
        {"escape_char": "\\"},
        {"delimiter": "||"},
        {"header_definition": {"header_definition_type": "Autogenerated"}},
    ],
)
def test_dialects_that_arrow_does_not_read_as_they_are_join_nothing(options: dict[str, Any]) -> None:
    config = CsvConfig(**options)
    assert joining_format(format_for(config, StreamConfig(name="s", format=config))) is None


def test_columns_of_paths_join_nothing() -> None:
    config = CsvConfig()
    stream = StreamConfig(name="s", format=config, path_partitions=True)
    assert joining_format(format_for(config, stream)) is None
