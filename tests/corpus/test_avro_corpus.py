"""Avro files of generated schemas in every codec: records and tables against fastavro's reader, cell by cell."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from math import inf, isfinite, nan
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import fastavro
import pytest
from both_faces import records_of, table_of, without_nulls

ROWS = 120
CODECS = ("null", "deflate", "bzip2", "snappy", "xz")

Make = Callable[[Random], Any]

MOMENT = datetime(2024, 2, 29, 12, tzinfo=UTC)


def moment(random: Random, microseconds: int) -> datetime:
    span = timedelta(days=random.randint(-200_000, 200_000), microseconds=random.randrange(10**9) * microseconds)
    return MOMENT + span


def decimal(digits: int, scale: int) -> Make:
    return lambda random: Decimal(random.randrange(-(10**digits) + 1, 10**digits)).scaleb(-scale, Context(prec=80))


def text(random: Random) -> str:
    return "".join(random.choices('aé"\\\n€😀', k=random.randrange(6)))


def logical(base: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": name, **more}


SCALARS: dict[str, tuple[Any, Make]] = {
    "boolean": ("boolean", lambda random: random.random() < 0.5),
    "int": ("int", lambda random: random.randrange(-(2**31), 2**31)),
    "long": ("long", lambda random: random.choice([-(2**63), 2**63 - 1, random.randrange(100)])),
    "float": ("float", lambda random: random.choice([0.5, -0.0, inf, nan, 1.5e-40])),
    "double": ("double", lambda random: random.choice([0.1, -0.0, -inf, nan, 5e-324])),
    "string": ("string", text),
    "bytes": ("bytes", lambda random: random.randbytes(random.randrange(4))),
    "date": (logical("int", "date"), lambda random: moment(random, 0).date()),
    "time_ms": (logical("int", "time-millis"), lambda random: time(random.randrange(24), 59, 1, random.randrange(1000) * 1000)),
    "time_us": (logical("long", "time-micros"), lambda random: time(random.randrange(24), 59, 1, random.randrange(10**6))),
    "instant_ms": (logical("long", "timestamp-millis"), lambda random: moment(random, 1000)),
    "instant_us": (logical("long", "timestamp-micros"), lambda random: moment(random, 1)),
    "local_us": (logical("long", "local-timestamp-micros"), lambda random: moment(random, 1).replace(tzinfo=None)),
    "uuid": (logical("string", "uuid"), lambda random: UUID(int=random.getrandbits(128))),
    "decimal": (logical("bytes", "decimal", precision=9, scale=2), decimal(9, 2)),
    "wide": (logical("bytes", "decimal", precision=38, scale=10), decimal(38, 10)),
    "wider": (logical("bytes", "decimal", precision=50, scale=5), decimal(50, 5)),
}  # fmt: skip


def field_type(random: Random, depth: int, names: list[int]) -> tuple[Any, Make]:
    """A schema and what makes values for it."""
    names.append(0)
    name = f"N{len(names)}"
    kind = random.choice(["scalar"] * 5 + ["fixed", "enum", "optional"] + ["array", "map", "record"] * (depth < 3))
    if kind == "scalar":
        return random.choice(list(SCALARS.values()))
    if kind == "fixed":
        return {"type": "fixed", "name": name, "size": 3}, lambda r: r.randbytes(3)
    if kind == "enum":
        return {"type": "enum", "name": name, "symbols": ["A", "B", "C"]}, lambda r: r.choice("ABC")
    if kind == "record":
        children = [field_type(random, depth + 1, names) for _ in range(random.randint(1, 3))]
        fields = [{"name": f"m{at}", "type": child} for at, (child, _) in enumerate(children)]
        return (
            {"type": "record", "name": name, "fields": fields},
            lambda r: {f"m{at}": make(r) for at, (_, make) in enumerate(children)},
        )
    inner, make = field_type(random, depth + 1, names)
    if kind == "array":
        return {"type": "array", "items": inner}, lambda r: [make(r) for _ in range(r.randrange(4))]
    if kind == "map":
        return {"type": "map", "values": inner}, lambda r: {f"k{at}": make(r) for at in range(r.randrange(4))}
    if isinstance(inner, list):
        return inner, make
    branches = random.choice([["null", inner], [inner, "null"]])
    return branches, lambda r: None if r.random() < 0.3 else make(r)


def written(path: Path, seed: int, codec: str) -> None:
    random = Random(seed)
    names: list[int] = []
    fields = [(f"f{at}", *field_type(random, 0, names)) for at in range(8)]
    schema = {"type": "record", "name": "row", "fields": [{"name": name, "type": kind} for name, kind, _ in fields]}
    rows = [{name: make(random) for name, _, make in fields} for _ in range(ROWS)]
    with path.open("wb") as file:
        fastavro.writer(
            file, fastavro.parse_schema(schema), rows, codec=codec, sync_interval=random.choice([100, 16_000])
        )


def in_record(value: Any, schema: Any = None) -> Any:
    """As docs/guide/formats.md and protocol/json_columns have it. schema: of a column's own."""
    match value:
        case datetime():
            unit = {"timestamp-millis": "milliseconds", "timestamp-micros": "microseconds"}
            name = schema.get("logicalType", "") if isinstance(schema, dict) else ""
            return value.isoformat(timespec=unit.get(name.removeprefix("local-"), "auto"))
        case date() | time():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case float():
            return value if isfinite(value) else None
        case list():
            return [in_record(item) for item in value]
        case dict():
            return {key: in_record(item) for key, item in value.items()}
    return value


def in_table(value: Any) -> Any:
    """One spelling for values of fastavro's and DuckDB's."""
    match value:
        case datetime():
            return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
        case Decimal():
            return str(value)
        case UUID():
            return str(value)
        case list():
            return [in_table(item) for item in value]
        case dict():
            return {key: in_table(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("seed", range(15))
def test_every_cell_is_what_fastavro_says(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    written(path, seed, CODECS[seed % len(CODECS)])
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        expected: list[dict[str, Any]] = [row for row in reader if isinstance(row, dict)]
        assert isinstance(reader.writer_schema, dict)
        kinds = {field["name"]: field["type"] for field in reader.writer_schema["fields"]}
    assert len(expected) == ROWS
    records = [{name: in_record(value, kinds[name]) for name, value in row.items()} for row in expected]
    assert repr(without_nulls(records_of(path, "avro"))) == repr(without_nulls(records))
    loaded = table_of(path, tmp_path)
    assert (loaded.rejects, loaded.failures) == ({}, [])
    assert loaded.columns == list(kinds)
    rows = [[in_table(value) for value in row] for row in loaded.rows]
    assert repr(rows) == repr([[in_table(value) for value in row.values()] for row in expected])
