"""Every layout that Arrow has for the same values, loaded whole and in slices: what is read back is what pyarrow says."""

import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from file_cdk.core.errors import FileError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, TableName
from file_cdk.destinations.duckdb.destination import DuckDBDestination

FILE = RemoteFile("f", 1, dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
TEXTS = ["a", "bb", None, "", "longer than what a view holds itself"]
STRINGS = (pa.string(), pa.large_string(), pa.string_view())
PAIR = pa.struct([("a", pa.int32()), ("b", pa.string())])
PAIRS = [{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]
LISTS: Mapping[str, Callable[[pa.DataType], pa.DataType]] = {
    "list": pa.list_,
    "large_list": pa.large_list,
    "list_view": pa.list_view,
    "large_list_view": pa.large_list_view,
}
MOMENT, EARLIER = (dt.datetime.fromisoformat(text) for text in ("2024-01-02T03:04:05", "1960-01-01"))


class Own(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    def __init__(self) -> None:
        super().__init__(pa.int64(), "file_cdk_tests.own")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, _storage: pa.DataType, _serialized: bytes) -> "Own":
        return cls()


def runs(values: pa.Array, kind: pa.DataType) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 5], kind), values)


def scalars() -> dict[str, pa.Array]:
    found = {str(kind): pa.array(TEXTS, kind) for kind in STRINGS}
    blobs = [b"a", None, b"\0\xff", b"y" * 40]
    found |= {str(kind): pa.array(blobs, kind) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())}
    found["fixed_size_binary"] = pa.array([b"abc", None, b"\0\1\2"], pa.binary(3))
    numbers = (pa.int8(), pa.int64(), pa.uint8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64())
    found |= {str(kind): pa.array([1, None, 0], kind) for kind in numbers}
    for kind, number in (
        (pa.decimal32(9, 2), "1234567.89"),
        (pa.decimal64(18, 2), "-1.25"),
        (pa.decimal128(38, 10), "1.5"),
        (pa.decimal128(10, -2), "1200"),
        (pa.decimal256(38, 2), "1.5"),
        (pa.decimal256(76, 0), "1" + "0" * 75),
    ):
        found[str(kind)] = pa.array([decimal.Decimal(number), None], kind)
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC", "Europe/Zurich", "+02:00"):
            kind = pa.timestamp(unit, zone)
            found[str(kind)] = pa.array([MOMENT, None, EARLIER], kind)
        kind = pa.duration(unit)
        found[str(kind)] = pa.array([dt.timedelta(days=3, seconds=5), None, dt.timedelta(seconds=-7)], kind)
    for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")):
        found[str(kind)] = pa.array([dt.time(1, 2, 3), None], kind)
    for kind in (pa.date32(), pa.date64()):
        found[str(kind)] = pa.array([dt.date(2024, 1, 1), None, dt.date(1, 1, 1)], kind)
    found["null"] = pa.nulls(3)
    return found


def extensions() -> dict[str, pa.Array]:
    return {
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(int=5).bytes, None], pa.binary(16))),
        "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}', None])),
        "large json": pa.ExtensionArray.from_storage(
            pa.json_(pa.large_string()), pa.array(['{"a":1}', None], pa.large_string())
        ),
        "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8())),
        "opaque": pa.ExtensionArray.from_storage(pa.opaque(pa.binary(), "geometry", "x"), pa.array([b"\0x", None])),
        "own": pa.ExtensionArray.from_storage(Own(), pa.array([1, None])),
        "tensor": pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(pa.int32(), [2]), pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2))
        ),
    }


def lists() -> dict[str, pa.Array]:
    found = {}
    for name, make in LISTS.items():
        found[f"{name} of int"] = pa.array([[1, None, 3], None, [], [4]], make(pa.int64()))
        found[f"{name} of half"] = pa.array([[1.5, None], None, [], [2.5]], make(pa.float16()))
        found[f"{name} of null"] = pa.array([[None], None, []], make(pa.null()))
        found[f"{name} of struct"] = pa.array([PAIRS, None, [], PAIRS[:1]], make(PAIR))
        for text in STRINGS:
            found[f"{name} of {text}"] = pa.array([["a", None], None, [], TEXTS], make(text))
        found[f"list of {name}"] = pa.array([[[1, None], None, []], None, []], pa.list_(make(pa.int64())))
        found[f"struct of {name}"] = pa.array([{"l": [1]}, None, {"l": None}], pa.struct([("l", make(pa.int64()))]))
    found["fixed of int"] = pa.array([[1, None], None, [3, 4]], pa.list_(pa.int64(), 2))
    found["fixed of half"] = pa.array([[1.5, None], None, [2.5, 1]], pa.list_(pa.float16(), 2))
    found["fixed of large_string"] = pa.array([["a", None], None, ["c", "d"]], pa.list_(pa.large_string(), 2))
    found["fixed of nothing"] = pa.array([[], None, []], pa.list_(pa.int64(), 0))
    found["list of fixed"] = pa.array([[[1, 2], None], None, []], pa.list_(pa.list_(pa.int64(), 2)))
    found["list of decimal256"] = pa.array([[decimal.Decimal(10) ** 75, None], None], pa.list_(pa.decimal256(76, 0)))
    return found


def groups() -> dict[str, pa.Array]:
    found = {}
    for key in STRINGS:
        for value in (*STRINGS, pa.null()):
            entries = [[("k", None)], None, [], [("a", None), ("b", None)]]
            found[f"map of {key} to {value}"] = pa.array(entries, pa.map_(key, value))
    half = [[("a", 1.5)], None, [], [("b", None), ("c", 2)]]
    found["map to half"] = pa.array(half, pa.map_(pa.string(), pa.float16()))
    views = [[(1, ["x", None])], None, []]
    found["map to lists"] = pa.array(views, pa.map_(pa.int32(), pa.large_list(pa.string_view())))
    found["map to nothing"] = pa.array([[("a", {})], None], pa.map_(pa.string(), pa.struct([])))
    found["struct of nothing"] = pa.array([{}, None, {}], pa.struct([]))
    found["list of struct of nothing"] = pa.array([[{}, None], None, []], pa.list_(pa.struct([])))
    found["struct of struct of nothing"] = pa.array(
        [{"e": {}, "x": 1}, None, {"e": None, "x": None}], pa.struct([("e", pa.struct([])), ("x", pa.int8())])
    )
    found["struct of null"] = pa.array([{"n": None}, None], pa.struct([("n", pa.null())]))
    halves = [{"l": [1.5]}, None, {"l": None}, {"l": [2.5, None]}]
    found["struct of lists of halves"] = pa.array(halves, pa.struct([("l", pa.large_list(pa.float16()))]))
    return found


def encoded() -> dict[str, pa.Array]:
    places = pa.array([0, 1, 2, None, 0])
    found = {f"dictionary of {kind}": pa.DictionaryArray.from_arrays(places, pa.array(TEXTS, kind)) for kind in STRINGS}
    found["dictionary of struct"] = pa.DictionaryArray.from_arrays(places, pa.array(PAIRS, PAIR))
    found["dictionary of list"] = pa.DictionaryArray.from_arrays(
        places, pa.array([[1], None, [2, None]], pa.list_(pa.int32()))
    )
    found["dictionary of half"] = pa.DictionaryArray.from_arrays(places, pa.array([1.5, None, 2], pa.float16()))
    words = pa.DictionaryArray.from_arrays(pa.array([0, 1, None]), pa.array(["x", "y"]))
    found["list of dictionary"] = pa.ListArray.from_arrays([0, 2, 3], words)
    found["struct of dictionary"] = pa.StructArray.from_arrays([words], ["d"])
    for kind in (pa.int16(), pa.int32(), pa.int64()):
        found[f"runs by {kind}"] = runs(pa.array(["a", None, "b"], pa.large_string()), kind)
    found["list of runs"] = pa.ListArray.from_arrays([0, 2, 5], found["runs by int32"])
    found["list view of runs"] = pa.ListViewArray.from_arrays([0, 2], [2, 3], found["runs by int32"])
    found["struct of runs"] = pa.StructArray.from_arrays([found["runs by int32"]], ["r"])
    for name, column in extensions().items():
        found[name] = column
        if name == "tensor":
            continue  # its values inside others cannot be told without NumPy
        found[f"list of {name}"] = pa.ListArray.from_arrays([0, 1, 2], column)
        found[f"struct of {name}"] = pa.StructArray.from_arrays([column], ["x"])
    return found


COLUMNS = scalars() | lists() | groups() | encoded()


def as_stored(value: Any, kind: pa.DataType) -> Any:
    """The value as a person sees it in DuckDB: maps are dictionaries, and what no type holds is text."""
    t = pa.types
    if t.is_dictionary(kind) or t.is_run_end_encoded(kind):
        return as_stored(value, kind.value_type)
    if value is None:
        return None
    if isinstance(value, uuid.UUID) or (t.is_decimal(kind) and kind.precision > 38):
        return str(value)
    if t.is_map(kind):
        return {as_stored(key, kind.key_type): as_stored(item, kind.item_type) for key, item in value}
    if t.is_struct(kind):
        return {field.name: as_stored(value[field.name], field.type) for field in kind} if kind.num_fields else "{}"
    if isinstance(value, list):
        return [as_stored(item, kind.value_type) for item in value]
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC)
    return value


def load(destination: DuckDBDestination, name: str, slices: list[pa.Array]) -> None:
    table = destination.table(TableName(name))
    table.widen(pa.schema([("c", slices[0].type)]))
    load = table.begin(FILE)
    rows = 0
    for column in [slices[0].slice(0, 0), *slices]:  # the first names the column, which may have no value
        load.write(destination.encoder.encode(pa.record_batch([column], ["c"]), FILE, 1, 0), rows)
        rows += len(column)
    load.commit(LoadedFile(rows))
    table.flush()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A table for each column, and one for each column in slices: a database of its own for each, or a connection, which reads
    what all of them are, would take half a minute."""
    path = tmp_path_factory.mktemp("layouts") / "x.duckdb"
    destination = DuckDBDestination(path)
    destination.open()
    for name, column in COLUMNS.items():
        load(destination, f"{name}, whole", [column])
        load(destination, f"{name}, sliced", [column.slice(0, 1), column.slice(1)])
    destination.close()
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.mark.parametrize("how", ["whole", "sliced"])
@pytest.mark.parametrize("name", COLUMNS)
def test_values_are_the_same_in_every_layout(database: duckdb.DuckDBPyConnection, name: str, how: str) -> None:
    column = COLUMNS[name]
    plain = column.storage if isinstance(column.type, pa.FixedShapeTensorType) else column
    found = database.execute(f'SELECT c FROM "{name}, {how}" ORDER BY _file_row, rowid').fetchall()
    assert [value for (value,) in found] == [as_stored(value, plain.type) for value in plain.to_pylist()]


@pytest.mark.parametrize("name", ["sparse", "dense", "listed"])
def test_a_union_is_refused_as_what_it_is(tmp_path: Path, name: str) -> None:
    numbers, words = pa.array([1, 2]), pa.array(["a", "b"])
    which, where = pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32())
    sparse = pa.UnionArray.from_sparse(which, [numbers, words])
    column = {
        "sparse": sparse,
        "dense": pa.UnionArray.from_dense(which, where, [numbers, words]),
        "listed": pa.ListArray.from_arrays([0, 1, 2], sparse),
    }[name]
    destination = DuckDBDestination(tmp_path / "x.duckdb")
    destination.open()
    with pytest.raises(FileError, match="union") as caught:
        load(destination, "t", [column])
    destination.close()
    assert (caught.value.uri, caught.value.column) == ("f", "c")
