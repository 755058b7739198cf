"""Laws: Avro records are what the values written mean, whichever path reads them, in any codec; and a table has the same values.

The strategies make a type together with values of it, each as fastavro writes it and as JSON should have it.
"""

import bz2
import io
import itertools
import json
import lzma
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import cramjam
import fastavro
import pyarrow as pa
import pytest
import zstandard
from file_builders import remote
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from file_cdk.core.config import AvroConfig
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.avro.format import AvroFormat
from file_cdk.protocol.record_encoding import RecordEncoder

COLUMNS = AvroFormat(AvroConfig())
ONE_BY_ONE = AvroFormat(AvroConfig(), columns=False)
EPOCH = datetime.fromisoformat("1970-01-01")
FILE = RemoteFile("a.avro", 0, datetime(2024, 1, 1, tzinfo=UTC))

names = (f"{stem}{number}" for number in itertools.count() for stem in ("n", "name_", "Ns.T"))


@dataclass(frozen=True)
class Kind:
    """schema: makes the type anew, as named types may be defined once. values: (as written, as JSON).

    in_columns: whether columns can hold it.
    """

    schema: Callable[[], Any]
    values: st.SearchStrategy[tuple[Any, Any]]
    in_columns: bool = True


def same(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return strategy.map(lambda value: (value, value))


def finite_or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None


def text_of(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


def instant(microseconds: int) -> str:
    return (EPOCH + timedelta(microseconds=microseconds)).isoformat()


def nanoseconds(value: int) -> str:
    microseconds, rest = divmod(value, 1000)
    if not rest:
        return instant(microseconds)
    return (EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds") + f"{rest:03}"


def scaled(unscaled: int, scale: int) -> tuple[bytes, str]:
    size = unscaled.bit_length() // 8 + 1
    text = Decimal((unscaled < 0, tuple(map(int, str(abs(unscaled)))), -scale))
    return unscaled.to_bytes(size, "big", signed=True), str(text)


INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
MICROSECONDS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
MILLISECONDS = st.integers(-62_135_596_800_000, 253_402_300_799_999)
TEXT = st.text(max_size=6)

plain: list[Kind] = [
    Kind(lambda: "boolean", same(st.booleans())),
    Kind(lambda: "int", same(INT)),
    Kind(lambda: "long", same(LONG)),
    Kind(lambda: "float", st.floats(width=32).map(lambda f: (f, finite_or_null(f)))),
    Kind(lambda: "double", st.floats().map(lambda f: (f, finite_or_null(f)))),
    Kind(lambda: "string", same(TEXT)),
    Kind(lambda: "bytes", st.binary(max_size=6).map(lambda b: (b, text_of(b)))),
    Kind(
        lambda: {"type": "fixed", "name": next(names), "size": 3},
        st.binary(min_size=3, max_size=3).map(lambda b: (b, text_of(b))),
    ),
    Kind(
        lambda: {"type": "enum", "name": next(names), "symbols": ["A", "b", "c_d"]},
        same(st.sampled_from(["A", "b", "c_d"])),
    ),
]
logical: list[Kind] = [
    Kind(
        lambda: {"type": "int", "logicalType": "date"},
        st.dates().map(lambda d: (d.toordinal() - 719_163, d.isoformat())),
    ),
    Kind(
        lambda: {"type": "int", "logicalType": "date"},  # years that Python has not
        st.sampled_from([(2_932_897, "+10000-01-01"), (-719_163, "+0000-12-31"), (-719_529, "-0001-12-31")]),
    ),
    Kind(
        lambda: {"type": "int", "logicalType": "time-millis"},
        st.integers(0, 86_399_999).map(lambda t: (t, instant(t * 1000)[11:])),
    ),
    Kind(
        lambda: {"type": "long", "logicalType": "time-micros"},
        st.integers(0, 86_399_999_999).map(lambda t: (t, instant(t)[11:])),
    ),
    Kind(
        lambda: {"type": "long", "logicalType": "timestamp-millis"},
        MILLISECONDS.map(lambda t: (t, instant(t * 1000) + "+00:00")),
    ),
    Kind(
        lambda: {"type": "long", "logicalType": "timestamp-micros"},
        MICROSECONDS.map(lambda t: (t, instant(t) + "+00:00")),
    ),
    Kind(
        lambda: {"type": "long", "logicalType": "timestamp-micros"},
        st.just((253_402_300_800_000_000, "+10000-01-01T00:00:00+00:00")),
    ),
    Kind(
        lambda: {"type": "long", "logicalType": "timestamp-nanos"}, LONG.map(lambda t: (t, nanoseconds(t) + "+00:00"))
    ),
    Kind(
        lambda: {"type": "long", "logicalType": "local-timestamp-millis"},
        MILLISECONDS.map(lambda t: (t, instant(t * 1000))),
    ),
    Kind(
        lambda: {"type": "long", "logicalType": "local-timestamp-micros"}, MICROSECONDS.map(lambda t: (t, instant(t)))
    ),
    Kind(
        lambda: {"type": "string", "logicalType": "uuid"},
        st.uuids().flatmap(lambda u: st.sampled_from([(str(u), str(u)), (str(u).upper(), str(u)), (u.hex, str(u))])),
    ),
    Kind(
        lambda: {"type": "fixed", "name": next(names), "size": 16, "logicalType": "uuid"},
        st.uuids().map(lambda u: (u.bytes, str(u))),
    ),
    Kind(
        lambda: {"type": "fixed", "name": next(names), "size": 12, "logicalType": "duration"},
        st.just((bytes([1, 0, 0, 0, 2, 0, 0, 0, 0xE8, 3, 0, 0]), "P1M2DT1.000S")),
    ),
    Kind(
        lambda: {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        st.integers(-(10**9) + 1, 10**9 - 1).map(lambda n: scaled(n, 2)),
    ),
    Kind(
        lambda: {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 12},
        st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: scaled(n, 12)),
    ),
    Kind(
        lambda: {
            "type": "fixed",
            "name": next(names),
            "size": 16,
            "logicalType": "decimal",
            "precision": 38,
            "scale": 0,
        },
        st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: (n.to_bytes(16, "big", signed=True), str(n))),
    ),
    Kind(
        lambda: {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 10},
        st.integers(-(10**50) + 1, 10**50 - 1).map(lambda n: scaled(n, 10)),
        in_columns=False,
    ),
    Kind(lambda: {"type": "string", "logicalType": "of-tomorrow"}, same(TEXT)),
]


def nullable(kind: Kind, *, null_first: bool) -> Kind:
    def schema() -> Any:
        return ["null", kind.schema()] if null_first else [kind.schema(), "null"]

    return Kind(schema, st.one_of(st.just((None, None)), kind.values), kind.in_columns)


def array(kind: Kind) -> Kind:
    values = st.lists(kind.values, max_size=3).map(lambda pairs: ([a for a, _ in pairs], [j for _, j in pairs]))
    return Kind(lambda: {"type": "array", "items": kind.schema()}, values, kind.in_columns)


def mapping(kind: Kind) -> Kind:
    values = st.dictionaries(TEXT, kind.values, max_size=3).map(
        lambda members: ({k: a for k, (a, _) in members.items()}, {k: j for k, (_, j) in members.items()})
    )
    return Kind(lambda: {"type": "map", "values": kind.schema()}, values, kind.in_columns)


def record(kinds: list[Kind]) -> Kind:
    def schema() -> Any:
        fields = [{"name": f"f{number}", "type": kind.schema()} for number, kind in enumerate(kinds)]
        return {"type": "record", "name": next(names), "fields": fields}

    values = st.tuples(*(kind.values for kind in kinds)).map(
        lambda pairs: (
            {f"f{number}": written for number, (written, _) in enumerate(pairs)},
            {f"f{number}": wanted for number, (_, wanted) in enumerate(pairs)},
        )
    )
    return Kind(schema, values, bool(kinds) and all(kind.in_columns for kind in kinds))


kinds = st.recursive(
    st.sampled_from(plain + logical).flatmap(
        lambda kind: st.sampled_from([kind, nullable(kind, null_first=True), nullable(kind, null_first=False)])
    ),
    lambda inner: st.one_of(
        inner.map(array),
        inner.map(mapping),
        st.lists(inner, min_size=1, max_size=3).map(record),
        inner.map(array).map(lambda kind: nullable(kind, null_first=True)),
        st.lists(inner, min_size=1, max_size=3).map(record).map(lambda kind: nullable(kind, null_first=True)),
    ),
    max_leaves=4,
)
# At the top level, timestamps that are never null print differently: there is an example for them in test_avro.
columns = kinds.map(lambda kind: kind if isinstance(kind.schema(), list) else nullable(kind, null_first=True))


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, list[dict[str, Any]], bool]:
    top = record(draw(st.lists(columns, min_size=1, max_size=5)))
    pairs = draw(st.lists(top.values, max_size=8))
    schema = top.schema()
    data = container(schema, [w for w, _ in pairs], draw(st.sampled_from(list(CODECS))), draw(st.integers(1, 9)))
    return data, [wanted for _, wanted in pairs], top.in_columns


def container(schema: Any, records: list[Any], codec: str, per_block: int) -> bytes:
    """Written by hand but for the records, so that values go into the file as they are, logical types or not."""
    sync = bytes(range(100, 116))
    parts = [b"avro.schema", json.dumps(schema).encode(), b"avro.codec", codec.encode()]
    out = [b"Obj\x01", long(2), *(long(len(part)) + part for part in parts), long(0), sync]
    for start in range(0, len(records), per_block):
        block = records[start : start + per_block]
        packed = CODECS[codec](b"".join(one if isinstance(one, bytes) else encoded(schema, one) for one in block))
        out += [long(len(block)), long(len(packed)), packed, sync]
    return b"".join(out)


def encoded(schema: Any, value: Any) -> bytes:
    sink = io.BytesIO()
    fastavro.schemaless_writer(sink, fastavro.parse_schema(without_logical_types(schema)), value)
    return sink.getvalue()


def without_logical_types(schema: Any) -> Any:
    if isinstance(schema, list):
        return [without_logical_types(branch) for branch in schema]
    if isinstance(schema, dict):
        return {key: without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    return schema


def long(number: int) -> bytes:
    sink = io.BytesIO()
    fastavro.schemaless_writer(sink, "long", number)
    return sink.getvalue()


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": deflate,
    "bzip2": bz2.compress,
    "snappy": lambda data: bytes(cramjam.snappy.compress_raw(data)) + zlib.crc32(data).to_bytes(4, "big"),
    "zstandard": lambda data: zstandard.compress(data),
    "xz": lzma.compress,
}


def records_of(fmt: AvroFormat, data: bytes) -> tuple[list[dict[str, Any]], set[str]]:
    file, report, encoder = remote(data), SplitReport(), RecordEncoder("s")
    found: list[dict[str, Any]] = []
    ways = set()
    for batch in fmt.read_records(io.BytesIO(data), Split(file, 0, 0, len(data)), None, report):
        ways.add(type(batch).__name__)
        for line in encoder.encode(batch, file, 1, 0).splitlines():
            values = json.loads(line)["record"]["data"]
            found.append({name: value for name, value in values.items() if not name.startswith("_ab_")})
    assert (report.start, report.end) == (0, len(data))
    assert report.rows == len(found)
    return found, ways


def without_null_columns(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}


@given(files())
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
def test_both_paths_give_what_was_written(made: tuple[bytes, list[dict[str, Any]], bool]) -> None:
    data, wanted, _ = made
    for fmt in (COLUMNS, ONE_BY_ONE):
        found, _ = records_of(fmt, data)
        # A null column is left out; a number that is none is null, and may be left out or not.
        assert [without_null_columns(r) for r in found] == [without_null_columns(r) for r in wanted]


def test_columns_are_what_reads_the_ordinary() -> None:
    """Otherwise the law above would compare one path with itself."""
    pytest.importorskip("polars_avro")
    for kind in plain + logical:
        schema = record([nullable(array(kind), null_first=True)]).schema()
        data = container(schema, [{"f0": []}, {"f0": None}], "null", 9)
        assert records_of(COLUMNS, data)[1] == {"RecordBatch" if kind.in_columns else "JsonLines"}
        assert records_of(ONE_BY_ONE, data)[1] == {"JsonLines"}


def table_of(fmt: AvroFormat, data: bytes, schema: pa.Schema) -> bytes:
    """As JSON, made from all rows at once: how the encoder spells an instant depends on the others of its batch."""
    file, report = remote(data), SplitReport()
    batches = []
    for batch in fmt.read_table(io.BytesIO(data), Split(file, 0, 0, len(data)), schema, report):
        assert batch.schema.types == schema.types
        batch.validate(full=True)
        batches.append(batch)
    return RecordEncoder("s").encode(pa.concat_batches(batches), file, 1, 0) if batches else b""


@given(files())
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_both_paths_make_the_same_table(made: tuple[bytes, list[dict[str, Any]], bool]) -> None:
    data, wanted, _ = made
    schema = COLUMNS.infer_table_schema(io.BytesIO(data), remote(data))
    table = table_of(COLUMNS, data, schema)
    assert table.count(b"\n") == len(wanted)
    assert table_of(ONE_BY_ONE, data, schema) == table


# What columns cannot hold

TREE = {
    "type": "record",
    "name": "Tree",
    "fields": [
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "children", "type": {"type": "array", "items": "Tree"}},
        {"name": "parent", "type": ["null", "Tree"]},
    ],
}
dates = st.dates().map(lambda d: (d.toordinal() - 719_163, d.isoformat()))


def tree(day: tuple[int, str], children: list[tuple[Any, Any]], parent: tuple[Any, Any]) -> tuple[Any, Any]:
    written, wanted = zip(*children, strict=True) if children else ((), ())
    return (
        {"day": day[0], "children": list(written), "parent": parent[0]},
        {"day": day[1], "children": list(wanted), "parent": parent[1]},
    )


trees = st.recursive(
    dates.map(lambda day: tree(day, [], (None, None))),
    lambda inner: st.builds(tree, dates, st.lists(inner, max_size=2), st.one_of(st.just((None, None)), inner)),
    max_leaves=6,
)


@given(st.lists(trees, max_size=5))
@settings(max_examples=50)
def test_records_inside_themselves(pairs: list[tuple[Any, Any]]) -> None:
    found, _ = records_of(COLUMNS, container(TREE, [written for written, _ in pairs], "deflate", 2))
    assert found == [without_null_columns(wanted) for _, wanted in pairs]


BRANCHES: list[Kind] = [
    Kind(lambda: "null", st.just((None, None))),
    *(kind for kind in plain + logical if kind.schema() not in ("float", "double")),
    Kind(lambda: {"type": "map", "values": "string"}, same(st.dictionaries(TEXT, TEXT, max_size=2))),
    Kind(lambda: {"type": "array", "items": {"type": "int", "logicalType": "date"}}, array(Kind(str, dates)).values),
]


@st.composite
def unions(draw: st.DrawFn) -> tuple[bytes, list[Any]]:
    """Written branch by branch: the specification allows each type once, but readers do not need it."""
    chosen = draw(st.lists(st.sampled_from(BRANCHES), min_size=2, max_size=6))
    branches = [kind.schema() for kind in chosen]
    numbers = draw(st.lists(st.integers(0, len(chosen) - 1), max_size=8))
    pairs = [draw(chosen[number].values) for number in numbers]
    written = [long(n) + encoded(branches[n], value) for n, (value, _) in zip(numbers, pairs, strict=True)]
    schema = {"type": "record", "name": "Row", "fields": [{"name": "f0", "type": branches}]}
    return container(schema, written, "null", 3), [wanted for _, wanted in pairs]


@given(unions())
@settings(max_examples=100)
def test_unions_of_several_types(made: tuple[bytes, list[Any]]) -> None:
    data, wanted = made
    found, _ = records_of(COLUMNS, data)
    assert found == [{} if value is None else {"f0": value} for value in wanted]
