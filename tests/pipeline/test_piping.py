"""The parts of a pipe that need no process: names, secrets, catalogs, and which state stands for which rows."""

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from file_cdk.core.errors import ConfigError, SourceFailedError
from file_cdk.core.exit_codes import ExitCode, of_error
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, StreamTable
from file_cdk.destinations.sqlite.destination import SqliteDestination
from file_cdk.pipeline.piping.catalog import chosen, configured, written
from file_cdk.pipeline.piping.configuration import SourceConfiguration
from file_cdk.pipeline.piping.naming import source_name, words_of
from file_cdk.pipeline.piping.saying import Said
from file_cdk.pipeline.piping.secrets import Secrets
from file_cdk.pipeline.piping.states import SourceStates
from file_cdk.pipeline.writing.units import Unit, Units
from file_cdk.protocol.receiving.events import OtherReceived, StateKind, StateReceived, StreamDescriptor

USERS, OTHERS = StreamDescriptor("users"), StreamDescriptor("others")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("source-faker", "source-faker"),
        ("/opt/x/bin/source-faker --token abc", "source-faker"),
        ("python3.11 'my folder/my_source.py' --key s3cr3t", "my_source.py"),
        ("python -m source_local", "source_local"),
        ("docker run --rm -i -e TOKEN=source-secret airbyte/source-faker:6.2", "source-faker"),
        ("python secret", "python"),
    ],
)
def test_a_source_is_called_as_its_program(command: str, name: str) -> None:
    assert source_name(words_of(command)) == name


@pytest.mark.parametrize("command", ["", "  ", "source 'secret"])
def test_a_command_that_is_none_is_refused_without_its_words(command: str) -> None:
    with pytest.raises(ConfigError) as raised:
        words_of(command)
    assert "secret" not in str(raised.value)


def test_secrets_are_hidden_in_each_form() -> None:
    config = {
        "host": "db.example.com",
        "password": 'p"a ss',
        "credentials": {"auth_type": "Client", "client_id": "my-client", "nested": [{"x": "in-a-list"}]},
        "url": "https://me:pass-in-url@host/",
        "service_account_info": json.dumps({"private_key": "-----BEGIN-----\nLINE-ONE\nLINE-TWO\n"}),
        "api_key": 123456,
        "pin_token": "abc",
    }
    hidden = Secrets(config).hidden
    for text in ('p"a ss', 'p\\"a ss', "p%22a%20ss", "p%22a+ss", "my-client", "in-a-list", "pass-in-url", "123456"):
        assert hidden(f"<{text}>") == "<***>", text
    assert hidden("Client at db.example.com, abc") == "Client at db.example.com, abc"
    assert hidden("LINE-ONE") == "LINE-ONE"  # a member whose name says nothing
    assert Secrets({"credentials_json": config["service_account_info"]}).hidden("LINE-ONE") == "***"


def stream(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"], **members}


@pytest.mark.parametrize(
    ("members", "sync", "mode"),
    [
        ({"source_defined_cursor": True}, "incremental", "append"),
        ({"default_cursor_field": ["at"]}, "incremental", "append"),
        ({"source_defined_cursor": True, "source_defined_primary_key": [["id"]]}, "incremental", "append_dedup"),
        ({"source_defined_cursor": True, "source_defined_primary_key": [["a", "b"]]}, "incremental", "append"),
        ({}, "full_refresh", "overwrite"),
        ({"supported_sync_modes": ["full_refresh"], "source_defined_cursor": True}, "full_refresh", "overwrite"),
    ],
)
def test_how_a_stream_is_read_and_written(members: dict[str, Any], sync: str, mode: str) -> None:
    entry = configured(stream("users", **members))
    assert (entry["sync_mode"], entry["destination_sync_mode"]) == (sync, mode)
    [parsed] = written([entry])
    assert parsed.mode == mode
    assert configured(stream("users", **members), may_merge=False)["destination_sync_mode"] != "append_dedup"


def test_streams_are_chosen_by_name() -> None:
    catalog = {"streams": [stream("users"), stream("others")]}
    assert [each["name"] for each in chosen(catalog, None)] == ["users", "others"]
    assert [each["name"] for each in chosen(catalog, ["others"])] == ["others"]
    with pytest.raises(ConfigError, match="Did you mean 'users'"):
        chosen(catalog, ["Users"])
    with pytest.raises(ConfigError, match="Its streams are: 'others', 'users'"):
        chosen(catalog, ["zzz"])
    with pytest.raises(SourceFailedError):
        chosen({"streams": None}, None)


@pytest.mark.parametrize(
    ("failure_type", "in_part", "code"),
    [
        ("config_error", False, ExitCode.USAGE),
        ("system_error", False, ExitCode.ACCESS),
        ("config_error", True, ExitCode.FILES_FAILED),
    ],
)
def test_what_a_source_says_decides_the_exit_code(failure_type: str, in_part: bool, code: ExitCode) -> None:
    said = Said("source-x", "read", Secrets({"token": "sesame"}), lambda _: None)
    error = {"message": "no sesame", "failure_type": failure_type, "stream_descriptor": {"name": "users"}}
    said.take(
        OtherReceived(1, "TRACE", json.dumps({"type": "TRACE", "trace": {"type": "ERROR", "error": error}}).encode())
    )
    failure = said.failure(0)
    assert failure is not None
    assert "stream 'users': no ***" in str(failure)
    failure.in_part = in_part
    assert of_error(failure) is code


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_configuration_that_the_source_changes_is_kept(tmp_path: Path, mode: int) -> None:
    given, link, handed = tmp_path / "given.json", tmp_path / "link.json", tmp_path / "handed.json"
    for path in (given, handed):
        path.write_text('{"token": "first-token"}')
        path.chmod(mode)
    link.symlink_to(given)
    secrets = Secrets({"token": "first-token"})
    configuration = SourceConfiguration("source-x", {"token": "first-token"}, link, secrets, handed)
    said = Said("source-x", "read", secrets, configuration.change)
    control = {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": {"token": "next-token", "n": "é"}}}
    said.take(OtherReceived(1, "CONTROL", json.dumps({"type": "CONTROL", "control": control}).encode()))
    for path in (given, handed):
        assert json.loads(path.read_text()) == {"token": "next-token", "n": "é"}
        assert path.stat().st_mode & 0o777 == mode
    assert link.is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["given.json", "handed.json", "link.json"]
    assert secrets.hidden("next-token, first-token") == "***, ***"


def test_a_configuration_that_cannot_be_kept_is_told_of_without_its_values(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(tmp_path / "given")
    configuration = SourceConfiguration("source-x", {}, tmp_path / "given", Secrets({}))
    configuration.change({"token": "next-token"})
    configuration.change({"token": "next-token"})
    [told] = caplog.records
    assert "cannot be kept" in told.message
    assert "it is no regular file" in told.message
    assert "next-token" not in caplog.text
    assert [each.name for each in tmp_path.iterdir()] == ["given"]


class Opened:
    """A SQLite database with the states of one source, and the units of its streams."""

    def __init__(self, destination: SqliteDestination) -> None:
        self.destination = destination
        entries = [configured(stream(each.name, source_defined_cursor=True)) for each in (USERS, OTHERS)]
        self.streams = {each.descriptor: replace(each, source="pipe s") for each in written(entries)}
        self.tables: dict[StreamDescriptor, StreamTable] = {
            each: destination.table(self.streams[each].table) for each in self.streams
        }

    def states(self, *streams: StreamDescriptor) -> SourceStates:
        of = {each: self.streams[each] for each in streams or self.streams}
        return SourceStates(self.destination, "s", of, {"users", "others"})

    def begin(self, *streams: StreamDescriptor) -> Any:
        found = self.states(*streams).begin({each: self.tables[each] for each in streams or self.streams})
        return None if found is None else json.loads(found)

    def write(self, name: StreamDescriptor, *numbers: int) -> None:
        table = self.tables[name]
        batch = pa.RecordBatch.from_pylist([{"id": 1}])
        table.widen(batch.schema)
        for number in numbers:
            file = RemoteFile(Unit(None, None, number).uri, 1, datetime.now(UTC))
            load = table.begin(file)
            load.write(self.destination.encoder.encode(batch, file, 1, 0), 0)
            load.commit(LoadedFile(1))
        table.flush()

    def units(self, name: StreamDescriptor) -> list[int]:
        return sorted(number for units in Units.of(self.tables[name]).found.values() for number in units)

    def keep(self, kind: StateKind, state: Any, *streams: StreamDescriptor, **last: int) -> None:
        states = self.states(*streams)
        states.begin({})
        received = StateReceived(1, json.dumps({"type": "STATE", "state": state}).encode(), kind, ())
        states.reached([received], {StreamDescriptor(name): number for name, number in last.items()})
        states.keep([received])


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    destination = SqliteDestination(folder / "t.sqlite")
    destination.open()
    with closing(destination):
        yield Opened(destination)


def of_stream(name: str, at: int) -> Any:
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": {"at": at}}}


def of_all(**at: int) -> Any:
    states = [{"stream_descriptor": {"name": name}, "stream_state": {"at": each}} for name, each in at.items()]
    return {"type": "GLOBAL", "global": {"stream_states": states, "shared_state": {"log": 1.10}}}


def test_units_after_a_state_are_removed(tmp_path: Path) -> None:
    with opened(tmp_path) as it:
        it.write(USERS, 1, 2, 3)
        it.write(OTHERS, 1)
        it.keep(StateKind.STREAM, of_stream("users", 2), users=2, others=0)
        assert it.begin() == [of_stream("users", 2)]
        assert (it.units(USERS), it.units(OTHERS)) == ([1, 2], [])


def test_a_state_whose_unit_is_gone_is_void_for_good(tmp_path: Path) -> None:
    with opened(tmp_path) as it:
        it.write(USERS, 1, 2)
        it.keep(StateKind.STREAM, of_stream("users", 2), users=2)
        it.tables[USERS].remove([Unit(None, None, 2).uri])
        assert it.begin() is None
        it.write(USERS, 1, 2)
        assert it.begin() is None
        assert it.units(USERS) == []


def test_a_state_before_any_record_stands_for_none(tmp_path: Path) -> None:
    with opened(tmp_path) as it:
        it.keep(StateKind.STREAM, of_stream("users", 0), users=0)
        it.write(USERS, 1)
        assert it.begin() == [of_stream("users", 0)]
        assert it.units(USERS) == []


def test_of_a_state_of_all_streams_what_is_void_is_left_out(tmp_path: Path) -> None:
    with opened(tmp_path) as it:
        it.write(USERS, 1)
        it.write(OTHERS, 1, 2)
        it.keep(StateKind.GLOBAL, of_all(users=1, others=2), users=1, others=2)
        it.tables[OTHERS].remove([Unit(None, None, 2).uri])
        assert it.begin() == [of_all(users=1)]
        assert (it.units(USERS), it.units(OTHERS)) == ([1], [])


def test_a_stream_that_is_left_out_of_a_run_is_no_part_of_its_state_of_all(tmp_path: Path) -> None:
    with opened(tmp_path) as it:
        it.write(USERS, 1)
        it.write(OTHERS, 1)
        it.keep(StateKind.GLOBAL, of_all(users=1, others=1), users=1, others=1)
        assert it.begin(USERS) == [of_all(users=1)]
        assert it.units(OTHERS) == [1]
        it.keep(StateKind.GLOBAL, of_all(users=5, others=1), USERS, users=1)
        assert it.begin() == [of_all(users=5)]
        assert it.units(OTHERS) == []


def test_a_legacy_state_is_given_as_it_was(tmp_path: Path) -> None:
    with opened(tmp_path) as it:
        it.write(USERS, 1)
        it.keep(StateKind.LEGACY, {"data": {"users": {"at": 1}, "version": 2}}, users=1, others=0)
        assert it.begin() == {"users": {"at": 1}, "version": 2}
        assert it.units(USERS) == [1]


def test_another_kind_of_state_takes_the_place_of_the_first(tmp_path: Path) -> None:
    with opened(tmp_path) as it:
        it.write(USERS, 1)
        it.keep(StateKind.GLOBAL, of_all(users=1), users=1)
        it.keep(StateKind.STREAM, of_stream("users", 9), users=1)
        assert it.begin() == [of_stream("users", 9)]
        it.keep(StateKind.GLOBAL, of_all(users=10), users=1)
        assert it.begin() == [of_all(users=10)]
