"""Folders of data files by partition: names that other readers know, each row in its folder, and few writers at a time."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from file_cdk.core.errors import ConfigError, RowsRefusedError
from file_cdk.core.ports import LoadedFile, TableName
from file_cdk.destinations.files import loads
from file_cdk.destinations.files import table as tables
from file_cdk.destinations.files.data import DataWriter
from file_cdk.destinations.files.destination import FilesDestination
from file_cdk.destinations.files.folder import Folder
from file_cdk.destinations.files.manifest import latest
from file_cdk.destinations.files.partitions import NULL, Partition, escaped, of_path, parsed, split
from file_cdk.destinations.files.types import declared
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.sync import sync
from file_cdk.testing.landing import load_whole, version

T = TableName("t")
COUNTRIES = ["NL", None, "", "a/b", "ż=ó", "100%", "..", "x y", "it's", '"q"', "1:2", "back\\slash", "#{[^]}", "*?"]


@contextmanager
def opened(path: Path, partition_by: str | None, output_format: str | None = None) -> Iterator[FilesDestination]:
    destination = FilesDestination(path, partition_by=partition_by, output_format=output_format)
    destination.open()
    try:
        yield destination
    finally:
        destination.close()


def load(destination: FilesDestination, uri: str, *rows: dict[str, Any], number: int = 0) -> None:
    load_whole(destination, destination.table(T), version(uri, number), list(rows))
    destination.table(T).flush()


def data_files(path: Path) -> list[str]:
    return [file.path for file in latest(Folder(str(path))).tables.get("t", [])]


def folders(path: Path) -> list[str]:
    return sorted({name.partition("/")[2].rpartition("/")[0] for name in data_files(path)})


def rows(path: Path, columns: str, hive: bool = False) -> list[Any]:
    found = [str(path / name) for name in data_files(path)]
    sql = (
        f"SELECT {columns} FROM read_parquet({found!r}, hive_partitioning = {hive}, union_by_name = true) ORDER BY ALL"
    )
    with duckdb.connect() as db:
        paths = ", ".join("?" for _ in found)
        return db.execute(sql.replace(f"{found!r}", f"[{paths}]"), found).fetchall()


def test_other_readers_know_the_names_of_folders(tmp_path: Path) -> None:
    with opened(tmp_path, "country") as lake:
        load(lake, "a", *({"country": country, "n": n} for n, country in enumerate(COUNTRIES)))
    assert len(data_files(tmp_path)) == len(COUNTRIES) - 1  # NULL and empty text share one
    by_folder = dict(rows(tmp_path, "n, country", hive=True))
    assert [by_folder[n] for n in range(len(COUNTRIES))] == [country or None for country in COUNTRIES]
    assert dict(rows(tmp_path, "n, country")) == dict(enumerate(COUNTRIES))
    assert "country=__HIVE_DEFAULT_PARTITION__" in folders(tmp_path)


def test_dates_and_times_are_partitioned_by_their_period(tmp_path: Path) -> None:
    moments = [datetime(2024, 1, 31, 23, 59, 59, 999999, UTC), datetime(2024, 2, 1, tzinfo=UTC), None]
    with opened(tmp_path, "year(d), month(t),date(t)") as lake:
        load(lake, "a", *({"t": moment, "d": date(1, 2, 3)} for moment in moments))
    assert folders(tmp_path) == [
        f"d_year=0001/t_month={month}/t_date={day}"
        for month, day in (
            ("2024-01", "2024-01-31"),
            ("2024-02", "2024-02-01"),
            ("__HIVE_DEFAULT_PARTITION__", "__HIVE_DEFAULT_PARTITION__"),
        )
    ]


@pytest.mark.parametrize("output_format", ["parquet", "csv", "jsonl.gz"])
def test_small_files_share_a_data_file_within_their_partition(tmp_path: Path, output_format: str) -> None:
    with opened(tmp_path, "k", output_format) as lake:
        for uri in "abc":
            load_whole(lake, lake.table(T), version(uri), [{"k": k, "n": n} for n, k in enumerate([1, 2, 1])])
        lake.table(T).flush()
        assert len(data_files(tmp_path)) == 2
        load(lake, "b", {"k": 3, "n": 0}, number=1)
        assert folders(tmp_path) == ["k=1", "k=2", "k=3"]
        lake.table(T).remove(["a", "c"])
        assert folders(tmp_path) == ["k=3"]
        assert lake.table(T).unloaded([version("b", 1), version("a")]) == [False, True]
    assert lake.mismatches() == []


def test_many_small_files_are_made_one_in_each_partition(tmp_path: Path) -> None:
    for number in range(8):
        with opened(tmp_path, "k") as lake:
            load(lake, f"f{number}", {"k": "x", "n": number}, {"k": "y", "n": number})
    assert folders(tmp_path) == ["k=x", "k=y"]
    assert len(data_files(tmp_path)) == 2
    assert rows(tmp_path, "k, n") == [(k, n) for k in "xy" for n in range(8)]


def test_a_large_file_has_few_writers_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGE_BYTES", 20_000)
    monkeypatch.setattr(loads, "_MAX_WRITERS", 3)
    counts = [0]
    most = [0]
    begin, close = DataWriter.__init__, DataWriter.close

    def counted_begin(self: DataWriter, *facts: Any, **more: Any) -> None:
        counts[0] += 1
        most[0] = max(most[0], counts[0])
        begin(self, *facts, **more)

    def counted_close(self: DataWriter) -> Any:
        counts[0] -= 1
        return close(self)

    monkeypatch.setattr(DataWriter, "__init__", counted_begin)
    monkeypatch.setattr(DataWriter, "close", counted_close)
    chance = random.Random(7)
    expected: Counter[tuple[int | None, int]] = Counter()
    with opened(tmp_path, "k") as lake:
        table, file = lake.table(T), version("a")
        table.widen(pa.schema({"k": pa.int64(), "n": pa.int64()}))
        one = table.begin(file)
        for number in range(60):
            keys = [chance.choice([None, *range(20)]) for _ in range(100)]
            batch = pa.record_batch({"k": pa.array(keys, pa.int64()), "n": [number] * 100})
            one.write(lake.encoder.encode(batch, file, 1, 0), 100 * number)
            expected.update((key, number) for key in keys)
        one.commit(LoadedFile(6000))
    assert counts[0] == 0
    assert 1 < most[0] <= 4
    assert Counter(rows(tmp_path, "k, n")) == expected
    assert rows(tmp_path, "_file_row") == [(row,) for row in range(1, 6001)]
    in_folder = {name.split("/")[1].removeprefix("k=") for name in data_files(tmp_path)}
    assert in_folder == {*map(str, range(20)), "__HIVE_DEFAULT_PARTITION__"}
    assert lake.mismatches() == []


def test_an_aborted_file_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGE_BYTES", 1)
    with opened(tmp_path, "k") as lake:
        table, file = lake.table(T), version("a")
        table.widen(pa.schema({"k": pa.int64()}))
        one = table.begin(file)
        for number in range(5):
            one.write(lake.encoder.encode(pa.record_batch({"k": [number, 7]}), file, 1, 0), 2 * number)
        one.abort()
        assert not list(tmp_path.glob("t/**/*.parquet"))
        load(lake, "b", {"k": 1})
    assert rows(tmp_path, "k") == [(1,)]


def test_a_table_keeps_its_partitions(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.csv").write_text("k,d\n1,2024-01-02\n")
    lake, partition_by = f"{tmp_path}/lake/", "k,month(d)"
    sync(source, lake, SyncOptions(stream="t", workers=0, partition_by=partition_by))
    (source / "b.csv").write_text("k,d\n2,2024-01-02\n")
    sync(source, lake, SyncOptions(stream="t", workers=0))
    assert folders(tmp_path / "lake") == ["k=1/d_month=2024-01", "k=2/d_month=2024-01"]
    (source / "c.csv").write_text("k,d\n3,2024-01-02\n")
    with pytest.raises(ConfigError, match=r"--partition-by k,month\(d\), and k was asked") as caught:
        sync(source, lake, SyncOptions(stream="t", workers=0, partition_by="k"))
    assert "--full-refresh" in (caught.value.remedy or "")
    sync(source, lake, SyncOptions(stream="t", workers=0, partition_by="year(d)", full_refresh=True))
    assert folders(tmp_path / "lake") == ["d_year=2024"]


def test_a_column_that_is_called_like_a_partition_changes_nothing(tmp_path: Path) -> None:
    moment = datetime(2024, 1, 2, tzinfo=UTC)
    with opened(tmp_path, "month(d)") as lake:
        load(lake, "a", {"d": moment})
        load(lake, "b", {"d": moment, "d_month": "x"})
    with opened(tmp_path, None) as lake:
        load(lake, "c", {"d": moment, "d_month": "y"})
    assert folders(tmp_path) == ["d_month=2024-01"]
    with opened(tmp_path, "month(d)") as lake:
        load(lake, "d", {"d": moment})
    with (
        opened(tmp_path, "d_month") as lake,
        pytest.raises(ConfigError, match=r"--partition-by month\(d\), and d_month"),
    ):
        load(lake, "e", {"d": moment})


def test_partitions_are_noted_again_once_a_table_has_others(tmp_path: Path) -> None:
    row = {"d": datetime(2024, 1, 2, tzinfo=UTC), "d_month": "x"}
    for partition_by, folder in (("d_month", "d_month=x"), ("month(d)", "d_month=2024-01"), ("d_month", "d_month=x")):
        with opened(tmp_path, partition_by) as lake:
            load(lake, "a", row)
        with opened(tmp_path, None) as lake:
            load(lake, "b", row)
            assert folders(tmp_path) == [folder]
            lake.table(T).remove(["a", "b"])


def test_partitions_that_an_earlier_version_did_not_note_are_told_by_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2024, 1, 2, tzinfo=UTC)
    with monkeypatch.context() as earlier, opened(tmp_path, "month(d)") as lake:
        earlier.setattr(tables, "declared", lambda kind, _: declared(kind))
        load(lake, "a", {"d": moment})
    for uri in "bc":
        with opened(tmp_path, None) as lake:
            load(lake, uri, {"d": moment, "d_month": uri})
    assert folders(tmp_path) == ["d_month=2024-01"]


@pytest.mark.parametrize(("mode", "key"), [("append", ()), ("merge", ("k",))])
def test_a_full_refresh_leaves_partitions(tmp_path: Path, mode: Any, key: tuple[str, ...]) -> None:
    source, lake = tmp_path / "source", f"{tmp_path}/lake/"
    source.mkdir()
    (source / "a.csv").write_text("k\n1\n")
    sync(source, lake, SyncOptions(stream="t", workers=0, partition_by="k", output_format="csv"))
    again = SyncOptions(stream="t", workers=0, full_refresh=True, mode=mode, key=key)
    sync(source, lake, again if key else replace(again, partition_by=""))
    assert folders(tmp_path / "lake") == [""]


@pytest.mark.parametrize(("partition_by", "says"), [("nothing", "no file has"), ("date(k)", "has no date")])
def test_what_cannot_be_partitioned_by_is_said_before_rows_are_read(
    tmp_path: Path, partition_by: str, says: str
) -> None:
    with opened(tmp_path, partition_by) as lake, pytest.raises(ConfigError, match=says):
        load(lake, "a", {"k": 1})


def test_a_value_too_long_for_a_name_is_refused_with_its_file(tmp_path: Path) -> None:
    with opened(tmp_path, "k") as lake:
        load(lake, "a", {"k": "x"})
        one = lake.table(T).begin(version("b"))
        with pytest.raises(RowsRefusedError, match="too long") as caught:
            one.write(lake.encoder.encode(pa.record_batch({"k": ["x" * 300]}), version("b"), 1, 0), 0)
        one.abort()
        assert (caught.value.uri, caught.value.column) == ("b", "k")
        load(lake, "c", {"k": "y"})
    assert rows(tmp_path, "k") == [("x",), ("y",)]


def write(destination: FilesDestination, uri: str, *columns: pa.Array) -> None:
    table, file = destination.table(T), version(uri)
    table.widen(pa.schema({"t": columns[0].type}))
    one = table.begin(file)
    try:
        for number, column in enumerate(columns):
            block = destination.encoder.encode(pa.record_batch({"t": column}), file, 1, 0)
            one.write(block, sum(map(len, columns[:number])))
        one.commit(LoadedFile(sum(map(len, columns))))
    finally:
        one.abort()


def test_a_file_whose_dates_turn_to_text_is_refused_alone(tmp_path: Path) -> None:
    day = pa.array([date(2024, 1, 2)])
    with opened(tmp_path, "month(t)") as lake:
        write(lake, "a", day)
        with pytest.raises(RowsRefusedError, match="type string, which have no month") as caught:
            write(lake, "b", day, pa.array(["soon"]))
        assert (caught.value.uri, caught.value.column) == ("b", "t")
        assert caught.value.remedy
        write(lake, "c", day)
    assert folders(tmp_path) == ["t_month=2024-01"]
    assert rows(tmp_path, "_file_url") == [("a",), ("c",)]


@pytest.mark.parametrize("output_format", ["parquet", "csv"])
def test_nanoseconds_are_partitioned_by(tmp_path: Path, output_format: str) -> None:
    moments = pa.array([1, 10**9, 123_456_000, None], pa.timestamp("ns", "UTC"))
    with opened(tmp_path / "a", "date(t)", output_format) as lake:
        write(lake, "a", moments)
    assert folders(tmp_path / "a") == ["t_date=1970-01-01", f"t_date={NULL}"]
    with opened(tmp_path / "b", "t", output_format) as lake:
        write(lake, "a", moments)
    names = ("00.000000001", "00.123456", "01")
    assert folders(tmp_path / "b") == [
        *(f"t={escaped(f'1970-01-01 00:00:{name}+00:00')}" for name in names),
        f"t={NULL}",
    ]
    with opened(tmp_path / "c", "t", output_format) as lake:
        write(lake, "a", moments.cast(pa.timestamp("us", "UTC"), safe=False).slice(1, 2))
        write(lake, "b", pa.array([1_700_000_000_000_001], pa.timestamp("us", "UTC")))
    python = [
        datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us) for us in (123_456, 10**6, 1_700_000_000_000_001)
    ]
    assert folders(tmp_path / "c") == [f"t={escaped(str(moment))}" for moment in python]


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize(
    ("day", "year", "name"),
    [
        (-719_162, "0001", "0001-01-01"),
        (2_932_896, "9999", "9999-12-31"),
        (2_932_897, "10000", "10000-01-01"),
        (-719_163, "0000", "0000-12-31"),
        (-719_529, "-0001", "-0001-12-31"),
        (50_000_000, None, None),
        (-50_000_000, None, None),
    ],
)
def test_years_that_python_lacks_have_names_or_are_refused(
    day: int, year: str | None, name: str | None, zone: str | None
) -> None:
    days = pa.array([day], pa.int32()).cast(pa.date32())
    moments = pa.array([day * 86_400_000_000], pa.timestamp("us", zone))
    for by, column in ((by, column) for by in ("t", "date(t)", "year(t)") for column in (days, moments)):
        found = split(pa.record_batch({"t": column}), parsed(by), {"t": "t"}, "a")
        if name is None:
            with pytest.raises(RowsRefusedError, match="out of the range") as caught:
                list(found)
            assert (caught.value.uri, caught.value.column) == ("a", "t")
            continue
        midnight = f"{name} 00:00:00{'+00:00' if zone else ''}"
        value = year if by == "year(t)" else name if by == "date(t)" or column is days else escaped(midnight)
        assert [folder for folder, _ in found] == [f"{parsed(by)[0].key}={value}"]


@pytest.mark.parametrize("text", ["", ",", "a,a", "a,,b", "month(a),month(a)"])
def test_what_names_no_partitions(text: str) -> None:
    with pytest.raises(ConfigError, match="names no partitions"):
        parsed(text)


@pytest.mark.parametrize("text", ["a", "a,b", "date(a)", "year(x=y/z),x%", "month(a_year)"])
def test_partitions_are_told_by_folders(text: str) -> None:
    partitions = parsed(text)
    path = "/".join(["t", *(f"{each.key}=1" for each in partitions), "part-1.parquet"])
    assert of_path(path, []) == partitions
    assert of_path("t/a_year=1/part-1.csv", ["a_year"]) == (Partition("a_year"),)
    assert escaped("a/b") == "a%2Fb"
