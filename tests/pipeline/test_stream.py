"""That whoever asks whether a file is read gets one answer, with one reason."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from source_local.source import connector

from file_cdk import sync
from file_cdk.core.config import parse_config
from file_cdk.core.errors import AccessError
from file_cdk.core.files import RemoteFile
from file_cdk.engine.listing import reason_to_skip, reasons_to_skip
from file_cdk.pipeline.checking import StreamCheck
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.inspection import InspectionOptions, inspections_of
from file_cdk.pipeline.sources import streams_of
from file_cdk.pipeline.stream import Stream, not_loaded

OLD, NEW = datetime(2023, 6, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
START_DATE = "2024-01-01T00:00:00Z"


def file(uri: str, at: datetime = NEW, fault: str | None = None) -> RemoteFile:
    return RemoteFile(uri, 1, at, fault=fault)


def put(folder: Path, name: str, at: datetime = NEW) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("id\n1\n")
    os.utime(path, (at.timestamp(), at.timestamp()))


def protocol_stream(folder: Path, **options: object) -> Stream:
    streams = [{"name": "x", "globs": ["**"], "format": {"filetype": "csv"}}]
    raw = {"path": str(folder), "start_date": START_DATE, "streams": streams, **options}
    config = parse_config(connector.config_class, raw)
    return Stream.of(connector, config, config.streams[0], connector.reader(config))


def by_reason(folder: Path, config: Path) -> tuple[Mapping[str, int], ...]:
    """What `ls`, `check` and `sync` skip, in that order."""
    [inspection] = inspections_of(str(config), InspectionOptions())
    assert list(inspection.files(lambda _: None))
    check = StreamCheck(streams_of(str(config), None, None)[0])
    executors = Executors(0)
    assert not [step.error for step in check.steps(executors) if step.error]
    executors.close()
    result = sync(config, folder.parent / "x.duckdb").streams[0]
    return inspection.skipped, check.skipped, result.skipped


def test_every_command_gives_a_file_the_same_reason(tmp_path: Path) -> None:
    folder, config = tmp_path / "in", tmp_path / "x.yaml"
    put(folder, "a.csv")
    put(folder, "old.csv", OLD)
    put(folder, "~$a.csv")
    put(folder, "~$old.csv", OLD)
    config.write_text(
        f"path: {folder}\nstart_date: '{START_DATE}'\nstreams:\n- {{name: x, globs: ['**'], format: {{filetype: csv}}}}\n"
    )
    skipped = by_reason(folder, config)
    assert skipped[0]["modified before start_date"] == 1
    assert sum(skipped[0].values()) == 3
    assert len(skipped[0]) == 2
    assert skipped[0] == skipped[1] == skipped[2]
    assert [each.uri for each in protocol_stream(folder).files()] == ["a.csv"]


def test_check_and_discover_count_reasons_as_a_sync_does(tmp_path: Path) -> None:
    put(tmp_path, "old.csv", OLD)
    put(tmp_path, "~$old.csv", OLD)
    with pytest.raises(AccessError) as raised:
        protocol_stream(tmp_path).first_file()
    litter = protocol_stream(tmp_path).matcher.litter("~$old.csv")
    assert f"1 {litter}" in str(raised.value)
    assert "1 modified before start_date" in str(raised.value)


def test_reasons_come_in_the_order_of_the_way(tmp_path: Path) -> None:
    """Litter before what the listing found at fault, that before what is old, that before what is loaded."""
    stream = protocol_stream(tmp_path)
    rules = stream.rules(not_loaded(lambda files: [each.uri == "new.csv" for each in files]))
    files = [
        file("~$a.csv", OLD, fault="bad"),
        file("b.csv", OLD, fault="bad"),
        file("old.csv", OLD),
        file("c.csv"),
        file("new.csv"),
    ]
    expected = [stream.matcher.litter("~$a.csv"), "bad", "modified before start_date", "already loaded", None]
    assert reasons_to_skip(files, rules) == expected
    assert [reason_to_skip(each, rules) for each in files] == expected


def test_those_told_on_the_way_have_no_say(tmp_path: Path) -> None:
    told: dict[str, list[str]] = {"present": [], "wanted": []}

    def tells(whom: str, files: Sequence[RemoteFile]) -> list[str | None]:
        uris = [each.uri for each in files]
        told[whom] += uris
        return [None] * len(uris)

    rules = protocol_stream(tmp_path).rules(
        not_loaded(lambda files: [False] * len(files)),
        present=lambda files: tells("present", files),
        wanted=lambda files: tells("wanted", files),
    )
    assert reasons_to_skip([file("~$a.csv"), file("old.csv", OLD), file("a.csv")], rules)[2] == "already loaded"
    assert told == {"present": ["~$a.csv", "old.csv", "a.csv"], "wanted": ["a.csv"]}


def test_files_that_are_copied_are_no_litter_and_their_archives_stay_shut(tmp_path: Path) -> None:
    put(tmp_path, "~$a.csv")
    put(tmp_path, "a.zip")
    put(tmp_path, "notes.unknown")
    stream = protocol_stream(tmp_path, delivery_method={"delivery_type": "use_file_transfer"})
    assert stream.copies
    assert sorted(each.uri for each in stream.files()) == ["a.zip", "notes.unknown", "~$a.csv"]
