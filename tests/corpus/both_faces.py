"""A file through both faces of the program, each as a user has it: records of the protocol, and a table in DuckDB."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import isfinite
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from source_local.source import connector

from file_cdk import MaxRejects, SyncOptions, sync
from file_cdk.pipeline.discovery import discover
from file_cdk.pipeline.read import read_streams

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """rows: of the table, in the file's order, without the columns about the file. rejects: reasons, by how many records."""

    rows: list[tuple[Any, ...]]
    columns: list[str]
    types: list[str]
    rejects: dict[str, int]
    failures: list[str]


def records_of(path: Path, filetype: str) -> list[Json]:
    """Without the two columns about the file, and without what the catalog says."""
    config = {
        "path": str(path.parent),
        "streams": [{"name": "s", "globs": [path.name], "format": {"filetype": filetype}}],
    }
    messages = [json.loads(line) for line in discover(connector, config)]
    (catalog,) = (message["catalog"] for message in messages if message["type"] == "CATALOG")
    streams = [
        {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
        for stream in catalog["streams"]
    ]
    with tempfile.TemporaryFile() as out:
        read_streams(connector, config, {"streams": streams}, None, out.fileno(), 0)
        out.seek(0)
        found = [json.loads(line) for line in out]
    return [
        {name: value for name, value in message["record"]["data"].items() if not name.startswith("_ab_source_file")}
        for message in found
        if message["type"] == "RECORD"
    ]


def table_of(path: Path, folder: Path) -> Loaded:
    """folder: for the database."""
    target = folder / f"{path.name}.duckdb"
    result = sync(path, target, SyncOptions(workers=0, stream="t", max_rejects=MaxRejects(percent=100)))
    failures = [str(error) for error in result.failures]
    with duckdb.connect(str(target)) as connection:
        names = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        rejects: dict[str, int] = {}
        if "_file_cdk_rejects" in names:
            query = "SELECT reason, count(*)::INT FROM _file_cdk_rejects GROUP BY ALL"
            rejects = dict(connection.execute(query).fetchall())
        if "t" not in names:
            return Loaded([], [], [], rejects, failures)
        found = connection.execute(
            "SELECT * EXCLUDE (_file_url, _file_modified_at, _file_row) FROM t ORDER BY _file_row"
        )
        description = found.description or []
        types = [str(kind) for _, kind, *_ in description]
        return Loaded(found.fetchall(), [name for name, *_ in description], types, rejects, failures)


def without_nulls(records: Sequence[Json]) -> list[Json]:
    """A record on the wire leaves out columns that are null."""
    return [{name: value for name, value in record.items() if value is not None} for record in records]


def plain(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return plain(kind.storage_type)
    return plain(kind.value_type) if pa.types.is_dictionary(kind) else kind


def rendered(value: Any, kind: pa.DataType) -> Any:
    """A value of pyarrow's as a record has it: by the documented rules, and by Python alone."""
    t = pa.types
    if value is None:
        return None
    if isinstance(kind, pa.UuidType):
        return str(value)
    kind = plain(kind)
    if t.is_struct(kind):
        return {field.name: rendered(value[field.name], field.type) for field in kind}
    if t.is_map(kind):
        return {key: rendered(item, kind.item_type) for key, item in value}
    if hasattr(kind, "value_type"):
        return [rendered(item, kind.value_type) for item in value]
    if t.is_decimal(kind):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value // timedelta(milliseconds=1)
    return value


def rendered_rows(table: pa.Table) -> list[Json]:
    return [{field.name: rendered(row[field.name], field.type) for field in table.schema} for row in table.to_pylist()]
