"""Whatever files hold: what is read of them together is what is read of each alone, of which there is nothing to say."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.config import CsvConfig, StreamConfig
from file_cdk.core.errors import FileCdkError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.joining import Joined, WholeFile, joining_format
from file_cdk.core.ports import SplitReport
from file_cdk.formats.registry import format_for
from file_cdk.protocol.record_encoding import RecordEncoder

CONFIG = CsvConfig()
PIECES = ['"', ",", ",,", "\n", "\r", "\r\n", "a", "1", "é", "\ufeff", "\x00", "\x1f", " "]
BODIES = st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), min_size=1, max_size=5)
BYTES = st.sampled_from([b"", b"\xff", b"\xc3"])
SCHEMAS = st.sampled_from(
    [{}, {"a": {"type": "string"}}, {"a": {"type": "integer"}, "b": {"type": "string"}}, {"a": {"type": "number"}}]
)
HEADERS = st.sampled_from(["a\n", "a,b\n", "a,b\r\n", '"a",b\n', "a,\n", "\n", "a,a\n"])


@settings(max_examples=300)
@given(HEADERS, BODIES, BYTES, SCHEMAS)
def test_files_together_are_each_file_alone(
    header: str, bodies: list[str], last: bytes, schema: dict[str, Any]
) -> None:
    data = [f"{header}{body}".encode() for body in bodies]
    data[-1] += last
    files = [
        WholeFile(RemoteFile(f"f{number}", len(each), datetime(2024, 1, 1, tzinfo=UTC)), each)
        for number, each in enumerate(data)
    ]
    joins = joining_format(format_for(CONFIG, StreamConfig(name="s", format=CONFIG)))
    assert joins is not None
    joined = joins.join_records(files, schema)
    if not isinstance(joined, Joined):
        assert 1 <= joined <= len(files)
        return
    read = files[: len(joined.rows)]
    expected = [alone(each, schema, joined.warnings) for each in read]
    assert joined.rows == tuple(line.count(b"\n") for line in expected)
    text = RecordEncoder("s").encode_joined(joined.batch, [each.file for each in read], joined.rows, 7)
    assert text == b"".join(expected)


def alone(whole: WholeFile, schema: dict[str, Any], warnings: tuple[str, ...]) -> bytes:
    """Raises AssertionError where there is anything else to say of the file than these warnings of every record."""
    file_format = format_for(CONFIG, StreamConfig(name="s", format=CONFIG))
    report = SplitReport()
    split = Split(whole.file, 0, 0, whole.file.size_bytes)
    try:
        batches = list(file_format.read_records(BytesIO(whole.data), split, schema, report))
    except FileCdkError as exc:
        raise AssertionError("it cannot be read") from exc
    assert report.warnings == (dict.fromkeys(warnings, report.rows) if report.rows else {})
    assert not report.skipped
    assert not report.rejects.first
    assert report.end == whole.file.size_bytes
    return b"".join(RecordEncoder("s").encode(batch, whole.file, 1, 7) for batch in batches)
