"""The law of a destination: a table holds exactly the rows of the versions its ledger calls loaded, in load order, and the
rejects are those of the last version of each file of which any are known."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, Reject, Rejects, TableName
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.limits import WriteLimits

T0 = datetime(2024, 1, 1, tzinfo=UTC)
KINDS: Mapping[str, tuple[pa.DataType, Any]] = {
    "int": (pa.int64(), lambda n: n),
    "double": (pa.float64(), lambda n: n + 0.5),
    "text": (pa.string(), lambda n: f"t{n}"),
}


@dataclass(frozen=True)
class Step:
    """What happens to one version of one file. rows: per block; a block begins a new split. rejected: how many records."""

    action: str
    uri: str
    version: int
    kind: str
    rows: tuple[int, ...]
    rejected: int


@dataclass
class Model:
    """A destination in a few lines: rows and ledger as plain lists, text for every value."""

    rows: list[tuple[str, int, int, str]] = field(default_factory=list)
    loaded: dict[str, tuple[int, int]] = field(default_factory=dict)
    failed: dict[str, tuple[int, int]] = field(default_factory=dict)
    rejects: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def apply(self, step: Step, values: list[Any]) -> None:
        if step.action == "load":
            self.rows = [row for row in self.rows if row[0] != step.uri]
            self.rows += [(step.uri, step.version, at, str(value)) for at, value in enumerate(values, 1)]
            self.failed.pop(step.uri, None)
            self.loaded[step.uri] = step.version, step.rejected
            self.rejects[step.uri] = [(step.version, row) for row in range(step.rejected)]
        elif step.action == "fail":
            self.failed[step.uri] = step.version, step.rejected
            if step.rejected:
                self.rejects[step.uri] = [(step.version, row) for row in range(step.rejected)]
            elif not self.loaded.get(step.uri, (0, 0))[1]:
                self.rejects[step.uri] = []
            else:
                version = self.loaded[step.uri][0]
                self.rejects[step.uri] = [found for found in self.rejects[step.uri] if found[0] == version]


STEPS = st.builds(
    Step,
    st.sampled_from(["load", "load", "load", "abort", "fail", "flush", "reopen"]),
    st.sampled_from(["a", "b", "c d"]),
    st.integers(0, 3),
    st.sampled_from(list(KINDS)),
    st.lists(st.integers(0, 4), max_size=4).map(tuple),
    st.sampled_from([0, 0, 1, 3]),
)


def rejects_of(step: Step) -> Rejects:
    found = Rejects()
    for row in range(step.rejected):
        found.add(Reject(row, None, "bad", f"{step.uri}\n".encode() if row % 2 else b"\xff"))
    return found


def file_of(step: Step) -> RemoteFile:
    return RemoteFile(step.uri, 5, T0 + timedelta(microseconds=step.version), None)


@settings(max_examples=30)
@given(st.lists(STEPS, max_size=12), st.sampled_from([(1, 2), (5, 3), (100, 100)]))
def test_the_table_is_what_the_ledger_says(steps: list[Step], sizes: tuple[int, int]) -> None:
    limits = WriteLimits(rows=sizes[0], files=sizes[1], seconds=3600)
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.duckdb"
        destination = DuckDBDestination(path, limits=limits)
        destination.open()
        for number, step in enumerate(steps):
            table = destination.table(TableName("t"))
            if step.action in ("load", "abort"):
                values = write(destination, step, number * 100)
                model.apply(step, values)
            elif step.action == "fail":
                table.record_failure(file_of(step), "bad", rejects_of(step))
                model.apply(step, [])
            elif step.action == "flush":
                table.flush()
            else:
                destination.close()
                destination = DuckDBDestination(path, limits=limits)
                destination.open()
        asked = [Step("load", uri, version, "int", (), 0) for version in range(4) for uri in ("a", "c d", "b")]
        table = destination.table(TableName("t"))
        table.flush()
        unloaded = table.unloaded([file_of(step) for step in asked])
        to_retry = table.unloaded([file_of(step) for step in asked], with_rejects=True)
        destination.close()
        assert unloaded == [model.loaded.get(step.uri, (-1, 0))[0] != step.version for step in asked]
        assert to_retry == [model.loaded.get(step.uri) != (step.version, 0) for step in asked]
        with duckdb.connect(str(path)) as connection:
            compare(connection, model)


def write(destination: DuckDBDestination, step: Step, base: int) -> list[Any]:
    """Loads the file, or begins to and aborts. Answers its values, each a different one."""
    table = destination.table(TableName("t"))
    kind, value_of = KINDS[step.kind]
    table.widen(pa.schema([("v", kind)]))
    file = file_of(step)
    load = table.begin(file)
    values: list[Any] = []
    for rows in step.rows:
        part = [value_of(base + len(values) + at) for at in range(rows)]
        load.write(ArrowIpcEncoder().encode(pa.record_batch({"v": pa.array(part, kind)}), file, 1, 0), len(values))
        values += part
    if step.action == "load":
        load.commit(LoadedFile(len(values), rejects_of(step)))
    else:
        load.abort()
    return values


def compare(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    entries = connection.execute("SELECT url, status, epoch_us(modified_at), rejected FROM _file_cdk_files").fetchall()
    start = int(T0.timestamp()) * 1_000_000
    expected = [(uri, "loaded", start + version, rejected) for uri, (version, rejected) in model.loaded.items()]
    expected += [(uri, "failed", start + version, rejected) for uri, (version, rejected) in model.failed.items()]
    assert sorted(entries) == sorted(expected)
    kept = connection.execute('SELECT url, epoch_us(modified_at), "row" FROM _file_cdk_rejects').fetchall()
    for uri in ("a", "b", "c d"):
        of_file = [(version - start, row) for url, version, row in kept if url == uri]
        assert of_file == model.rejects.get(uri, [])
    if connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 't'").fetchone() == (0,):
        assert model.rows == []
        return
    rows = connection.execute("SELECT _file_url, epoch_us(_file_modified_at), _file_row, * FROM t").fetchall()
    columns = [name for name, *_ in connection.execute("DESCRIBE t").fetchall()]
    at = 3 + columns.index("v") if "v" in columns else 0
    [kind] = [str(kind) for name, kind, *_ in connection.execute("DESCRIBE t").fetchall() if name == "v"] or [""]
    spelled = [
        (uri, version, row, value if kind != "DOUBLE" else float(value)) for uri, version, row, value in model.rows
    ]
    found = [(row[0], row[1] - start, row[2], row[at] if kind == "DOUBLE" else str(row[at])) for row in rows]
    if kind == "VARCHAR":
        # A column may have been DOUBLE for a while, when whole numbers got a decimal point.
        found = [(*row[:3], row[3].removesuffix(".0")) for row in found]
        spelled = [(*row[:3], str(row[3]).removesuffix(".0")) for row in spelled]
    assert found == spelled
