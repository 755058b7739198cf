"""Real worker processes, really killed."""

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import psutil
import pytest
from lines import Folder, Gated, LineEncoder, Lines, Nowhere

from file_cdk.core.config import CsvConfig, JsonlConfig, StreamConfig
from file_cdk.core.errors import SystemLimitError, WorkerCrashedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.system.memory import DEFAULT_MEMORY
from file_cdk.engine.executor import MAX_BLOCK_BYTES, InlineExecutor
from file_cdk.engine.ordering import FileBlock, FileDone, FileFailed, OrderedRun
from file_cdk.engine.work import Job, RecordShape
from file_cdk.engine.workers.forkserver import ForkServer, WorkerRequest
from file_cdk.engine.workers.pool import PoolAttempt, ProcessPool
from file_cdk.engine.workers.process import WorkerProcess
from file_cdk.formats.registry import format_for
from file_cdk.protocol.record_encoding import RecordEncoder

pytestmark = pytest.mark.process


@pytest.fixture
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool(3)
    yield pool
    pool.close()


def write(folder: Path, uri: str, text: str) -> RemoteFile:
    path = folder / uri
    path.write_text(text)
    return RemoteFile(uri, path.stat().st_size, datetime(2024, 1, 1, tzinfo=UTC))


def numbered(count: int) -> str:
    return "".join(f"line {number}\n" for number in range(count))


def job_of(folder: Path, pad: int = 0) -> Job:
    return Job(Folder(str(folder)), Lines(200), LineEncoder(pad=pad), RecordShape(None))


def output(run: OrderedRun, fd_path: Path | None = None) -> tuple[bytes, list[str], list[FileFailed]]:
    """Everything emitted, either read into memory or copied to a file descriptor; files done; failures."""
    chunks: list[bytes | bytearray | memoryview] = []
    done, failures = [], []
    fd = os.open(fd_path, os.O_CREAT | os.O_WRONLY) if fd_path else None
    for event in run:
        match event:
            case FileBlock(block=block) if fd is not None:
                block.copy_to(fd)
            case FileBlock(block=block):
                chunks.append(block.read())
            case FileDone(tally):
                done.append(tally.file.uri)
            case FileFailed():
                failures.append(event)
    if fd is not None and fd_path is not None:
        os.close(fd)
        return fd_path.read_bytes(), done, failures
    return b"".join(chunks), done, failures


@pytest.mark.parametrize("pad", [0, 300_000, 1_500_000], ids=["small", "several blocks a pipe", "larger than the pipe"])
@pytest.mark.parametrize("to_fd", [False, True], ids=["read", "copied"])
def test_processes_give_the_bytes_that_inline_gives(pool: ProcessPool, tmp_path: Path, pad: int, to_fd: bool) -> None:
    count = 30 if pad else 400
    files = [write(tmp_path, uri, numbered(count)) for uri in ("a", "b", "c")]
    expected, done, _ = output(OrderedRun(InlineExecutor(), job_of(tmp_path, pad), files))
    got, got_done, _ = output(OrderedRun(pool, job_of(tmp_path, pad), files), tmp_path / "out" if to_fd else None)
    assert got == expected
    assert got_done == done == ["a", "b", "c"]


@pytest.mark.parametrize("pad", [0, 300_000, 1_500_000])
def test_a_worker_that_dies_once_costs_nothing(pool: ProcessPool, tmp_path: Path, pad: int) -> None:
    order = f"!die-once {tmp_path / 'died'}\n"
    files = [
        write(tmp_path, uri, numbered(20) + (order if uri == "b" else "") + numbered(20)) for uri in ("a", "b", "c")
    ]
    got, done, failures = output(OrderedRun(pool, job_of(tmp_path, pad), files))
    assert (tmp_path / "died").exists()
    expected, _, _ = output(OrderedRun(InlineExecutor(), job_of(tmp_path, pad), files))
    assert got == expected
    assert done == ["a", "b", "c"]
    assert not failures


def test_a_split_that_kills_two_workers_is_reported_and_the_other_files_go_on(
    pool: ProcessPool, tmp_path: Path
) -> None:
    files = [
        write(tmp_path, uri, numbered(40) + ("!die\n" if uri == "b" else "") + numbered(40)) for uri in ("a", "b", "c")
    ]
    got, done, (failure,) = output(OrderedRun(pool, job_of(tmp_path), files))
    assert done == ["a", "c"]
    assert isinstance(failure.error, WorkerCrashedError)
    assert "signal 9" in str(failure.error)
    assert failure.error.uri == "b"
    lines = got.splitlines()
    assert all(line.split(b":", 2)[2].startswith(b"line ") for line in lines), "no half line was emitted"
    assert [line[:1] for line in lines].count(b"a") == [line[:1] for line in lines].count(b"c") == 80


def test_workers_killed_from_outside_at_any_moment(pool: ProcessPool, tmp_path: Path) -> None:
    files = [write(tmp_path, f"f{number}", numbered(100)) for number in range(12)]
    expected, _, _ = output(OrderedRun(InlineExecutor(), job_of(tmp_path, 20_000), files))
    data = b""
    killed = 0
    for count, event in enumerate(OrderedRun(pool, job_of(tmp_path, 20_000), files)):
        if isinstance(event, FileBlock):
            data += event.block.read()
        if count % 60 == 30:
            victim = pool.workers[count % len(pool.workers)]
            # A split is given up when it dies twice; here none is to be unlucky twice.
            if all(isinstance(attempt, PoolAttempt) and attempt.tries == 0 for attempt in victim.queue):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim.process.pid or 0, signal.SIGKILL)
                    killed += 1
    assert killed > 2
    assert data == expected


def test_a_worker_whose_output_waits_is_given_more(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    files = [write(tmp_path, "a", f"!until {notes} 4\n")]
    files += [write(tmp_path, uri, f"!note {notes}\n" + numbered(3)) for uri in ("b", "c", "d", "e", "f")]
    job = Job(Folder(str(tmp_path)), Lines(1 << 20), LineEncoder(pad=MAX_BLOCK_BYTES), RecordShape(None))
    pool = ProcessPool(2, memory=replace(DEFAULT_MEMORY, queue_bytes=0))
    try:
        _, done, failures = output(OrderedRun(pool, job, files))
    finally:
        pool.close()
    assert done == ["a", "b", "c", "d", "e", "f"]  # all but the one next to "a" were made beside it
    assert not failures


def test_a_command_that_has_hardly_begun_is_forked_instead_of_started_anew(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, threading\n"
        "from file_cdk.cli.ending import Interruption\n"
        "from file_cdk.engine.workers import forkserver\n"
        "held = os.open(os.devnull, os.O_RDONLY)\n"
        "if sys.argv[2] == 'threads':\n"
        "    threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "with Interruption():\n"
        "    forkserver.start_fork_server((), forks=True)\n"
        "    from test_pool import OrderedRun, Path, ProcessPool, job_of, numbered, output, write\n"
        "    pool = ProcessPool(1)\n"
        "    folder = Path(sys.argv[1])\n"
        "    data, _, _ = output(OrderedRun(pool, job_of(folder), [write(folder, 'a', numbered(3))]))\n"
        "    of_server = Path(f'/proc/{forkserver.fork_server().pid}')\n"
        "    is_fork = of_server.joinpath('cmdline').read_bytes() == Path('/proc/self/cmdline').read_bytes()\n"
        "    open_ones = [os.readlink(each) for each in of_server.joinpath('fd').iterdir()]\n"
        "    status = dict(line.split(':', 1) for line in of_server.joinpath('status').read_text().splitlines())\n"
        "    caught, blocked = int(status['SigCgt'], 16), int(status['SigBlk'], 16)\n"
        "    of = lambda mask: [each.name for each in signal.Signals if mask >> (each - 1) & 1]\n"
        "    pool.close()\n"
        "print(data.count(b'\\n'), is_fork, open_ones.count(os.devnull), os.readlink('/proc/self/fd/1') in open_ones)\n"
        "print(of(caught), of(blocked))\n"
    )
    for case, is_fork in (("alone", True), ("threads", False)):
        command = [sys.executable, "-c", script, str(tmp_path), case]
        tests = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1] / "engine")])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        lines = done.stdout.splitlines()
        assert (lines[:1], done.stderr) == ([f"3 {is_fork} 1 False"], ""), case
        caught, blocked = lines[1].split("] [")
        assert ("SIGINT" in blocked, "SIGTERM" in caught, "SIGCHLD" in caught) == (True, False, True), case


def test_a_large_split_beside_hundreds_of_small_files_does_not_stop_the_run(pool: ProcessPool, tmp_path: Path) -> None:
    files = [write(tmp_path, "large", numbered(2_000))]
    files += [write(tmp_path, f"small-{number:04}", f"{number}\n" if number % 3 else "") for number in range(3_000)]
    job = Job(Folder(str(tmp_path)), Lines(1 << 22), LineEncoder(), RecordShape(None))
    pool.size = 2
    got, done, _ = output(OrderedRun(pool, job, files))
    assert done == [file.uri for file in files]
    assert len(got.splitlines()) == 2_000 + 2_000


@dataclass(frozen=True, slots=True)
class DiesOnce:
    """A reader over short reads whose worker is killed the first time that a file is read beyond `after` bytes."""

    inner: Folder
    mark: str
    after: int

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        return self.inner.list_files(prefix)

    def open(self, file: RemoteFile) -> IO[bytes]:
        stream = self.inner.open(file)
        read = stream.read

        def dying(size: int = -1) -> bytes:
            if stream.tell() > self.after and not Path(self.mark).exists():
                Path(self.mark).touch()
                # Long enough for what was made so far to reach the parent.
                time.sleep(0.3)
                os.kill(os.getpid(), signal.SIGKILL)
            return read(size)

        object.__setattr__(stream, "read", dying)
        return stream


@pytest.mark.parametrize(("filetype", "line"), [("csv", "{0},n{0}\n"), ("jsonl", '{{"id": {0}}}\n')])
def test_reads_that_return_less_lose_nothing_when_a_worker_dies(
    pool: ProcessPool, tmp_path: Path, filetype: str, line: str
) -> None:
    header = "id,name\n" if filetype == "csv" else ""
    files = [write(tmp_path, "a", header + "".join(line.format(number) for number in range(200_000)))]
    config = CsvConfig() if filetype == "csv" else JsonlConfig()
    decoder = format_for(config, StreamConfig(name="s", format=config))
    plain = Job(Folder(str(tmp_path)), decoder, RecordEncoder("s"), RecordShape(None))
    reader = DiesOnce(Folder(str(tmp_path), trickles=True), str(tmp_path / "died"), after=1_500_000)
    dying = Job(reader, decoder, RecordEncoder("s"), RecordShape(None))
    expected, _, _ = output(OrderedRun(InlineExecutor(), plain, files))
    got, done, failures = output(OrderedRun(pool, dying, files))
    assert (tmp_path / "died").exists()
    assert not failures
    assert done == ["a"]
    assert without_times(got) == without_times(expected)


def without_times(lines: bytes) -> bytes:
    return re.sub(rb'"emitted_at":[0-9]+', b"", lines)


def test_a_worker_killed_while_a_block_larger_than_its_pipe_is_read(pool: ProcessPool, tmp_path: Path) -> None:
    files = [write(tmp_path, "a", numbered(6))]
    job = Job(Folder(str(tmp_path)), Lines(None, piece=1), LineEncoder(pad=30_000_000), RecordShape(None))
    expected, _, _ = output(OrderedRun(InlineExecutor(), job, files))
    killed = False
    chunks = []
    for event in OrderedRun(pool, job, files):
        if isinstance(event, FileBlock):
            if not killed:
                killed = True
                # The next block is announced and partly written: nobody has read of it yet.
                time.sleep(0.5)
                os.kill(pool.workers[0].process.pid or 0, signal.SIGKILL)
            chunks.append(event.block.read())
        assert not isinstance(event, FileFailed)
    assert b"".join(chunks) == expected


def test_a_reader_that_exits_fails_its_file_and_not_the_run(pool: ProcessPool, tmp_path: Path) -> None:
    files = [write(tmp_path, uri, numbered(3)) for uri in ("a", "b")]
    job = Job(Leaves(str(tmp_path)), Lines(), LineEncoder(), RecordShape(None))
    for executor in (InlineExecutor(), pool):
        _, done, failures = output(OrderedRun(executor, job, files))
        assert done == ["b"]
        assert [str(failure.error) for failure in failures] == [str(failures[0].error)]
        assert "SystemExit" in str(failures[0].error)


@dataclass(frozen=True, slots=True)
class Leaves:
    root: str

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        raise NotImplementedError

    def open(self, file: RemoteFile) -> IO[bytes]:
        if file.uri == "a":
            sys.exit(0)
        return Folder(self.root).open(file)


@pytest.mark.parametrize("how", ["from a pipe", "a script without a guard"])
def test_a_script_need_not_be_importable_to_sync(tmp_path: Path, how: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id\n1\n2\n")
    code = "from file_cdk import SyncOptions, sync\n"
    code += f"result = sync({str(tmp_path / 'in')!r}, {str(tmp_path / 'x.duckdb')!r}, SyncOptions(workers=2))\n"
    code += "print(result.streams[0].rows)\n"
    script = tmp_path / "script.py"
    script.write_text(code)
    piped = how == "from a pipe"
    command = [sys.executable, "-" if piped else str(script)]
    done = subprocess.run(command, input=code if piped else "", capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_no_process_is_left_after_close(pool: ProcessPool, tmp_path: Path) -> None:
    files = [write(tmp_path, uri, numbered(400)) for uri in ("a", "b", "c")]
    run = iter(OrderedRun(pool, job_of(tmp_path), files))
    next(event for event in run if isinstance(event, FileBlock))
    pids = [worker.process.pid or 0 for worker in pool.workers]
    assert pids
    pool.close()
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_does_not_reach_the_fork_server_while_it_imports() -> None:
    script = (
        "import signal\n"
        "from file_cdk.engine.workers.forkserver import fork_server\n"
        "from file_cdk.engine.workers.pool import ProcessPool\n"
        "ProcessPool(1).prestart()\n"
        "print(fork_server().pid, signal.pthread_sigmask(signal.SIG_BLOCK, ()), flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as own:
        assert own.stdout is not None
        server, mask = own.stdout.readline().split(maxsplit=1)
        blocked = re.search(r"SigBlk:\s*([0-9a-f]+)", Path(f"/proc/{server}/status").read_text())
        own.communicate("\n")
    assert blocked is not None
    assert int(blocked[1], 16) >> (signal.SIGINT - 1) & 1
    assert mask.strip() == "set()"


def test_what_is_done_is_known_while_the_next_file_has_the_worker_wait(tmp_path: Path) -> None:
    files = [write(tmp_path, uri, numbered(2)) for uri in ("a", "b", "c", "gated")]
    pool = ProcessPool(1)
    try:
        job = Job(Gated(str(tmp_path)), Lines(200), LineEncoder(), RecordShape(None))
        done = []
        for event in OrderedRun(pool, job, files):
            if isinstance(event, FileDone):
                done.append(event.tally.file.uri)
            if len(done) == 3:
                (tmp_path / "gate").touch()
        assert done == ["a", "b", "c", "gated"]
    finally:
        pool.close()


def test_names_of_any_length_never_have_both_sides_wait_for_one_another(pool: ProcessPool) -> None:
    files = [RemoteFile(f"{number:03}" + "n" * 60_000, 8, datetime(2024, 1, 1, tzinfo=UTC)) for number in range(200)]
    failures = []
    for event in OrderedRun(pool, Job(Nowhere(), Lines(200), LineEncoder(), RecordShape(None)), files):
        if isinstance(event, FileFailed):
            failures.append(event.tally.file)
        if len(failures) == 20:
            time.sleep(0.3)  # for the workers to have more to say than their sockets hold
    assert failures == files


def test_what_workers_log_is_logged_by_the_parent(pool: ProcessPool, caplog: pytest.LogCaptureFixture) -> None:
    files = [RemoteFile(f"{number:03}", 8, datetime(2024, 1, 1, tzinfo=UTC)) for number in range(20)]
    for _ in OrderedRun(pool, Job(Nowhere(), Lines(200), LineEncoder(), RecordShape(None)), files):
        pass
    assert sorted(caplog.record_tuples) == [
        ("file_cdk.lines", logging.WARNING, f"{number:03} is gone") for number in range(20)
    ]


def test_a_fork_server_that_was_killed_is_started_again(tmp_path: Path) -> None:
    file = write(tmp_path, "a", numbered(1000))
    pool = ProcessPool(1)
    try:
        pool.prestart()
        [server] = [
            process
            for process in psutil.Process().children()
            if any("forkserver" in argument for argument in process.cmdline())
        ]
        server.kill()  # it is not waited for: the next worker is asked of a server that may not count as ended yet
        data, done, failed = output(OrderedRun(pool, job_of(tmp_path), [file]))
        assert (len(data.splitlines()), done, failed) == (1000, ["a"], [])
    finally:
        pool.close()


def test_fork_servers_that_are_killed_one_after_another_are_no_bug(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    start = ForkServer.start

    def too_late(self: ForkServer, request: WorkerRequest, descriptors: Sequence[int]) -> WorkerProcess:
        os.kill(self.pid, signal.SIGKILL)
        return start(self, request, descriptors)

    monkeypatch.setattr(ForkServer, "start", too_late)
    pool = ProcessPool(1)
    try:
        with pytest.raises(SystemLimitError, match="cannot be started"):
            output(OrderedRun(pool, job_of(tmp_path), [write(tmp_path, "a", numbered(3))]))
    finally:
        pool.close()


def test_a_worker_that_the_system_does_not_start_is_told_of_as_the_system_does(
    tmp_path: Path,
) -> None:
    script = (
        "import os, resource, sys\n"
        "from test_pool import Path, ProcessPool, OrderedRun, job_of, numbered, output, write\n"
        "from file_cdk.core.system.limits import limit_reached\n"
        "from file_cdk.engine.workers import forkserver\n"
        "forkserver.PRELOAD = ('refuses_to_fork',)\n"
        "folder = Path(sys.argv[1])\n"
        "try:\n"
        "    output(OrderedRun(ProcessPool(1), job_of(folder), [write(folder, 'a', numbered(3))]))\n"
        "except OSError as exc:\n"
        "    print(limit_reached(exc).message)\n"
    )
    (tmp_path / "refuses_to_fork.py").write_text(
        "import errno, os\ndef fork():\n    raise OSError(errno.EAGAIN, 'no')\nos.fork = fork\n"
    )
    paths = [str(tmp_path), str(Path(__file__).parent), str(Path(__file__).parents[1] / "engine")]
    search_path = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": search_path},
    )
    assert "no more processes or threads can be started" in done.stdout, done.stderr
