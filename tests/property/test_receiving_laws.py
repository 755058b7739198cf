"""Laws of receiving: lines decoded together are what each is alone, and what Python's own parser finds in them, whatever order
their members have and however the bytes come; and records become the columns that a file of their data would become."""

import io
import json
from array import array
from typing import Any
from unittest.mock import patch

import pyarrow as pa
from file_builders import whole as whole_split
from format_settings import JSONL
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from file_cdk.core.errors import TypeMismatchError
from file_cdk.core.ports import SplitReport
from file_cdk.pipeline.receiving.columns import DecodedRecords, RecordDecoder, Widening
from file_cdk.protocol.receiving import receive as receiving
from file_cdk.protocol.receiving.events import Event, LinePassedOver, Records, StateReceived, StreamDescriptor
from file_cdk.protocol.receiving.messages import decode_together
from file_cdk.protocol.receiving.receive import receive

STREAMS = [StreamDescriptor("a"), StreamDescriptor("b"), StreamDescriptor("a", "n")]

texts = st.text(st.sampled_from('aé"\\{}\n,:\0\u2028😀'), max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
data = st.dictionaries(texts, values, max_size=3)
times = st.integers(0, 2**41)


@st.composite
def shuffled(draw: st.DrawFn, members: dict[str, Any]) -> dict[str, Any]:
    return dict(draw(st.permutations(list(members.items()))))


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    stream = draw(st.sampled_from(STREAMS))
    members: dict[str, Any] = {"stream": stream.name, "data": draw(data), "emitted_at": draw(times)}
    if stream.namespace is not None or draw(st.booleans()):
        members["namespace"] = stream.namespace
    if draw(st.integers(0, 5)) == 0:
        members["meta"] = draw(st.sampled_from([None, {}, {"changes": [{"field": "x"}]}, {"changes": []}]))
    if draw(st.integers(0, 5)) == 0:
        members[draw(st.sampled_from(["type", "trace", "extra"]))] = draw(values)
    return draw(shuffled({"type": "RECORD", "record": draw(shuffled(members))}))


others = st.sampled_from(
    [
        {"type": "LOG", "log": {"level": "INFO", "message": "}\n{"}},
        {"type": "STATE", "state": {"data": {"x": 1}}},
        {"type": "STATE", "state": {"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}}}},
        {"type": "CONTROL", "record": 5},
    ]
)
separators = st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : "), (",\r", ":")])


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line with a message, mostly: now and then it lacks something, or has too much."""
    message = draw(st.one_of(records(), records(), records(), others))
    line = json.dumps(message, ensure_ascii=draw(st.booleans()), separators=draw(separators)).encode()
    if draw(st.integers(0, 15)) == 0:
        at = draw(st.integers(0, len(line)))
        line = (
            line[:at]
            + draw(st.sampled_from([b"", b"}", b"{", b" ", b'"', b"\xff", b"\\ud800", b"{}"]))
            + line[at + 1 :]
        )
    return line


pieces = st.lists(st.tuples(lines(), st.sampled_from([b"\n"] * 8 + [b"\r\n", b" \n", b"\n\n"])), max_size=8).map(
    lambda pairs: b"".join(line + end for line, end in pairs)
)


def answered(decoder: RecordDecoder, records: Records) -> DecodedRecords:
    """For a table that holds whatever is asked for."""
    for found in decoder.decode(records):
        if isinstance(found, Widening):
            found.answer(found.columns)
        else:
            return found
    raise AssertionError("no records came")


def events(text: bytes) -> list[Event]:
    return list(receive(io.BytesIO(text), lenient=True))


def one_by_one(found: list[Event]) -> dict[Any, list[Any]]:
    """What became of the lines, of each stream in order; all that is not a record in one order of its own, STATE among the
    records as well."""
    seen: dict[Any, list[Any]] = {}
    for each in found:
        if isinstance(each, Records):
            rows = each.data.split(b"\n")
            assert len(rows) == each.rows == len(each.emitted_at_ms)
            changes = [each.changes.get(index) for index in range(each.rows)]
            seen.setdefault(each.stream, []).extend(zip(rows, each.emitted_at_ms, changes, strict=True))
        elif isinstance(each, LinePassedOver):
            seen.setdefault("refused", []).append(each)
        else:
            seen.setdefault("others", []).append(each)
        if isinstance(each, StateReceived):
            for stream in STREAMS:
                seen.setdefault(stream, []).append(each)
    return seen


@settings(max_examples=60)
@given(pieces)
@example(b'{"type":\n"LOG"}{"type":"LOG"}\n')
@example(b'{"type":"LOG","x":{}\n,"y":{}}{"type":"LOG"}\n')
@example(b'{"type":"LOG"}\n{"type":"LOG"}{"type":"LOG"}\n\n')
@example(b'{"type":"RECORD","record":{"stream":"a","data":{"x":"\\ud800"},"emitted_at":1}}\n')
def test_lines_decoded_together_are_what_each_is_alone(text: bytes) -> None:
    together = events(text)
    with patch.object(receiving, "decode_together", lambda *_: None):
        alone = events(text)
    event(f"together: {decode_together(text, text.splitlines()) is not None}")
    assert one_by_one(together) == one_by_one(alone)


@settings(max_examples=60)
@given(pieces, st.integers(1, 40))
def test_how_the_bytes_come_makes_no_difference(text: bytes, size: int) -> None:
    class Trickle(io.BytesIO):
        def read1(self, _: int | None = -1, /) -> bytes:
            return super().read1(size)

    with patch.object(receiving, "pieces", lambda source, limit: _small_pieces(source, limit, size)):
        parts = list(receive(Trickle(text), lenient=True))
    assert one_by_one(parts) == one_by_one(events(text))


def _small_pieces(source: Any, limit: int, size: int) -> Any:
    from file_cdk.protocol.receiving import lines as module

    with patch.object(module, "PIECE_BYTES", size):
        yield from module.pieces(source, limit)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.one_of(records(), others), separators, st.booleans()), max_size=12))
def test_messages_are_what_python_finds_in_them(messages: list[tuple[dict[str, Any], Any, bool]]) -> None:
    text = b"\n".join(
        json.dumps(message, ensure_ascii=ascii_only, separators=separator).encode()
        for message, separator, ascii_only in messages
    )
    expected: dict[StreamDescriptor, list[tuple[Any, int]]] = {}
    for message, _, _ in messages:
        if message["type"] == "RECORD":
            record = message["record"]
            stream = StreamDescriptor(record["stream"], record.get("namespace"))
            expected.setdefault(stream, []).append((record["data"], record["emitted_at"]))
    found: dict[StreamDescriptor, list[tuple[Any, int]]] = {}
    states = 0
    for each in events(text):
        assert not isinstance(each, LinePassedOver)
        states += isinstance(each, StateReceived)
        if isinstance(each, Records):
            rows = map(json.loads, each.data.split(b"\n"))
            found.setdefault(each.stream, []).extend(zip(rows, each.emitted_at_ms, strict=True))
    assert found == expected
    assert states == sum(message["type"] == "STATE" for message, _, _ in messages)


@settings(max_examples=60)
@given(st.lists(data, min_size=1, max_size=30))
def test_records_become_the_columns_of_a_file_of_their_data(rows: list[dict[str, Any]]) -> None:
    text = "\n".join(map(json.dumps, rows)).encode()
    record = Records(STREAMS[0], 1, len(rows), text, array("q", [0] * len(rows)))
    decoder = RecordDecoder(STREAMS[0], pa.schema([]))
    found = answered(decoder, record).batch
    assert found.schema == decoder.schema
    assert found == _of_file(text)


def _of_file(text: bytes) -> pa.RecordBatch:
    """As a file becomes a table: begun anew with wider columns until all values fit."""
    schema = pa.schema([])
    while True:
        try:
            [batch] = JSONL.read_table(io.BytesIO(text), whole_split(text), schema, SplitReport())
        except TypeMismatchError as error:
            types = {each.name: each.type for each in schema} | error.columns
            schema = pa.schema(list(types.items()))
        else:
            return batch
