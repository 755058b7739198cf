"""Row groups that workers make: data files have the same rows as those that the parent makes of batches."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from file_cdk.core.files import RemoteFile
from file_cdk.core.gathering import encoder_of, gathering
from file_cdk.core.ports import LoadedFile, MergeRule, TableName
from file_cdk.destinations.files import thrift
from file_cdk.destinations.files.destination import FilesDestination
from file_cdk.destinations.files.folder import Folder
from file_cdk.destinations.files.manifest import latest
from file_cdk.destinations.files.row_groups import LARGE_BYTES, RowGroup
from file_cdk.testing.landing import version

T = TableName("t")
ROWS = 1000


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[FilesDestination]:
    destination = FilesDestination(tmp_path / "lake")
    destination.open()
    yield destination
    destination.close()


def large(uri: str, number: int = 0) -> RemoteFile:
    return replace(version(uri, number), size_bytes=LARGE_BYTES)


def every_type() -> pa.RecordBatch:
    numbers = range(ROWS)

    def some(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
        return pa.array([None if at % 7 == 3 else values[at % len(values)] for at in numbers], kind)

    return pa.record_batch(
        {
            "n": pa.array(numbers, pa.int64()),
            "d": some([Decimal("-1.50"), Decimal("12345678901234.25")], pa.decimal128(18, 2)),
            "x": some([0.1, -1e300, float("inf")], pa.float64()),
            "s": some(["", "a", "ü" * 300], pa.string()),
            "b": some([b"\xff\0", b""], pa.binary()),
            "f": some([True, False], pa.bool_()),
            "day": some([date(2024, 2, 29), date(1, 1, 1)], pa.date32()),
            "at": some([datetime(2024, 2, 29, 1, 2, 3, 4)], pa.timestamp("us")),  # noqa: DTZ001 - without a zone
            "utc": some([datetime(1600, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
            "clock": some([time(23, 59, 59, 999999)], pa.time64("us")),
            "l": some([[1, None], [], [2]], pa.list_(pa.int64())),
            "o": some(
                [{"x": 1, "y": ["a"]}, {"x": None, "y": None}], pa.struct({"x": pa.int64(), "y": pa.list_(pa.string())})
            ),
        }
    )


def load(
    destination: FilesDestination, file: RemoteFile, *splits: Sequence[pa.RecordBatch], are_groups: bool = True
) -> None:
    table = destination.table(T)
    for batch in (batch for split in splits for batch in split):
        table.widen(batch.schema)
    encoder = encoder_of(table, destination)
    gatherer = gathering(encoder, file)
    assert (gatherer is not None) is (file.size_bytes >= LARGE_BYTES)
    one = table.begin(file)
    rows = 0
    for batches in splits:
        before, first = rows, 1
        if gatherer is not None:
            block = gatherer.encode_together(batches, file, first)
            assert block is not None
            assert (RowGroup.of(block) is not None) is are_groups
            one.write(block, before)
        else:
            for batch in batches:
                one.write(encoder.encode(batch, file, first, 0), before)
                first += batch.num_rows
        rows += sum(batch.num_rows for batch in batches)
    one.commit(LoadedFile(rows))
    table.flush()


def paths(destination: FilesDestination) -> list[Path]:
    return [Path(destination.path, file.path) for file in latest(Folder(destination.path)).tables.get("t", [])]


def found(destination: FilesDestination) -> pa.Table:
    return pa.concat_tables([pq.read_table(path) for path in paths(destination)], promote_options="default")


def test_data_files_are_as_the_parent_makes_them(tmp_path: Path, lake: FilesDestination) -> None:
    whole = every_type()
    splits = [[whole.slice(0, 400), whole.slice(400, 50)], [whole.slice(450)]]
    load(lake, large("a"), *splits)
    with closing(FilesDestination(tmp_path / "other")) as other:
        other.open()
        load(other, version("a"), *splits)
        assert found(lake).equals(found(other))
        [ours], [theirs] = paths(lake), paths(other)
        assert pq.read_schema(ours).equals(pq.read_schema(theirs), check_metadata=True)
        sql = "SELECT * FROM read_parquet('{}') EXCEPT ALL SELECT * FROM read_parquet('{}')"
        with closing(duckdb.connect()) as db:
            for one, two in ((ours, theirs), (theirs, ours)):
                assert db.execute(sql.format(one, two)).fetchall() == []
        assert pl.read_parquet(ours).equals(pl.read_parquet(theirs))
    metadata = pq.read_metadata(ours)
    assert metadata.num_row_groups == len(splits)
    assert metadata.row_group(1).column(0).statistics.min == 450
    assert found(lake)["_file_row"].to_pylist() == list(range(1, ROWS + 1))


@pytest.mark.parametrize("file", [large("a"), version("a")], ids=["a worker's", "the parent's"])
def test_decimals_are_integers_to_parquet_as_far_as_it_has_any(lake: FilesDestination, file: RemoteFile) -> None:
    values = [Decimal("-0.01"), None, Decimal("9999999999999999.99")]
    kinds = {"long": pa.decimal128(18, 2), "longer": pa.decimal128(19, 2)}
    load(lake, file, [pa.record_batch({name: pa.array(values, kind) for name, kind in kinds.items()})])
    assert [found(lake)[name].to_pylist() for name in kinds] == [values, values]
    group = pq.read_metadata(*paths(lake)).row_group(0)
    told = {each.path_in_schema: each for each in map(group.column, range(group.num_columns))}
    assert [told[name].physical_type for name in kinds] == ["INT64", "FIXED_LEN_BYTE_ARRAY"]
    assert "DELTA_BINARY_PACKED" in told["long"].encodings
    assert [told[name].statistics.max for name in kinds] == [values[2], values[2]]


def test_columns_that_a_split_lacks_are_null_there(lake: FilesDestination) -> None:
    load(
        lake,
        large("a"),
        [pa.record_batch({"n": [1, 2], "s": pa.array([None, None], pa.string())})],
        [pa.record_batch({"n": [3], "s": ["x"]})],
        [pa.record_batch({"s": ["y"], "l": [[1]]})],
    )
    columns = found(lake).select(["n", "s", "l", "_file_row"]).to_pylist()
    assert columns == [
        {"n": 1, "s": None, "l": None, "_file_row": 1},
        {"n": 2, "s": None, "l": None, "_file_row": 2},
        {"n": 3, "s": "x", "l": None, "_file_row": 3},
        {"n": None, "s": "y", "l": [1], "_file_row": 4},
    ]


def test_rows_of_narrower_types_are_converted(lake: FilesDestination) -> None:
    load(lake, large("a"), [pa.record_batch({"n": [1, 2]})])
    load(
        lake, large("b"), [pa.record_batch({"n": [3]})], [pa.record_batch({"n": [0.5]})], [pa.record_batch({"n": [4]})]
    )
    rows = found(lake).sort_by([("_file_url", "ascending"), ("_file_row", "ascending")])
    assert rows["n"].to_pylist() == [1.0, 2.0, 3.0, 0.5, 4.0]
    assert rows["_file_row"].to_pylist() == [1, 2, 1, 2, 3]


def test_data_files_of_a_commit_are_not_read_where_they_have_the_types_of_the_table(
    lake: FilesDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    reading = Folder.open

    def noting(folder: Folder, name: str) -> Any:
        opened.append(name)
        return reading(folder, name)

    monkeypatch.setattr(Folder, "open", noting)
    load(lake, large("a"), [every_type()])
    load(lake, version("b"), [every_type()])
    assert opened == []
    load(lake, large("c"), [pa.record_batch({"n": [0.5]})])
    assert len(opened) >= 2  # those of before have integers there


def test_names_that_differ_in_case_get_columns_of_their_own(lake: FilesDestination) -> None:
    load(lake, large("a"), [pa.record_batch({"n": [1], "o": [{"x": 1}]})])
    load(lake, large("b"), [pa.record_batch({"N": [2], "O": [{"x": 2}]})])
    table = found(lake)
    by_file = {row["_file_url"]: row for row in table.to_pylist()}
    other, nested = [name for name in table.column_names if name.lower() in ("n_2", "o_2")]
    assert (by_file["a"]["n"], by_file["a"][other], by_file["a"]["o"]) == (1, None, {"x": 1})
    assert (by_file["b"]["n"], by_file["b"][other], by_file["b"][nested]) == (None, 2, {"x": 2})


def test_a_data_file_ends_at_the_target_size(tmp_path: Path) -> None:
    with closing(FilesDestination(tmp_path / "lake", target_file_bytes=20_000)) as lake:
        lake.open()
        random = Random(7)
        splits = [[pa.record_batch({"s": [random.randbytes(8).hex() for _ in range(2000)]})] for _ in range(6)]
        load(lake, large("a"), *splits)
        sizes = [path.stat().st_size for path in paths(lake)]
        assert len(sizes) > 1
        assert min(sizes[:-1]) >= 20_000
        assert found(lake)["_file_row"].to_pylist() == list(range(1, 12_001))


def test_a_newer_version_replaces_the_rows_and_a_load_that_is_given_up_leaves_nothing(lake: FilesDestination) -> None:
    load(lake, large("a"), [pa.record_batch({"n": [1, 2]})])
    load(lake, large("a", 1), [pa.record_batch({"n": [3]})])
    assert found(lake)["n"].to_pylist() == [3]
    table = lake.table(T)
    one = table.begin(large("a", 2))
    gatherer = gathering(encoder_of(table, lake), large("a", 2))
    assert gatherer is not None
    block = gatherer.encode_together([pa.record_batch({"n": [4]})], large("a", 2), 1)
    assert block is not None
    one.write(block, 0)
    one.abort()
    table.flush()
    assert found(lake)["n"].to_pylist() == [3]
    assert {path.name for path in Path(lake.path, "t").iterdir()} >= {path.name for path in paths(lake)}


def test_other_kinds_of_tables_get_batches(tmp_path: Path) -> None:
    as_text, in_folders = tmp_path / "text", tmp_path / "folders"
    for lake in (FilesDestination(as_text, output_format="csv"), FilesDestination(in_folders, partition_by="n")):
        with closing(lake):
            lake.open()
            table = lake.table(T)
            assert gathering(encoder_of(table, lake), large("a")) is None
    with closing(FilesDestination(tmp_path / "merged")) as lake:
        lake.open()
        table = lake.table(replace(T, merge=MergeRule(("n",), "at")))
        assert gathering(encoder_of(table, lake), large("a")) is None


@pytest.mark.parametrize("names", [("n", "N"), ("n", "_file_row"), ("n", "_FILE_URL")])
def test_names_that_a_data_file_cannot_have_as_they_are_go_in_batches(
    lake: FilesDestination, names: tuple[str, str]
) -> None:
    gatherer = gathering(encoder_of(lake.table(T), lake), large("a"))
    assert gatherer is not None
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=list(names))
    assert gatherer.encode_together([batch], large("a"), 1) is None


def test_footers_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(every_type()), path, row_group_size=300, write_page_index=True)
    data = path.read_bytes()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    assert thrift.encoded(thrift.parsed(footer)) == footer
