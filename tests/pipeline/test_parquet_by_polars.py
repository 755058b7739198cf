"""Law: Parquet read by polars' own reader is what a pass makes of it, or is left to a pass."""

import os
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import file_cdk
from file_cdk.pipeline.library.by_polars import ReadByPolars
from file_cdk.pipeline.library.reading import Reading


def written(folder: Path, *tables: pa.Table, **options: Any) -> Path:
    """part-1.parquet and so on, each modified a second before the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, table in enumerate(tables):
        path = folder / f"part-{number}.parquet"
        pq.write_table(table, path, **options)
        os.utime(path, (1_000_000 - number, 1_000_000 - number))
    return folder


def by_a_pass(source: Path) -> pl.DataFrame:
    frame = pl.from_arrow(file_cdk.read(source, workers=0).to_arrow())
    assert isinstance(frame, pl.DataFrame)
    return frame


def was_by_polars(reading: Reading) -> bool:
    return isinstance(reading._ended(), ReadByPolars)


def check_alike(folder: Path) -> None:
    """What polars is let read is what a pass reads, which is asked in this process."""
    if (read := file_cdk.read(folder)._by_polars()) is not None:
        assert_frame_equal(read.frame, by_a_pass(folder))


DAY, INSTANT = date(2024, 1, 31), datetime.fromisoformat("2024-01-31T12:30:00.123456")

PLAIN: list[tuple[pa.DataType, list[Any]]] = [
    (pa.int64(), [1, None, -(2**63), 2**63 - 1]),
    (pa.float64(), [1.5, None, float("inf"), -0.0]),
    (pa.string(), ["a", None, "", "é\0"]),
    (pa.large_string(), ["a", None, "", "b"]),
    (pa.bool_(), [True, None, False, True]),
    (pa.date32(), [DAY, None, date(1, 1, 1), date(9999, 12, 31)]),
    (pa.timestamp("us"), [INSTANT, None, datetime.fromisoformat("0001-01-01"), INSTANT]),
    (pa.timestamp("us", "UTC"), [INSTANT.replace(tzinfo=UTC), None, None, None]),
]
OTHER: list[tuple[pa.DataType, list[Any]]] = [
    *((kind, [1, None, 0, 7]) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint32(), pa.uint64())),
    (pa.float32(), [1.5, None, 0.1, -0.0]),
    (pa.null(), [None] * 4),
    (pa.binary(), [b"a", None, b"", b"\xff"]),
    (pa.binary(2), [b"ab", None, b"cd", b"\xff\0"]),
    (pa.timestamp("s"), [INSTANT.replace(microsecond=0), None, None, None]),
    (pa.timestamp("ms"), [INSTANT.replace(microsecond=0), None, None, None]),
    (pa.timestamp("ns"), [INSTANT.replace(microsecond=0), None, None, None]),
    (pa.timestamp("us", "Europe/Berlin"), [INSTANT.replace(tzinfo=UTC), None, None, None]),
    (pa.timestamp("us", "+02:00"), [INSTANT.replace(tzinfo=UTC), None, None, None]),
    (pa.date64(), [DAY, None, None, None]),
    (pa.time32("ms"), [time(1, 2), None, None, None]),
    (pa.time64("us"), [time(1, 2), None, None, None]),
    (pa.duration("us"), [timedelta(1), None, None, None]),
    (pa.decimal128(10, 2), [Decimal("1.50"), None, None, None]),
    (pa.decimal256(50, 2), [Decimal("1.50"), None, None, None]),
    (pa.list_(pa.int64()), [[1], None, [], [None]]),
    (pa.struct([("a", pa.int64())]), [{"a": 1}, None, {"a": None}, None]),
    (pa.map_(pa.string(), pa.int64()), [[("a", 1)], None, [], None]),
    (pa.dictionary(pa.int32(), pa.string()), ["a", None, "b", "a"]),
]


@pytest.mark.parametrize(("kind", "values"), PLAIN, ids=str)
def test_plain_types_are_read_by_polars(kind: pa.DataType, values: list[Any], tmp_path: Path) -> None:
    table = pa.table({"n": pa.array(range(4), pa.int64()), "a": pa.array(values, kind)})
    folder = written(tmp_path / "in", table, table.slice(1), table.slice(0, 0))
    reading = file_cdk.read(folder)
    frame = reading.to_polars()
    assert was_by_polars(reading)
    assert_frame_equal(frame, by_a_pass(folder))
    assert frame["n"].to_list() == [1, 2, 3, 0, 1, 2, 3]
    assert [(each.uri, each.rows) for each in reading.result.files] == [
        ("part-2.parquet", 0),
        ("part-1.parquet", 3),
        ("part-0.parquet", 4),
    ]
    assert (reading.result.files_read, reading.result.rows, reading.result.rejected) == (3, 7, 0)
    assert reading.rejects == ()


@pytest.mark.parametrize(("kind", "values"), OTHER, ids=str)
def test_other_types_are_as_a_pass_has_them(kind: pa.DataType, values: list[Any], tmp_path: Path) -> None:
    folder = written(tmp_path / "in", pa.table({"a": pa.array(values, kind)}))
    check_alike(folder)


@pytest.mark.parametrize("options", [{"use_deprecated_int96_timestamps": True}, {"store_schema": False}], ids=str)
@pytest.mark.parametrize(
    ("kind", "values"), [*PLAIN, *OTHER], ids=lambda each: str(each) if isinstance(each, pa.DataType) else ""
)
def test_other_spellings_are_as_a_pass_has_them(
    kind: pa.DataType, values: list[Any], options: dict[str, bool], tmp_path: Path
) -> None:
    folder = written(tmp_path / "in", pa.table({"a": pa.array(values, kind)}), **options)
    check_alike(folder)


def test_extension_types_are_as_a_pass_has_them(tmp_path: Path) -> None:
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID(int=1).bytes, None], pa.binary(16)))
    texts = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}', None], pa.string()))
    for name, column in (("uuid", uuids), ("json", texts)):
        folder = written(tmp_path / name, pa.table({"a": column}))
        check_alike(folder)


def test_text_that_is_no_utf8_is_rejected(tmp_path: Path) -> None:
    offsets, data = pa.py_buffer(b"\0\0\0\0\1\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xff\xfe")
    table = pa.table({"a": pa.Array.from_buffers(pa.string(), 2, [None, offsets, data])})
    assert file_cdk.read(written(tmp_path / "in", table))._by_polars() is None


ONE = pa.table({"a": pa.array([1, 2], pa.int64()), "b": ["x", None]})


def renamed(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(ONE, path)
        return folder

    return make


def of_two_shapes(folder: Path) -> Path:
    return written(folder, ONE, ONE.append_column("c", pa.array([1, 2], pa.int64())))


def of_two_types(folder: Path) -> Path:
    return written(folder, ONE, ONE.set_column(0, "a", pa.array([1.5, 2.5])))


def beside_an_archive(folder: Path) -> Path:
    written(folder, ONE)
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("other.parquet", (folder / "part-0.parquet").read_bytes())
    return folder


def in_two_orders(folder: Path) -> Path:
    return written(folder, ONE, ONE.select(["b", "a"]))


LEFT_TO_A_PASS = {
    "two shapes": of_two_shapes,
    "two types": of_two_types,
    "two orders": in_two_orders,
    "an archive beside": beside_an_archive,
    "a folder that is a column": renamed("year=2024/a.parquet"),
    "a name with a percent sign": renamed("50%25.parquet"),
    "a name that is a pattern": renamed("[ab].parquet"),
    "a folder that is a pattern": renamed("a*/b.parquet"),
    "capital letters": renamed("A.PARQUET"),
    "a column about the file": lambda folder: written(folder, ONE.rename_columns(["a", "_ab_source_file_url"])),
}


@pytest.mark.parametrize("make", LEFT_TO_A_PASS.values(), ids=LEFT_TO_A_PASS)
def test_what_is_not_plain_is_left_to_a_pass(make: Callable[[Path], Path], tmp_path: Path) -> None:
    assert file_cdk.read(make(tmp_path / "in"))._by_polars() is None


OPTIONS: list[dict[str, Any]] = [
    {"workers": 1},
    {"memory_bytes": 500_000_000},
    {"columns": ["b"]},
    {"cast": {"a": "text"}},
    {"all_text": True},
    {"files": ["part-0.parquet"]},
    {"format": {"filetype": "parquet"}},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_what_has_options_is_left_to_a_pass(options: dict[str, Any], tmp_path: Path) -> None:
    assert file_cdk.read(written(tmp_path / "in", ONE), **options)._by_polars() is None


def test_periods_and_litter_count_as_in_a_pass(tmp_path: Path) -> None:
    folder = written(tmp_path / "in", ONE, ONE, ONE)
    (folder / ".part-9.parquet").write_bytes(b"half")
    since = datetime.fromtimestamp(999_999, UTC)
    reading, other = (file_cdk.read(folder, since=since) for _ in range(2))
    frame = reading.to_polars()
    assert was_by_polars(reading)
    assert frame.rows() == [(1, "x"), (2, None)] * 2
    other.to_arrow()
    assert (reading.result, reading.rejects) == (other.result, other.rejects)


def test_an_environment_with_a_budget_is_left_to_a_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILE_CDK_MEMORY", "500MB")
    assert file_cdk.read(written(tmp_path / "in", ONE))._by_polars() is None


@pytest.mark.parametrize("source", ["part-0.parquet", "*.parquet"])
def test_a_file_and_a_pattern_are_read_by_polars(source: str, tmp_path: Path) -> None:
    written(tmp_path / "in", ONE)
    reading = file_cdk.read(tmp_path / "in" / source)
    assert reading.to_polars().rows() == [(1, "x"), (2, None)]
    assert was_by_polars(reading)


@settings(max_examples=30)
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_file_gives_what_a_pass_gives(
    at: int, byte: int, cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = written(tmp_path_factory.mktemp("damaged") / "in", ONE)
    path = folder / "part-0.parquet"
    data = bytearray(path.read_bytes())
    at %= len(data)
    if cut:
        del data[at:]
    else:
        data[at] = byte
    path.write_bytes(data)
    read = file_cdk.read(folder)._by_polars()
    if read is None:
        return  # a pass says what is wrong
    try:
        rows = file_cdk.read(folder).to_arrow()
    except file_cdk.FileError:
        return  # polars passes over statistics and names that Arrow looks at
    assert_frame_equal(read.frame, pl.DataFrame(pl.from_arrow(rows)))


def test_what_polars_cannot_read_is_told_of_by_a_pass(tmp_path: Path) -> None:
    folder = written(tmp_path / "in", ONE)
    data = (folder / "part-0.parquet").read_bytes()
    (folder / "part-0.parquet").write_bytes(data[:-20] + data[-8:])
    with pytest.raises(file_cdk.FileError, match=r"part-0\.parquet"):
        file_cdk.read(folder).to_polars()


def test_a_file_that_changes_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "in", ONE)
    read = pl.read_parquet

    def changing(path: str, **options: Any) -> pl.DataFrame:
        frame = read(path, **options)
        pq.write_table(pa.table({"a": pa.array([3], pa.int64()), "b": ["y"]}), path)
        return frame

    monkeypatch.setattr(pl, "read_parquet", changing)
    reading = file_cdk.read(folder)
    assert reading.to_polars().rows() == [(3, "y")]
    assert not was_by_polars(reading)


def test_a_folder_of_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(file_cdk.AccessError, match="no file matches"):
        file_cdk.read(tmp_path / "*.parquet").to_polars()
