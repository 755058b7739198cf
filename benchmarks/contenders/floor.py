"""How fast files become RECORD lines with nothing around it: the same output as `source-local read` for one folder.

    python floor.py csv|jsonl|parquet|avro FOLDER STREAM WORKERS

No configuration, schema, dialects, state, retries, error handling or recovery. Columns go from pyarrow (Avro: polars-avro) to
arrow-rs's JSON writer, JSON lines are checked and spliced. Workers are forked and write to stdout in turn.
"""

import contextlib
import ctypes
import fcntl
import io
import os
import select
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["POLARS_MAX_THREADS"] = "1"

SPLIT_BYTES = 4 << 20
PIECE_BYTES = 512 << 10
LINES_BYTES = 256 << 10
BATCH_ROWS = 16 << 10
AVRO_SPLIT_BYTES = 1 << 20
AVRO_BATCH_ROWS = 8 << 10
BUFFERED_BYTES = 64 << 20
"""Maximum output that a worker keeps while another has the turn, in bytes."""

Emit = Callable[[Any], None]
Job = tuple[Any, ...]


def main() -> None:
    filetype, folder, stream, workers = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    libc = ctypes.CDLL(None)
    libc.mallopt(-3, 1 << 29)  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD: memory is not given back and taken again
    libc.mallopt(-1, 1 << 29)
    with contextlib.suppress(OSError):  # not a pipe
        fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)
    jobs, convert = WAYS[filetype](sorted(path for path in folder.rglob("*") if path.is_file()), folder, stream)
    in_turn(jobs, convert, workers)


def in_turn(jobs: list[Job], convert: Callable[..., None], workers: int) -> None:
    turns = [os.pipe() for _ in range(workers)]
    os.write(turns[0][1], b"T")
    children = []
    for number in range(workers):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for job in jobs[number::workers]:
                    output = _Output(turns[number][0])
                    convert(*job, output.emit)
                    output.finish()
                    os.write(turns[(number + 1) % workers][1], b"T")
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os._exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


class _Output:
    """Kept until the worker's turn has come, or until it is too much."""

    def __init__(self, turn: int) -> None:
        self._turn = turn
        self._waiting = select.poll()
        self._waiting.register(turn, select.POLLIN)
        self._has_turn = False
        self._kept: list[Any] = []
        self._size = 0

    def emit(self, block: Any) -> None:
        self._kept.append(block)
        self._size += len(block)
        if self._has_turn or self._size > BUFFERED_BYTES or self._waiting.poll(0):
            self.finish()

    def finish(self) -> None:
        if not self._has_turn:
            os.read(self._turn, 1)
            self._has_turn = True
        for block in self._kept:
            view = memoryview(block)
            while view:
                view = view[os.write(1, view) :]
        self._kept.clear()
        self._size = 0


def modified(path: Path) -> str:
    seconds, nanoseconds = divmod(path.stat().st_mtime_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds // 1000:06}Z"


def jsonl(paths: list[Path], folder: Path, stream: str) -> tuple[list[Job], Callable[..., None]]:
    import msgspec

    class Anything(msgspec.Struct):
        pass

    check = msgspec.json.Decoder(Anything).decode
    prefix = b'{"type":"RECORD","record":{"stream":"%s","data":' % stream.encode()

    def convert(path: Path, start: int, end: int, emit: Emit) -> None:
        provenance = (modified(path).encode(), path.relative_to(folder).as_posix().encode(), time.time_ns() // 10**6)
        suffix = b',"_ab_source_file_last_modified":"%s","_ab_source_file_url":"%s"},"emitted_at":%d}}\n' % provenance
        for piece in whole_lines(path, start, end, LINES_BYTES):
            lines = piece.splitlines() if b"\r" in piece else piece.split(b"\n")
            if not lines[-1]:
                lines.pop()
            if not piece.isascii():
                piece.decode()
            deque(map(check, lines), 0)
            emit(b"".join((prefix, (suffix + prefix).join([line[:-1] for line in lines]), suffix)))

    return [(path, start, end) for path in paths for start, end in line_splits(path, 0)], convert


def csv(paths: list[Path], folder: Path, stream: str) -> tuple[list[Job], Callable[..., None]]:
    pa = pyarrow_without_numpy("pyarrow.csv")
    import pyarrow.csv

    columns_of: dict[Path, list[str]] = {}
    jobs = []
    for path in paths:
        with path.open("rb") as file:
            header = file.readline()
        columns_of[path] = header.decode().strip().split(",")
        jobs += [(path, start, end) for start, end in line_splits(path, len(header))]
    wrap = envelope(pa, stream, folder)

    def convert(path: Path, start: int, end: int, emit: Emit) -> None:
        names = columns_of[path]
        as_text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
        for piece in whole_lines(path, start, end, PIECE_BYTES):
            reading = pyarrow.csv.ReadOptions(use_threads=False, column_names=names, block_size=len(piece))
            table = pyarrow.csv.read_csv(pa.py_buffer(piece), read_options=reading, convert_options=as_text)
            for batch in table.to_batches():
                emit(wrap(batch, path))

    return jobs, convert


def parquet(paths: list[Path], folder: Path, stream: str) -> tuple[list[Job], Callable[..., None]]:
    pa = pyarrow_without_numpy("pyarrow.parquet")
    import pyarrow.parquet

    wrap = envelope(pa, stream, folder)

    def convert(path: Path, group: int, emit: Emit) -> None:
        file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
        for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group], use_threads=False):
            emit(wrap(batch, path))

    return [
        (path, group) for path in paths for group in range(pyarrow.parquet.read_metadata(path).num_row_groups)
    ], convert


def avro(paths: list[Path], folder: Path, stream: str) -> tuple[list[Job], Callable[..., None]]:
    pa = pyarrow_without_numpy("pyarrow")
    import polars_avro

    wrap = envelope(pa, stream, folder)

    def convert(path: Path, start: int, end: int, emit: Emit) -> None:
        """The blocks that begin in start:end, found by the marker between blocks."""
        whole = path.read_bytes()
        header = avro_header_bytes(whole)
        marker = whole[header - 16 : header]
        first = header if start == 0 else whole.find(marker, max(start - 16, 0)) + 16
        last = len(whole) if end >= len(whole) else whole.find(marker, end - 16) + 16
        if first < last and first >= header:
            table = polars_avro.read_avro(io.BytesIO(whole[:header] + whole[first:last])).to_arrow()
            for batch in table.to_batches(max_chunksize=AVRO_BATCH_ROWS):
                emit(wrap(batch, path))

    return [
        (path, start, min(start + AVRO_SPLIT_BYTES, path.stat().st_size))
        for path in paths
        for start in range(0, path.stat().st_size, AVRO_SPLIT_BYTES)
    ], convert


def pyarrow_without_numpy(module: str) -> Any:
    """Half of the time that importing pyarrow takes is numpy, which is not needed here."""
    sys.modules["numpy"] = None  # type: ignore[assignment]
    __import__(module)
    import pyarrow as pa

    del sys.modules["numpy"]
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    return pa


def envelope(pa: Any, stream: str, folder: Path) -> Callable[[Any, Path], Any]:
    import arro3.io

    def repeated(value: str, count: int) -> Any:
        return pa.repeat(pa.scalar(value, pa.string()), count)

    def wrap(batch: Any, path: Path) -> Any:
        count = batch.num_rows
        names = [*batch.schema.names, "_ab_source_file_last_modified", "_ab_source_file_url"]
        url = path.relative_to(folder).as_posix()
        data = pa.StructArray.from_arrays(
            [*batch.columns, repeated(modified(path), count), repeated(url, count)], names=names
        )
        emitted_at = pa.repeat(pa.scalar(time.time_ns() // 10**6, pa.int64()), count)
        record = pa.StructArray.from_arrays(
            [repeated(stream, count), data, emitted_at], names=["stream", "data", "emitted_at"]
        )
        output = io.BytesIO()
        arro3.io.write_ndjson(
            pa.RecordBatch.from_arrays([repeated("RECORD", count), record], names=["type", "record"]), output
        )
        return output.getbuffer()

    return wrap


def line_splits(path: Path, first: int) -> Iterator[tuple[int, int]]:
    """Ranges that end where lines end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while first < size:
            end = min(first + SPLIT_BYTES, size)
            if end < size:
                file.seek(end)
                file.readline()
                end = file.tell()
            yield first, end
            first = end


def whole_lines(path: Path, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY)
    rest = b""
    while start < end:
        read = os.pread(descriptor, min(piece_bytes, end - start), start)
        start += len(read)
        cut = read.rfind(b"\n") + 1 if start < end else len(read)
        if cut == 0:
            rest += read
            continue
        yield rest + read[:cut] if rest else read[:cut]
        rest = read[cut:]
    os.close(descriptor)


def avro_header_bytes(data: bytes) -> int:
    at = 4

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return (value >> 1) ^ -(value & 1)

    while (count := number()) != 0:
        if count < 0:
            count = -count
            number()
        for _ in range(2 * count):
            length = number()
            at += length
    return at + 16


WAYS = {"csv": csv, "jsonl": jsonl, "parquet": parquet, "avro": avro}

main()
