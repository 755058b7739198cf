"""A folder has tables of one kind: a sync of another is refused before it changes anything."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.ports import TableName
from file_cdk.destinations.files.destination import FilesDestination
from file_cdk.destinations.registry import destination_for
from file_cdk.testing.landing import load_whole, version

T = TableName("t")
URLS = {
    "files": "{}/",
    "delta": "delta:{}/",
    "iceberg": "iceberg:{}/?namespace=default",
    "sales": "iceberg:{}/?namespace=sales",
}
PAIRS = [(one, other) for one in URLS for other in URLS if one != other]


def opened(kind: str, lake: Path) -> FilesDestination:
    destination = destination_for(URLS[kind].format(lake))
    assert isinstance(destination, FilesDestination)
    return destination


def load(kind: str, lake: Path) -> None:
    destination = opened(kind, lake)
    destination.open()
    load_whole(destination, destination.table(T), version("a"), [{"n": 1}])
    destination.close()


def contents(lake: Path) -> Mapping[str, bytes]:
    return {
        str(path.relative_to(lake)): path.read_bytes()
        for path in lake.rglob("*")
        if path.is_file() and path.suffix != ".lock" and "lock" not in path.name
    }


def forget(lake: Path) -> None:
    """As an earlier version has left it."""
    noted = lake / "_file_cdk" / "kind.json"
    facts = json.loads(noted.read_text())
    noted.unlink()
    if facts.pop("kind") == "iceberg":
        noted.with_name("iceberg.json").write_text(json.dumps({"catalog": None, **facts}))


@pytest.mark.parametrize("is_of_earlier_version", [False, True])
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_another_kind_is_refused(tmp_path: Path, one: str, other: str, is_of_earlier_version: bool) -> None:
    lake = tmp_path / "lake"
    load(one, lake)
    if is_of_earlier_version:
        forget(lake)
    before = contents(lake)
    for asking in (
        lambda: opened(other, lake).open(),
        lambda: opened(other, lake).check(),
        lambda: opened(other, lake).streams(),
        lambda: opened(other, lake).mismatches(repair=True),
        lambda: opened(other, lake).reset("t"),
    ):
        with pytest.raises(ConfigError) as refused:
            asking()
        assert refused.value.remedy is not None
        assert repr(URLS[one].format(lake)) in refused.value.remedy
    assert contents(lake) == before
    assert opened(one, lake).mismatches() == []
    destination = opened(one, lake)
    destination.open()
    assert destination.table(T).unloaded([version("a")]) == [False]
    destination.close()
    assert (lake / "_file_cdk" / "kind.json").exists()


def test_the_message_names_both_kinds(tmp_path: Path) -> None:
    load("delta", tmp_path)
    with pytest.raises(ConfigError, match="has Delta tables, not plain data files"):
        opened("files", tmp_path).open()


def test_tables_of_others_in_a_new_folder_are_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "_delta_log").mkdir(parents=True)
    (tmp_path / "theirs" / "_delta_log" / "0.json").write_text("{}")
    load("files", tmp_path)
    forget(tmp_path)
    load("files", tmp_path)


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"kind": "later"}'])
def test_what_cannot_be_told_is_refused(tmp_path: Path, damage: str) -> None:
    load("files", tmp_path)
    (tmp_path / "_file_cdk" / "kind.json").write_text(damage)
    with pytest.raises(DestinationError, match=r"kind\.json"):
        opened("files", tmp_path).open()
