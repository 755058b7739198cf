"""Where the conformance suites let destinations write, and how they write there."""

import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from file_cdk.core.files import RemoteFile
from file_cdk.core.gathering import encoder_of, gathering
from file_cdk.core.ports import Destination, FileLoad, LoadedFile, MergeRule, StreamTable, TableName
from file_cdk.formats.arrow_cast import EXACT

STREAM = "goods"
T0 = datetime(2024, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
_EXIT_TIMEOUT_S = 60


class Landing(Protocol):
    """One place to write to. It goes to another process, so it must pickle: it holds a path or an address alone. That process is
    forked from one that has imported the landing's module, which must start no threads when it is imported."""

    def destination(self) -> Destination:
        """A new one for the same place, not opened."""

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """The stream's rows in the order they were loaded, data columns alone; none where there is no table. Python values
        as pyarrow's `to_pylist` gives them. Called while no destination is open."""


def version(uri: str, number: int = 0) -> RemoteFile:
    """The file's version of that number."""
    return RemoteFile(uri, 10, T0 + timedelta(hours=number), f"e{number}")


@contextmanager
def open_table(
    landing: Landing, origin: str | None = None, merge: MergeRule | None = None
) -> Iterator[tuple[Destination, StreamTable]]:
    destination = landing.destination()
    destination.open()
    try:
        yield destination, destination.table(TableName(STREAM, origin, merge=merge))
    finally:
        destination.close()


def write(
    destination: Destination, table: StreamTable, file: RemoteFile, *splits: Sequence[dict[str, Any]]
) -> FileLoad:
    """Widens the table as a sync does, and writes one block per split."""
    batches = [pa.RecordBatch.from_pylist(list(rows)) for rows in splits]
    for batch in batches:
        table.widen(batch.schema)
    load = table.begin(file)
    rows_before = 0
    for rows in splits:
        write_into(load, destination, table, file, rows_before, rows)
        rows_before += len(rows)
    return load


def write_into(
    load: FileLoad,
    destination: Destination,
    table: StreamTable,
    file: RemoteFile,
    rows_before: int,
    rows: Sequence[dict[str, Any]],
) -> None:
    batch = pa.RecordBatch.from_pylist(list(rows))
    types = [table.schema.field(name).type for name in batch.schema.names]
    columns = [EXACT(column, kind) for column, kind in zip(batch.columns, types, strict=True)]
    decoded = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    encoder = encoder_of(table, destination)
    gatherer = gathering(encoder, file)
    together = None if gatherer is None else gatherer.encode_together([decoded], file, 1)
    load.write(encoder.encode(decoded, file, 1, 0) if together is None else together, rows_before)


def load_whole(
    destination: Destination, table: StreamTable, file: RemoteFile, *splits: Sequence[dict[str, Any]]
) -> None:
    write(destination, table, file, *splits).commit(LoadedFile(sum(map(len, splits))))


def run_and_die(target: Callable[..., None], *arguments: object) -> None:
    """In a process of its own, with this one's environment and working folder."""
    parent = _parent(os.getpid())
    parent.send_bytes(pickle.dumps((dict(os.environ), Path.cwd(), target, arguments)))
    pid = parent.recv()
    if not parent.poll(_EXIT_TIMEOUT_S):
        os.kill(pid, signal.SIGKILL)
        parent.recv()
        raise AssertionError(f"the process that loads did not end in {_EXIT_TIMEOUT_S} s")
    assert parent.recv() == -signal.SIGKILL, "the process that loads did not come to the place where it is killed"


@cache
def _parent(_: int) -> Connection:
    """Of the processes that die: it has imported what landings before needed, which takes a second of a core, and uses nothing
    of it, so that it can be forked. One for each process that asks."""
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=_fork_each, args=(theirs,), daemon=True).start()
    theirs.close()
    return ours


def _fork_each(asked: Connection) -> None:
    """Until whoever asks is gone."""
    with suppress(EOFError):
        while True:
            request = asked.recv_bytes()
            with suppress(Exception):  # the process that is to die says what is wrong
                pickle.loads(request)  # imports its modules
            pid = os.fork()
            if pid == 0:
                _die_of(request)
            asked.send(pid)
            _, status = os.waitpid(pid, 0)
            asked.send(os.waitstatus_to_exitcode(status))


def _die_of(request: bytes) -> None:
    """Does not return."""
    try:
        environment, folder, target, arguments = pickle.loads(request)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        target(*arguments)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        os._exit(1)
