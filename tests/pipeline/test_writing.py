"""Messages of the protocol into real databases, and the states that come back."""

import json
import sqlite3
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from destination_duckdb.destination import connector as to_duckdb
from destination_files.destination import connector as to_files
from destination_sqlite.destination import connector as to_sqlite

from file_cdk.core.connector import DestinationConnector
from file_cdk.core.errors import ConfigError, FileCdkError, InvalidMessageError
from file_cdk.destinations.files.folder import Folder
from file_cdk.destinations.files.manifest import latest
from file_cdk.destinations.sqlite.destination import SqliteDestination
from file_cdk.pipeline.receiving.columns import DecodedRecords
from file_cdk.pipeline.receiving.worker import decoded
from file_cdk.pipeline.writing.ahead import events_or_silence
from file_cdk.pipeline.writing.commands import check, specification, write_records
from file_cdk.pipeline.writing.write import IncompleteError, WriteLimits, Writing
from file_cdk.protocol.receiving.events import StateReceived, StreamDescriptor
from file_cdk.protocol.written_streams import parse_written_catalog

Message = Mapping[str, Any]
CONNECTORS = {"duckdb": to_duckdb, "sqlite": to_sqlite, "files": to_files}


def record(number: int, stream: str = "users", namespace: str | None = None, **data: Any) -> Message:
    of = {"stream": stream, "data": {"id": number, **data}, "emitted_at": 1_700_000_000_000 + number}
    return {"type": "RECORD", "record": of if namespace is None else {**of, "namespace": namespace}}


def state(at: int, stream: str = "users", namespace: str | None = None) -> Message:
    of = {"stream_descriptor": {"name": stream, "namespace": namespace}, "stream_state": {"at": at}}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": of}}


def global_state(at: int, *streams: str) -> Message:
    of = [{"stream_descriptor": {"name": name}, "stream_state": {"at": at}} for name in streams]
    return {"type": "STATE", "state": {"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": of}}}


def complete(stream: str = "users", namespace: str | None = None) -> Message:
    of = {"stream_descriptor": {"name": stream, "namespace": namespace}, "status": "COMPLETE"}
    return {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": of}}


def configured(*names: str, mode: str = "append", namespace: str | None = None, **members: Any) -> dict[str, Any]:
    streams: list[dict[str, Any]] = [
        {"name": name, "namespace": namespace, "json_schema": {}} for name in names or ("users",)
    ]
    return {
        "streams": [
            {"stream": each, "sync_mode": "incremental", "destination_sync_mode": mode, **members} for each in streams
        ]
    }


def lines_of(*messages: Message | bytes) -> bytes:
    return b"".join(m if isinstance(m, bytes) else json.dumps(m).encode() + b"\n" for m in messages)


class Writer:
    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.path = folder / {"duckdb": "t.duckdb", "sqlite": "t.sqlite", "files": "lake"}[kind]
        self._out = folder / "out"

    @property
    def connector(self) -> DestinationConnector:
        return CONNECTORS[self.kind]

    def write(self, catalog: Any, *messages: Message | bytes, lenient: bool = False) -> list[Any]:
        """The messages that come back."""
        with self._out.open("wb") as out:
            config = {"destination_path": str(self.path)}
            events = partial(decoded, BytesIO(lines_of(*messages)))
            write_records(self.connector, config, catalog, events, out.fileno(), lenient=lenient)
        return self.handed_back()

    def fails(self, error: type[FileCdkError], catalog: Any, *messages: Message | bytes) -> str:
        with pytest.raises(error) as raised:
            self.write(catalog, *messages)
        return str(raised.value)

    def handed_back(self) -> list[Any]:
        return [json.loads(line) for line in self._out.read_bytes().splitlines()]

    def rows(self, columns: str = "id", table: str = "users") -> list[tuple[Any, ...]]:
        source = f'"{table}"' if self.kind != "files" else f"read_parquet({self._parquet(table)}, union_by_name = true)"
        sql = f"SELECT {columns} FROM {source} ORDER BY id, _airbyte_raw_id"
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.path)) as db:
                return db.execute(sql).fetchall()
        with duckdb.connect(str(self.path) if self.kind == "duckdb" else ":memory:") as database:
            return database.execute(sql).fetchall()

    def is_empty(self, columns: str) -> bool:
        """Whether there is such a table, without rows; a folder names no table that has no files."""
        if self.kind == "files":
            return latest(Folder(str(self.path))).tables.get("users", ()) == ()
        return self.rows(columns) == []

    def types(self) -> dict[str, str]:
        with duckdb.connect(str(self.path)) as database:
            described = database.execute("DESCRIBE users").fetchall()
        return {name: kind for name, kind, *_ in described}

    def _parquet(self, table: str) -> list[str]:
        return [str(self.path / each.path) for each in latest(Folder(str(self.path))).tables[table]]


@pytest.fixture(params=list(CONNECTORS))
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Writer:
    return Writer(request.param, tmp_path)


@pytest.fixture
def in_duckdb(tmp_path: Path) -> Writer:
    return Writer("duckdb", tmp_path)


def test_records_are_rows_and_states_come_back_in_order(writer: Writer) -> None:
    messages = [record(1), record(2), state(2), record(3), state(3), complete()]
    assert writer.write(configured(), *messages) == [state(2), state(3)]
    assert writer.rows() == [(1,), (2,), (3,)]
    writer.write(configured(), record(4), state(4), complete())
    assert writer.rows() == [(1,), (2,), (3,), (4,)]


def test_states_whose_records_came_together_are_handed_back_together(tmp_path: Path) -> None:
    handed_back: list[list[int]] = []

    def hand_back(states: Sequence[StateReceived]) -> None:
        handed_back.append([each.line for each in states])

    destination = SqliteDestination(tmp_path / "t.sqlite")
    destination.open()
    with closing(destination):
        streams = parse_written_catalog(configured())
        writing = Writing(destination, streams, hand_back, lambda _: None, WriteLimits(seconds=0, rows=1))
        text = lines_of(record(1), state(1), record(2), state(2), complete())
        writing.run(decoded(BytesIO(text), writing.begin()))
    assert handed_back == [[2, 4]]


def test_rows_of_a_whole_state_are_written_before_those_of_a_partial_one(tmp_path: Path) -> None:
    partial_state = json.loads(json.dumps(state(1)))
    partial_state["state"]["file_cdk"] = {"partial": True}
    reached: list[list[tuple[bool, int]]] = []
    destination = SqliteDestination(tmp_path / "t.sqlite")
    destination.open()
    with closing(destination):
        limits = WriteLimits(seconds=60, rows=1_000)
        writing = Writing(destination, parse_written_catalog(configured()), lambda _: None, lambda _: None, limits)
        users = StreamDescriptor("users")
        writing.reached = lambda states: reached.append(
            [(each.is_partial, writing.writers[users].last_unit) for each in states]
        )
        order = writing.begin()
        pieces = (record(1), state(1), record(2)), (partial_state, record(3)), (partial_state, complete())
        texts = (lines_of(*piece) for piece in pieces)
        writing.run(event for text in texts for event in decoded(BytesIO(text), order))
    assert reached == [[(False, 1)], [(True, 2), (True, 2)]]


def test_a_source_that_is_faster_waits() -> None:
    batch = pa.record_batch({"text": ["x" * (8 << 20)]})
    asked: list[int] = []

    def coming() -> Iterator[DecodedRecords]:
        for number in range(20):
            asked.append(number)
            yield DecodedRecords(StreamDescriptor("users"), 1, batch, array("q", [1]))

    taken = 0
    for _ in events_or_silence(coming(), 60):
        taken += 1
        assert len(asked) <= taken + 5
    assert taken == 20


def test_a_state_is_handed_back_as_the_bytes_that_came(in_duckdb: Writer, tmp_path: Path) -> None:
    odd = b'{ "type":"STATE", "extra":[1,2.50], "state":{"type":"LEGACY","data":{"users":{"n":1.0}}}}'
    in_duckdb.write(configured(), record(1), odd + b"\n", complete())
    assert (tmp_path / "out").read_bytes() == odd + b"\n"


def test_every_record_gets_the_columns_of_the_protocol(in_duckdb: Writer) -> None:
    change = {"field": "x", "change": "NULLED", "reason": "SOURCE_FIELD_SIZE_LIMITATION"}
    changed = json.loads(json.dumps(record(2)))
    changed["record"]["meta"] = {"changes": [change]}
    catalog = configured(generation_id=4, minimum_generation_id=0, sync_id=17)
    in_duckdb.write(catalog, record(1), changed, complete())
    columns = "_airbyte_raw_id, epoch_ms(_airbyte_extracted_at), _airbyte_meta, _airbyte_generation_id, _file_url"
    first, second = in_duckdb.rows(columns)
    assert first[0] != second[0]
    assert len(first[0]) == 36
    assert [first[1], second[1]] == [1_700_000_000_001, 1_700_000_000_002]
    assert json.loads(first[2]) == {"sync_id": 17, "changes": []}
    assert json.loads(second[2]) == {"sync_id": 17, "changes": [change]}
    assert first[3:] == (4, "airbyte:generation=4/sync=17/unit=000000000001")


def test_columns_grow_with_the_records(writer: Writer) -> None:
    writer.write(configured(), record(1, n=1), state(1), complete())
    writer.write(configured(), record(2, n="two", more=True), state(2), complete())
    assert writer.rows("id, n") == [(1, "1"), (2, "two")]


def test_the_input_ends_early_and_what_states_stand_for_is_kept(writer: Writer) -> None:
    message = writer.fails(IncompleteError, configured(), record(1), state(1), record(2))
    assert "'users'" in message
    assert writer.handed_back() == [state(1)]
    assert writer.rows() == [(1,)]


def test_a_line_that_is_no_message_ends_the_run(writer: Writer) -> None:
    message = writer.fails(
        InvalidMessageError, configured(), record(1), state(1), record(2), b"oops secret\n", state(2)
    )
    assert "line 4" in message
    assert "secret" not in message
    assert writer.handed_back() == [state(1)]
    assert writer.rows() == [(1,)]


def test_a_line_that_is_no_message_may_be_passed_over(in_duckdb: Writer) -> None:
    assert in_duckdb.write(configured(), record(1), b"oops\n", state(1), complete(), lenient=True) == [state(1)]
    assert in_duckdb.rows() == [(1,)]


def test_a_state_of_one_stream_and_a_state_of_all(writer: Writer) -> None:
    catalog = configured("users", "orders")
    messages = [record(1), record(1, "orders"), state(1), record(2), record(2, "orders")]
    writer.fails(IncompleteError, catalog, *messages, global_state(2, "users", "orders"), record(3, "orders"))
    assert writer.handed_back() == [state(1), global_state(2, "users", "orders")]
    assert writer.rows() == writer.rows(table="orders") == [(1,), (2,)]


def test_what_no_state_of_its_stream_stands_for_goes_again(in_duckdb: Writer) -> None:
    catalog = configured("users", "orders")
    in_duckdb.fails(IncompleteError, catalog, record(1), record(1, "orders"), state(1))
    assert in_duckdb.rows() == [(1,)]
    assert in_duckdb.rows(table="orders") == []


@pytest.mark.parametrize("pieces", [1, 5])
def test_what_came_between_states_of_other_streams_is_of_the_next_of_its_own(tmp_path: Path, pieces: int) -> None:
    """A source that reads streams at once tells of each when that is due."""
    messages = [record(1), state(1), record(2), record(1, "orders"), state(1, "orders")]
    writer = Writer("sqlite", tmp_path)
    destination = SqliteDestination(writer.path)
    destination.open()
    reached: dict[str, int] = {}
    with closing(destination):
        writing = Writing(
            destination, parse_written_catalog(configured("users", "orders")), lambda _: None, lambda _: None
        )

        def reach(states: Sequence[StateReceived]) -> None:
            for each in states:
                reached[each.streams[0].name] = writing.writers[each.streams[0]].last_unit

        writing.reached = reach
        order = writing.begin()
        texts = [lines_of(*messages)] if pieces == 1 else [lines_of(each) for each in messages]
        with pytest.raises(IncompleteError):
            writing.run(event for text in texts for event in decoded(BytesIO(text), order))
    assert reached == {"users": 1, "orders": 1}
    assert writer.rows() == writer.rows(table="orders") == [(1,)]


def test_within_a_group_nothing_is_handed_back(tmp_path: Path) -> None:
    """Between its states there may be records of other streams, for which room has to be made."""
    handed_back: list[tuple[list[int], int]] = []
    destination = SqliteDestination(tmp_path / "t.sqlite")
    destination.open()
    users = StreamDescriptor("users")
    with closing(destination):
        streams = parse_written_catalog(configured("users", "orders"))
        limits = WriteLimits(seconds=60, rows=1_000, size_bytes=1)
        writing = Writing(
            destination,
            streams,
            lambda states: handed_back.append(([each.line for each in states], writing.writers[users].last_unit)),
            lambda _: None,
            limits,
        )
        messages = [record(1), state(1), record(1, "orders"), record(2), state(2), complete(), complete("orders")]
        writing.run(decoded(BytesIO(lines_of(*messages)), writing.begin()))
    assert handed_back == [([2, 5], 1)]


def test_a_stream_has_a_table_of_its_namespace(in_duckdb: Writer) -> None:
    catalog = configured("users", namespace="shop")
    in_duckdb.write(catalog, record(1, namespace="shop"), state(1, namespace="shop"), complete(namespace="shop"))
    assert in_duckdb.rows(table="shop_users") == [(1,)]
    message = in_duckdb.fails(ConfigError, configured("shop_users"), record(1, "shop_users"))
    assert "shop_users" in message


def test_streams_that_would_share_a_table_are_refused(in_duckdb: Writer) -> None:
    catalog = {
        "streams": [*configured("c", namespace="a_b")["streams"], *configured("b_c", namespace="a")["streams"]],
    }
    assert "would share the table 'a_b_c'" in in_duckdb.fails(ConfigError, catalog)
    assert not in_duckdb.path.exists()


def test_a_record_of_no_configured_stream_is_refused(in_duckdb: Writer) -> None:
    message = in_duckdb.fails(ConfigError, configured(), record(1), state(1), record(1, "orders"))
    assert "'orders'" in message
    assert in_duckdb.handed_back() == [state(1)]
    assert in_duckdb.rows() == [(1,)]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"generation_id": 5, "minimum_generation_id": 3}, "minimum_generation_id is 3"),
        ({"generation_id": 5}, "without the other"),
        ({"mode": "update"}, "'update'"),
        ({"mode": "append_dedup"}, "primary_key"),
        ({"mode": "append_dedup", "primary_key": [["a", "b"]]}, "'a.b'"),
        ({"generation_id": -1, "minimum_generation_id": 0}, "whole number"),
    ],
)
def test_a_catalog_that_cannot_be_followed_is_refused(in_duckdb: Writer, members: Any, words: str) -> None:
    assert words in in_duckdb.fails(ConfigError, configured(**members))
    assert not in_duckdb.path.exists()


def test_overwrite_replaces_what_was_there_once_the_stream_is_complete(writer: Writer) -> None:
    catalog = configured(mode="overwrite")
    writer.write(catalog, record(1), state(1), complete())
    writer.fails(IncompleteError, catalog, record(2), state(2))
    assert writer.handed_back() == []
    assert writer.rows() == [(1,)]
    assert writer.write(catalog, record(3), state(3), complete()) == [state(3)]
    assert writer.rows() == [(3,)]


def test_a_refresh_goes_on_in_the_next_attempt_of_its_generation(writer: Writer) -> None:
    writer.write(configured(generation_id=1, minimum_generation_id=0), record(1), state(1), complete())
    refresh = configured(generation_id=2, minimum_generation_id=2)
    writer.fails(IncompleteError, refresh, record(2), state(2), record(3))
    assert writer.handed_back() == [state(2)]
    assert writer.rows() == [(1,)]
    writer.write(refresh, record(3), state(3), complete())
    assert writer.rows("id, _airbyte_generation_id") == [(2, 2), (3, 2)]
    writer.write(configured(generation_id=2, minimum_generation_id=0), record(4), state(4), complete())
    assert writer.rows() == [(2,), (3,), (4,)]


PROPERTIES = {
    "id": {"type": ["null", "integer"]},
    "born": {"type": "string", "format": "date"},
    "more": {"type": "object"},
}


@pytest.mark.parametrize(
    ("mode", "refresh", "was_there"),
    [
        ("overwrite", {}, False),
        ("overwrite", {}, True),
        ("overwrite", {"generation_id": 2, "minimum_generation_id": 2}, True),
        ("append_dedup", {"generation_id": 2, "minimum_generation_id": 2}, True),
    ],
)
def test_a_refresh_without_records_leaves_an_empty_table(
    writer: Writer, mode: str, refresh: dict[str, Any], was_there: bool
) -> None:
    catalog = configured(mode=mode, primary_key=[["id"]], **refresh)
    catalog["streams"][0]["stream"]["json_schema"] = {"type": "object", "properties": PROPERTIES}
    if was_there:
        before: dict[str, Any] = {"generation_id": 1, "minimum_generation_id": 0} if refresh else {}
        writer.write(configured(mode=mode, primary_key=[["id"]], **before), record(1), state(1), complete())

    assert writer.write(catalog, state(2), complete()) == [state(2)]

    assert writer.is_empty(
        "id, born, more, _airbyte_raw_id, _airbyte_extracted_at, _airbyte_meta, _airbyte_generation_id"
    )
    again: dict[str, Any] = {**refresh, "minimum_generation_id": 0} if refresh else {}
    append = configured(mode=mode if refresh else "append", primary_key=[["id"]], **again)
    writer.write(append, record(7, born="2024-01-02", more={"a": 1}), state(3), complete())
    [(number, born, more)] = writer.rows("id, born, more")
    assert (number, str(born)[:10], json.loads(more)) == (7, "2024-01-02", {"a": 1})


def test_a_refresh_goes_on_and_has_the_rows_of_the_attempt_before_it(writer: Writer) -> None:
    refresh = configured(generation_id=2, minimum_generation_id=2)
    writer.fails(IncompleteError, refresh, record(2), state(2))
    writer.write(refresh, complete())
    assert writer.rows() == [(2,)]


def test_keys_that_the_catalog_has_no_columns_for_are_those_of_records(in_duckdb: Writer) -> None:
    members: dict[str, Any] = {
        "mode": "append_dedup",
        "primary_key": [["id"]],
        "generation_id": 2,
        "cursor_field": ["seen"],
    }
    in_duckdb.write(configured(minimum_generation_id=2, **members), complete())
    in_duckdb.write(configured(minimum_generation_id=0, **members), record(1, seen=1), record(1, seen=2), complete())
    assert in_duckdb.rows("id, seen") == [(1, 2)]


def test_a_table_without_rows_has_the_columns_of_one_with_rows(in_duckdb: Writer) -> None:
    in_duckdb.write(configured(mode="overwrite"), record(1), complete())
    with_rows = in_duckdb.types()
    catalog = configured(mode="overwrite")
    catalog["streams"][0]["stream"]["json_schema"] = {"properties": {"id": {"type": "integer"}}}
    in_duckdb.write(catalog, complete())
    assert in_duckdb.types() == with_rows
    assert in_duckdb.rows() == []


def test_a_refresh_of_another_generation_begins_anew(writer: Writer) -> None:
    writer.write(configured(generation_id=1, minimum_generation_id=0), record(1), state(1), complete())
    writer.fails(IncompleteError, configured(generation_id=2, minimum_generation_id=2), record(2, x=1), state(2))
    assert writer.rows() == [(1,)]
    writer.write(configured(generation_id=3, minimum_generation_id=3), record(3), state(3), complete())
    assert writer.rows("id, _airbyte_generation_id") == [(3, 3)]


def test_one_row_of_each_key_is_shown(writer: Writer) -> None:
    catalog = configured(mode="append_dedup", primary_key=[["id"]], cursor_field=["at"])
    messages = [record(1, at=5, v="new"), record(1, at=3, v="old"), record(2, at=1, v="b"), state(1), complete()]
    writer.write(catalog, *messages)
    writer.write(catalog, record(2, at=1, v="again"), state(2), complete())
    assert writer.rows("id, v") == [(1, "new"), (2, "again")]


def test_spec_and_check(tmp_path: Path) -> None:
    spec = json.loads(specification(to_duckdb))["spec"]
    assert spec["supported_destination_sync_modes"] == ["append", "overwrite", "append_dedup"]
    [answer] = map(json.loads, check(to_duckdb, {"destination_path": str(tmp_path / "t.duckdb")}))
    assert answer["connectionStatus"] == {"status": "SUCCEEDED"}
    assert list(tmp_path.iterdir()) == []
    [answer] = map(json.loads, check(to_duckdb, {}))
    assert answer["connectionStatus"]["status"] == "FAILED"
    [answer] = map(json.loads, check(to_duckdb, {"destination_path": str(tmp_path / "no" / "t.duckdb")}))
    assert answer["connectionStatus"]["status"] == "FAILED"
