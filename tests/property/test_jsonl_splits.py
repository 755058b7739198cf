"""Law: however a JSON Lines file is cut, its splits hold its lines in order, each once, and the cuts leave no byte out."""

import io
import itertools
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.config import JsonlConfig
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.jsonl import JsonlFormat

JSONL = JsonlFormat(JsonlConfig())

lines = st.sampled_from(
    [
        b"",
        b" ",
        b"{}",
        b'{"a":1}',
        b'{"a":"x\\ny"}\r',
        b' {"a":[1, 2]}',
        '{"ü":"é"}'.encode(),
        b'{"long":"' + b"x" * 40 + b'"}',
    ]
)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, list[int]]:
    """A file, and where it is cut, both ends included."""
    data = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + b"\n".join(draw(st.lists(lines, max_size=12)))
    if draw(st.booleans()):
        data += b"\n"
    cuts = draw(st.one_of(st.just(set(range(len(data)))), st.sets(st.integers(0, len(data)), max_size=6)))
    return data, sorted(cuts | {0, len(data)})


@given(files())
@settings(deadline=None)
def test_any_cut_gives_the_lines_of_the_file(drawn: tuple[bytes, list[int]]) -> None:
    data, cuts = drawn
    file = RemoteFile("a.jsonl", len(data), datetime(2024, 1, 1, tzinfo=UTC))
    found: list[bytes] = []
    expected_start = 0
    for ordinal, (start, end) in enumerate(itertools.pairwise(cuts)):
        report = SplitReport()
        rows = 0
        for batch in JSONL.read_records(io.BytesIO(data), Split(file, ordinal, start, end), None, report):
            assert isinstance(batch, JsonLines)
            found += batch.lines
            rows += batch.num_rows
        assert report.rows == rows
        assert report.start == expected_start
        assert report.end >= report.start
        expected_start = report.end
    if len(cuts) > 1:
        assert expected_start == len(data)
    stripped = (line.strip() for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"))
    assert found == [line for line in stripped if line]
