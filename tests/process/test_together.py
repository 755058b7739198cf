"""Small files read together, in this process and in workers: every file has the outcome that it has alone."""

import gzip
import os
import signal
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lines import Deadly

from file_cdk.core.config import CsvConfig, StreamConfig
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Format
from file_cdk.engine import together
from file_cdk.engine.executor import Executor, InlineExecutor
from file_cdk.engine.ordering import FileBlock, FileDone, FileFailed, FilesDone, OrderedRun
from file_cdk.engine.work import Job, RecordShape
from file_cdk.engine.workers.pool import ProcessPool
from file_cdk.formats.path_columns import WithPathColumns
from file_cdk.formats.registry import format_for
from file_cdk.protocol.deferred_encoding import DeferredEncoder
from file_cdk.readers.local import LocalReader

pytestmark = pytest.mark.process

_AT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool(2)
    yield pool
    pool.close()


def write(folder: Path, uri: str, data: bytes) -> RemoteFile:
    (folder / uri).write_bytes(data)
    return RemoteFile(uri, len(data), _AT)


def clean(folder: Path, prefix: str, count: int) -> list[RemoteFile]:
    return [
        write(folder, f"{prefix}{number:04}.csv", b"a,b\n" + b"%d,x\n" % number * (number % 5))
        for number in range(count)
    ]


def job_of(folder: Path, *, reads_together: bool = True, columns: str = "") -> Job:
    config = CsvConfig(ragged="reject")
    file_format: Format = format_for(config, StreamConfig(name="s", format=config))
    if not reads_together:
        file_format = WithPathColumns(file_format, partitions=False, pattern=None)
    job = Job(
        Deadly(str(folder)),
        file_format,
        DeferredEncoder("s"),
        RecordShape({name: {"type": "string"} for name in columns}),
    )
    assert together.reads_together(job) == reads_together
    return job


def outcomes(executor: Executor, job: Job, files: Iterable[RemoteFile]) -> tuple[list[tuple[Any, ...]], bytes, int]:
    """Of each file, its records by file, and how many files were read together."""
    found: list[tuple[Any, ...]] = []
    text: list[bytes] = []
    files_together = 0
    for event in OrderedRun(executor, job, files):
        match event:
            case FilesDone(several, rows, block):
                files_together += len(several)
                told = {tally.file.uri: tally.warnings for tally in event.with_warnings}
                text.append(b"" if block is None else bytes(block.read()))
                assert text[-1].count(b"\n") == sum(rows)
                found += [(f.uri, count, told.get(f.uri, {}), {}, None) for f, count in zip(several, rows, strict=True)]
            case FileBlock(block=block):
                text.append(bytes(block.read()))
            case FileDone(tally) | FileFailed(tally):
                error = str(event.error) if isinstance(event, FileFailed) else None
                found.append((tally.file.uri, tally.rows, tally.warnings, tally.rejects.counts, error))
    return found, _without_times(b"".join(text)), files_together


def _without_times(lines: bytes) -> bytes:
    return b"\n".join(line.rpartition(b',"emitted_at":')[0] for line in lines.split(b"\n"))


def mixed(folder: Path) -> list[RemoteFile]:
    files = clean(folder, "a", 150)
    odd = [
        write(folder, "empty.csv", b""),
        write(folder, "renamed.csv", b"a,a\n1,2\n"),
        write(folder, "ragged.csv", b"a,b\n1,2\n1,2,3\n4,5\n"),
        write(folder, "open.csv", b'a,b\n1,"2\n'),
        write(folder, "other.csv", b"c,d\n1,2\n"),
        write(folder, "zipped.csv.gz", gzip.compress(b"a,b\n8,9\n", mtime=0)),
        write(folder, "large.csv", b"a,b\n" + b"1,2\n" * 50_000),
        RemoteFile("gone.csv", 10, _AT),
        RemoteFile("a0003.csv", 1000, _AT),
    ]
    for number, each in enumerate(odd):
        files.insert(7 + number * 12, each)
    return files


@pytest.mark.parametrize("workers", [0, 2])
def test_each_file_has_the_outcome_that_it_has_alone(workers: int, tmp_path: Path, pool: ProcessPool) -> None:
    files = mixed(tmp_path)
    executor: Executor = pool if workers else InlineExecutor()
    expected = outcomes(InlineExecutor(), job_of(tmp_path, reads_together=False), files)
    got = outcomes(executor, job_of(tmp_path), files)
    assert got[:2] == expected[:2]
    assert [found[0] for found in got[0]] == [file.uri for file in files]
    assert not expected[2]
    assert got[2] > 60


def test_a_warning_of_every_record_is_told_of_each_file(tmp_path: Path, pool: ProcessPool) -> None:
    files = clean(tmp_path, "a", 100)
    expected = outcomes(InlineExecutor(), job_of(tmp_path, reads_together=False, columns="a"), files)
    assert sum("left out" in str(each[2]) for each in expected[0]) == 80  # of the others there is no record
    for executor in (InlineExecutor(), pool):
        assert outcomes(executor, job_of(tmp_path, columns="a"), files) == (*expected[:2], 100)


def test_a_file_that_kills_its_worker_takes_no_other_with_it(tmp_path: Path, pool: ProcessPool) -> None:
    files = clean(tmp_path, "a", 200)
    files.insert(70, write(tmp_path, "deadly.csv", b"a,b\n1,2\n"))
    found, text, _ = outcomes(pool, job_of(tmp_path), files)
    expected, expected_text, _ = outcomes(
        InlineExecutor(), job_of(tmp_path), [f for f in files if f.uri != "deadly.csv"]
    )
    failed = found.pop(70)
    assert failed[0] == "deadly.csv"
    assert "died 2 times" in failed[4]
    assert (found, text) == (expected, expected_text)


def test_files_of_a_worker_that_died_are_read_by_the_next(tmp_path: Path, pool: ProcessPool) -> None:
    files = clean(tmp_path, "a", 200)
    files.insert(70, write(tmp_path, "deadly-once.csv", b"a,b\n1,2\n"))
    found, text, files_together = outcomes(pool, job_of(tmp_path), files)
    assert [each[0] for each in found] == [file.uri for file in files]
    assert all(each[4] is None for each in found)
    assert text.count(b"\n") == 200 // 5 * 10 + 1
    assert files_together < 200


@pytest.mark.parametrize("number", [0, 3, 8])
def test_workers_killed_from_outside_lose_nothing(number: int, tmp_path: Path, pool: ProcessPool) -> None:
    files = clean(tmp_path, "a", 3000)
    expected = outcomes(InlineExecutor(), job_of(tmp_path), files)

    def listed() -> Iterator[RemoteFile]:
        for index, file in enumerate(files):
            if index == 1600 + 64 * number:
                for worker in pool.workers:
                    os.kill(worker.process.pid or 0, signal.SIGKILL)
            yield file

    found, text, files_together = outcomes(pool, job_of(tmp_path), listed())
    assert (found, text) == expected[:2]
    assert 0 < files_together < 3000


def test_a_store_that_does_not_answer_is_not_asked_twice(tmp_path: Path) -> None:
    files = [*clean(tmp_path, "a", 5), RemoteFile("unreachable", 10, _AT), *clean(tmp_path, "b", 5)]
    found, _, files_together = outcomes(InlineExecutor(), job_of(tmp_path), files)
    assert [each[4] is None for each in found] == [True] * 5 + [False] + [True] * 5
    assert "the store does not answer" in found[5][4]
    assert (tmp_path / "tried").read_text() == "."
    assert files_together == 10


def test_what_is_more_than_a_block_is_read_in_parts(tmp_path: Path, pool: ProcessPool) -> None:
    # Each row is 2 bytes, and its line about a hundred.
    files = [write(tmp_path, f"{number}.csv", b"a\n" + b"1\n" * 8_000) for number in range(20)]
    expected = outcomes(InlineExecutor(), job_of(tmp_path, reads_together=False), files)
    for executor in (InlineExecutor(), pool):
        assert outcomes(executor, job_of(tmp_path), files)[:2] == expected[:2]


def test_a_file_that_changed_since_it_was_listed_is_told_of_as_alone(tmp_path: Path) -> None:
    clean(tmp_path, "a", 20)
    reader = LocalReader(tmp_path)
    files = sorted(reader.list_files(""), key=lambda file: file.uri)
    (tmp_path / "a0007.csv").write_bytes(b"a,b\n9,changed\n")
    job = job_of(tmp_path)
    job = Job(reader, job.format, job.encoder, job.shape)
    found, _, files_together = outcomes(InlineExecutor(), job, files)
    assert [each[0] for each in found if each[4] is not None] == ["a0007.csv"]
    assert "changed since it was listed" in found[7][4]
    assert files_together == 19
