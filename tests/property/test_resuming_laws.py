"""The law of going on: however often a load is killed between two splits, its table is that of one load that was not.

Killed means: what is on the disk at that moment is all that the next run gets. The expectation is a load in one go, of the
file as one split where its format allows that.
"""

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.config import AvroConfig, CsvConfig, JsonlConfig, ParquetConfig
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import FileLoad, LoadedFile, TableName
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.limits import WriteLimits
from file_cdk.engine.executor import InlineExecutor
from file_cdk.engine.ordering import FileBegan, FileBlock, FileDone, FileFailed, OrderedRun, SplitDone
from file_cdk.engine.work import Job, TableShape
from file_cdk.formats.avro.format import AvroFormat
from file_cdk.formats.csv import CsvFormat
from file_cdk.formats.jsonl.format import JsonlFormat
from file_cdk.formats.parquet.format import ParquetFormat
from file_cdk.pipeline.tables.resuming import BegunFiles

T0 = datetime(2024, 1, 1, tzinfo=UTC)
AVRO_SCHEMA = {
    "type": "record",
    "name": "r",
    "fields": [{"name": "id", "type": "long"}, {"name": "text", "type": ["null", "string"]}],
}
BROKEN = "broken"
SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])

TEXTS = st.sampled_from(["plain", 'a "quoted" one', "over\nlines", "", "ü,é", '"', "\n\n"])
RECORDS = st.lists(st.one_of(TEXTS, TEXTS, TEXTS, st.just(BROKEN)), min_size=3, max_size=60).map(
    lambda texts: ["one that can be read", *texts]
)


@dataclass(frozen=True, slots=True)
class InMemory:
    data: bytes

    def list_files(self, prefix: str) -> Any:
        raise NotImplementedError

    def open(self, file: RemoteFile) -> IO[bytes]:
        return io.BytesIO(self.data)


def csv_bytes(texts: Sequence[str]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "text"])
    for number, text in enumerate(texts):
        writer.writerow([number, text, "one too many"] if text == BROKEN else [number, text])
    return out.getvalue().encode()


def jsonl_bytes(texts: Sequence[str]) -> bytes:
    lines = (
        '{"id": nothing}' if text == BROKEN else json.dumps({"id": number, "text": text})
        for number, text in enumerate(texts)
    )
    return "\n".join(lines).encode()


def whole_records(texts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"id": number, "text": None if text == BROKEN else text} for number, text in enumerate(texts)]


def parquet_bytes(texts: Sequence[str]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(whole_records(texts), SCHEMA), out, row_group_size=4)
    return out.getvalue()


def avro_bytes(texts: Sequence[str]) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, AVRO_SCHEMA, whole_records(texts), sync_interval=40, sync_marker=b"0123456789abcdef")
    return out.getvalue()


KINDS: dict[str, tuple[Any, Any]] = {
    "csv": (CsvFormat(CsvConfig(ragged="reject")), csv_bytes),
    "jsonl": (JsonlFormat(JsonlConfig()), jsonl_bytes),
    "parquet": (ParquetFormat(ParquetConfig()), parquet_bytes),
    "avro": (AvroFormat(AvroConfig()), avro_bytes),
}


class Killed(BaseException):
    """In place of SIGKILL."""


@dataclass(frozen=True)
class Loading:
    """One file, read as `sync` reads it. limits: of the destination."""

    file: RemoteFile
    job: Job
    limits: WriteLimits

    def run(self, path: Path, splits: int | None = None) -> int:
        """Killed after so many splits, with all that it wrote on the disk. Answers the byte it went on at."""
        destination = DuckDBDestination(path, limits=self.limits)
        destination.open()
        try:
            return self._run(destination, splits)
        except Killed:
            for name in (path, path.with_name(f"{path.name}.wal")):
                if name.exists():
                    shutil.copy(name, name.with_name(f"killed-{name.name}"))
            raise
        finally:
            destination.close()

    def _run(self, destination: DuckDBDestination, splits: int | None) -> int:
        table = destination.table(TableName("t"))
        table.widen(SCHEMA)
        begun = BegunFiles(table)
        ordered = OrderedRun(InlineExecutor(), self.job, [self.file], begun.tally)
        load: FileLoad | None = None
        started = 0
        for event in ordered:
            match event:
                case FileBegan(file, position):
                    load, _ = begun.load(file, position)
                    started = position
                case FileBlock(_, block, rows_before):
                    assert load is not None
                    load.write(bytes(block.read()), rows_before)
                case SplitDone(tally, _, _, read_whole):
                    if read_whole:
                        begun.keep(tally, ordered.job)
                    if splits is not None and (splits := splits - 1) < 0:
                        raise Killed
                case FileDone(tally):
                    assert load is not None
                    load.commit(LoadedFile(tally.rows, tally.rejects))
                case FileFailed(_, error):
                    raise error
        return started


def contents(path: Path) -> list[list[Any]]:
    """All that may not differ: rows with their numbers and order, rejects with their places, and the ledger."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return [
            connection.execute(sql).fetchall()
            for sql in (
                "SELECT * FROM t",
                "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't' ORDER BY column_index",
                'SELECT url, modified_at, "row", byte_offset, reason, raw FROM _file_cdk_rejects',
                "SELECT url, etag, rows, rejected, status FROM _file_cdk_files ORDER BY url",
                "SELECT table_name FROM duckdb_tables() ORDER BY 1",
                "SELECT * FROM _file_cdk_parts",
            )
        ]


@settings(max_examples=25)
@given(
    st.sampled_from(list(KINDS)),
    RECORDS,
    st.sampled_from([1, 30, 120]),
    st.lists(st.integers(0, 12), min_size=1, max_size=4),
    st.sampled_from([3, 1000]),
    st.booleans(),
)
def test_a_load_that_was_killed_is_as_one_that_was_not(
    kind: str, texts: list[str], split_bytes: int, kills: list[int], held_rows: int, has_table: bool
) -> None:
    file_format, written = KINDS[kind]
    data = written(texts)
    file = RemoteFile("a", len(data), T0, "e")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        destination = DuckDBDestination(scratch / "whole.duckdb")
        encoder = destination.encoder
        one_go = Loading(
            file,
            Job(InMemory(data), replace(file_format, split_bytes=None), encoder, TableShape(SCHEMA)),
            WriteLimits(kept_after_s=3600),
        )
        cut = Loading(
            file,
            Job(InMemory(data), replace(file_format, split_bytes=split_bytes), encoder, TableShape(SCHEMA)),
            WriteLimits(rows=held_rows, kept_after_s=0),
        )
        path = scratch / "whole.duckdb"
        if has_table:
            other = RemoteFile("other", len(data), T0, "o")
            replace(one_go, file=other).run(path)
        shutil.copy(path, scratch / "0.duckdb") if has_table else None
        one_go.run(path)
        expected = contents(path)

        path = scratch / "0.duckdb"
        for number, splits in enumerate(kills, 1):
            before = contents(path)[0] if has_table else None
            try:
                cut.run(path, splits)
            except Killed:
                path = survived(path, scratch / f"{number}.duckdb")
            else:
                break
            if has_table:
                assert contents(path)[0] == before
        else:
            cut.run(path)
        assert contents(path) == expected


def survived(path: Path, name: Path) -> Path:
    """What a killed run left, under another name."""
    for ending in ("", ".wal"):
        killed = path.with_name(f"killed-{path.name}{ending}")
        if killed.exists():
            killed.rename(f"{name}{ending}")
    return name


def test_only_what_is_left_is_read(tmp_path: Path) -> None:
    """Bytes that were read before may be anything by now, but for those at the beginning, which have the header."""
    data = csv_bytes([f"text {number}" for number in range(400)])
    job = Job(
        InMemory(data), CsvFormat(CsvConfig(), split_bytes=500), DuckDBDestination("").encoder, TableShape(SCHEMA)
    )
    loading = Loading(RemoteFile("a", len(data), T0, "e"), job, WriteLimits(kept_after_s=0))
    try:
        loading.run(tmp_path / "x.duckdb", 8)
    except Killed:
        path = survived(tmp_path / "x.duckdb", tmp_path / "y.duckdb")
    with duckdb.connect(str(path), read_only=True) as connection:
        [(position,)] = connection.execute("SELECT position FROM _file_cdk_parts").fetchall()
    assert position >= 8 * 450
    spoiled = data[:100] + b"#" * (position - 101) + data[position - 1 :]
    assert replace(loading, job=replace(job, reader=InMemory(spoiled))).run(path) == position
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT id, text, _file_row FROM t").fetchall() == [
            (number, f"text {number}", number + 1) for number in range(400)
        ]
