"""How both faces end when they are told to, or when something they need is closed, full or missing: by the code that is
documented, with one clear last line, without an orphan or a temporary file; and the next run is exact.

The table is in docs/guide/sync.md.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from commands import BIN, MARK, processes_of, query, write_json
from source_local.source import connector

from file_cdk import SyncOptions
from file_cdk import sync as library_sync
from file_cdk.pipeline.read import read_streams

pytestmark = pytest.mark.scenario

FILES, ROWS = 4, 4_000
MOMENTS = 20
FACES = ("sync", "read")
EVERY_ROW = [(str(number), str(row)) for number in range(FILES) for row in range(ROWS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ends") / "orders"
    folder.mkdir()
    for number in range(FILES):
        lines = "".join(f"{number},{row},a note of row {row} of {number}\n" for row in range(ROWS))
        (folder / f"{number}.csv").write_text("file,row,note\n" + lines)
        os.utime(folder / f"{number}.csv", (1_700_000_000 + number,) * 2)
    return folder


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for what one run makes. Its path leaves room for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="ends-", dir="/tmp") as place:
        yield Path(place)


@dataclass(frozen=True)
class Run:
    """One command, of which all that it makes is in `place`; temporary files are in place/tmp."""

    face: str
    folder: Path
    place: Path
    workers: str = "1"
    database: Path | None = None
    options: tuple[str, ...] = ()
    shell: str = 'exec "$@"'
    globs: str = "**"

    @property
    def target(self) -> Path:
        return self.database or self.place / "x.duckdb"

    def command(self) -> list[str]:
        if self.face == "sync":
            source = str(self.folder) if self.globs == "**" else f"{self.folder}/{self.globs}"
            parts = ["file-cdk", "sync", source, "--to", str(self.target), "--table", "orders"]
        else:
            stream = {"name": "orders", "globs": [self.globs], "format": {"filetype": "csv"}}
            config = write_json(self.place / "config.json", {"path": str(self.folder), "streams": [stream]})
            catalog = write_json(self.place / "catalog.json", CATALOG)
            parts = ["source-local", "read", "--config", str(config), "--catalog", str(catalog)]
        return [str(BIN / parts[0]), *parts[1:], "--workers", self.workers, *self.options]

    def start(self, mark: str, out: Any, err: Any, **environment: str) -> "subprocess.Popen[bytes]":
        (self.place / "tmp").mkdir(exist_ok=True)
        return subprocess.Popen(
            ["bash", "-c", self.shell, "-", *self.command()],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, "TMPDIR": str(self.place / "tmp"), MARK: mark, **environment},
        )


CATALOG = {
    "streams": [
        {
            "stream": {
                "name": "orders",
                "json_schema": {"properties": {name: {"type": ["null", "string"]} for name in ("file", "row", "note")}},
                "supported_sync_modes": ["full_refresh", "incremental"],
            },
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
        }
    ]
}


@dataclass(frozen=True)
class End:
    code: int
    out: bytes
    err: str

    @property
    def last(self) -> str:
        """Line on stderr; of a connector, whose errors are messages, the last of these if there is one."""
        for line in reversed(self.out.splitlines()):
            if b'"ERROR"' in line:
                return str(json.loads(line)["trace"]["error"]["message"])
        return self.err.strip().rpartition("\n")[2]


def ended(run: Run, signum: signal.Signals | None = None, after_s: float = 0, **environment: str) -> End:
    """Runs it, and asserts what holds of every end."""
    mark = uuid.uuid4().hex
    with (run.place / "out").open("w+b") as out, (run.place / "err").open("w+b") as err:
        with run.start(mark, out, err, **environment) as process:
            if signum is not None:
                wait_until_it_listens(process)
                time.sleep(after_s)
                process.send_signal(signum)
            process.wait(60)
        out.seek(0)
        err.seek(0)
        end = End(process.returncode, out.read(), err.read().decode())
    assert "Traceback" not in end.err, end.err
    assert "bug" not in end.err, end.err
    deadline = time.monotonic() + 10
    while (left := processes_of(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []
    assert list((run.place / "tmp").rglob("*")) == []
    beside = {path.name.removeprefix(run.target.name) for path in run.target.parent.glob(f"{run.target.name}?*")}
    assert beside <= {".wal"}  # it is a part of the database: what is committed, and not yet in the file
    assert not list(run.place.glob(".file_cdk-*"))
    return end


def wait_until_it_listens(process: "subprocess.Popen[bytes]") -> None:
    """Until it has handlers: before, the interpreter is starting, and ends as any program does."""
    wanted = 1 << (signal.SIGTERM - 1)
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        name = Path(f"/proc/{process.pid}/comm").read_text().strip()
        caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0")
        if name != "bash" and int(caught, 16) & wanted:
            return
        time.sleep(0.002)


def acknowledged(out: bytes) -> tuple[list[tuple[str, str]], str | None]:
    """As a platform takes it: the records before the last state, and that state. Half a line at the end counts for nothing."""
    rows: list[tuple[str, str]] = []
    kept, state = 0, None
    for line in out.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        message = json.loads(line)
        if message["type"] == "RECORD":
            rows.append((message["record"]["data"]["file"], message["record"]["data"]["row"]))
        elif message["type"] == "STATE":
            kept, state = len(rows), line.decode()
    return rows[:kept], state


def assert_next_run_is_exact(run: Run, end: End) -> None:
    if run.face == "sync":
        source = str(run.folder) if run.globs == "**" else f"{run.folder}/{run.globs}"
        assert library_sync(source, run.target, SyncOptions(workers=0, stream="orders")).failures == ()
        assert (
            query(run.target, "select file::text, row::text from orders order by orders.file, orders.row") == EVERY_ROW
        )
        return
    rows, state = acknowledged(end.out)
    config = json.loads((run.place / "config.json").read_text())
    with (run.place / "rest").open("w+b") as rest:
        assert read_streams(connector, config, CATALOG, state and [json.loads(state)], rest.fileno(), workers=0) == 0
        rest.seek(0)
        assert rows + acknowledged(rest.read())[0] == EVERY_ROW


# Signals


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_any_moment(folder: Path, place: Path, signum: signal.Signals) -> None:
    seed = random.randrange(10**6)
    chances = random.Random(seed)
    moments = [(number, chances.choice("01"), chances.random() ** 1.5 * 0.9) for number in range(MOMENTS)]

    def end(number: int, workers: str, after_s: float) -> int:
        own = place / str(number)
        own.mkdir()
        run = Run(FACES[number % 2], folder, own, workers)
        found = ended(run, signum, after_s)
        if found.code != 0:
            assert found.code == 128 + signum, found
            assert found.last.startswith("interrupted"), found
        assert_next_run_is_exact(run, found)
        return found.code

    with ThreadPoolExecutor(2) as threads:
        try:
            codes = list(threads.map(lambda moment: end(*moment), moments))
        except BaseException as exc:
            exc.add_note(f"seed {seed}")
            raise
    assert sum(code != 0 for code in codes) >= MOMENTS / 4, f"seed {seed}: most came after the end"


# Standard streams


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ('exec "$@" >&-', "the output cannot be written: it is closed"),
        ('exec "$@" >/dev/full', "the output cannot be written: the disk is full. Free some space"),
        ('"$@" | head -c 100 >/dev/null; exit ${PIPESTATUS[0]}', "whoever reads the output has closed it"),
    ],
)
def test_records_that_nobody_takes(folder: Path, place: Path, workers: str, shell: str, said: str) -> None:
    run = Run("read", folder, place, workers, shell=shell)
    end = ended(run)
    assert end.code == 1
    assert said in end.last
    assert_next_run_is_exact(run, End(end.code, b"", ""))


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ('exec "$@" >&-', "to stdout: it is closed"),
        ('exec "$@" >/dev/full', "to stdout: the disk is full. Free some space"),
    ],
)
def test_a_summary_that_nobody_takes(folder: Path, place: Path, shell: str, said: str) -> None:
    run = Run("sync", folder, place, options=("--report", "-"), shell=shell)
    end = ended(run)
    assert end.code == 3
    assert said in end.last
    assert_next_run_is_exact(run, end)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    "shell", ['exec "$@" 2>&-', 'exec "$@" 2>/dev/full', '{ "$@" 2>&1 >&3 | true; } 3>&1; exit ${PIPESTATUS[0]}']
)
def test_messages_that_nobody_takes_stop_nothing(folder: Path, place: Path, face: str, shell: str) -> None:
    run = Run(face, folder, place, "0", shell=shell)
    end = ended(run)
    assert end.code == 0
    if face == "read":
        assert acknowledged(end.out)[0] == EVERY_ROW
    assert_next_run_is_exact(run, end)


# Space


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    path.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=False).returncode:
        pytest.skip("only root may mount")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.mark.parametrize(("size", "workers"), [("4k", "1"), ("400k", "0"), ("1m", "1")])
def test_no_room_for_the_database(folder: Path, place: Path, size: str, workers: str) -> None:
    with small_disk(place / "disk", size) as disk:
        if size == "4k":
            (disk / "other").write_bytes(bytes(4096))
        run = Run("sync", folder, place, workers, database=disk / "x.duckdb")
        end = ended(run)
        assert end.code == 3
        assert "x.duckdb' failed: the disk is full. Free some space and run again" in end.last
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        assert_next_run_is_exact(run, end)


def test_no_room_for_the_summary(folder: Path, place: Path) -> None:
    with small_disk(place / "disk", "4k") as disk:
        (disk / "other").write_bytes(bytes(4096))
        run = Run("sync", folder, place, options=("--report", f"{disk}/s.json"))
        end = ended(run)
        assert end.code == 3
        assert "s.json': the disk is full. Free some space" in end.last
        assert [path.name for path in disk.iterdir()] == ["other"]
        assert_next_run_is_exact(run, end)


def test_no_room_for_records(folder: Path, place: Path) -> None:
    with small_disk(place / "disk", "100k") as disk:
        run = Run("read", folder, place, shell=f'exec "$@" >{disk}/records')
        end = ended(run)
        assert end.code == 1
        assert "the output cannot be written: the disk is full. Free some space" in end.last
        assert_next_run_is_exact(run, End(end.code, (disk / "records").read_bytes(), ""))


@pytest.mark.parametrize(("face", "code"), [("sync", 3), ("read", 1)])
def test_a_limit_on_the_size_of_files(folder: Path, place: Path, face: str, code: int) -> None:
    run = Run(face, folder, place, shell='ulimit -f 300; exec "$@"')
    end = ended(run)
    assert end.code == code
    assert "ulimit -f" in end.last
    assert_next_run_is_exact(run, end)


@pytest.mark.parametrize(("face", "code"), [("sync", 5), ("read", 1)])
def test_no_room_for_temporary_files(folder: Path, place: Path, face: str, code: int) -> None:
    """What is in a tar.gz has to be unpacked into one."""
    (place / "archives").mkdir()
    with tarfile.open(place / "archives" / "a.tar.gz", "w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    run = Run(face, place / "archives", place, globs="*.tar.gz!**")
    with small_disk(place / "tmp", "64k"):
        end = ended(run)
    assert end.code == code, end
    assert "Make room in the folder for temporary files, or name another one in TMPDIR" in end.last
    assert_next_run_is_exact(run, end)


# Other things that may be missing


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("limit", [7, 14])
def test_few_descriptors(folder: Path, place: Path, face: str, limit: int, workers: str) -> None:
    run = Run(face, folder, place, workers, shell=f'ulimit -n {limit}; exec "$@"')
    end = ended(run)
    if end.code != 0:
        assert end.code in ((3, 5) if face == "sync" else (1,))
        assert "too many files are open at once" in end.last
        assert "Raise the limit" in end.last
    assert_next_run_is_exact(run, end)


@pytest.mark.parametrize("face", FACES)
def test_no_shared_memory(folder: Path, place: Path, face: str) -> None:
    (place / "empty").mkdir()
    inside = f'mount --bind -o ro {place}/empty /dev/shm && mount -o remount,ro,bind /dev/shm && exec "$@"'
    if subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("only root may mount")
    run = Run(face, folder, place, shell=f"exec unshare -m bash -c '{inside}' - \"$@\"")
    end = ended(run)
    assert end.code == 0, end.err
    assert_next_run_is_exact(run, end)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("home", ["/proc", "/nonexistent"])
def test_a_home_that_cannot_be_written(folder: Path, place: Path, face: str, home: str) -> None:
    run = Run(face, folder, place)
    end = ended(run, HOME=home)
    assert end.code == 0, end.err
    assert_next_run_is_exact(run, end)
