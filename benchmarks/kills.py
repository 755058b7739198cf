"""Kills `file-cdk sync` at random moments, and asks whether the database is exact once a run was let end.

    python benchmarks/kills.py [--to PLACE] [--mode merge] [--options=OPTIONS] [--kills 50] [--files N] [--large-mb MB] [--seed N]

Files are CSV, JSON lines, Parquet and Avro, some of them gzip, most of them small, some of a few MB and one of --large-mb;
some hold records that are rejected. Every run has 2 workers, and is killed with SIGKILL: its parent, one worker, all
workers, the fork server, or everything at once. Before each run some files are changed. After every ten kills a run is
let end, and rows, rejects and ledger are compared with what was written; then comes a new database.

Seconds lost: what a run that died of its kill had worked since its last commit; of one that had made none, since it
was started. Where a run ends by itself although others than its parent were killed, it may say that files failed (5), or,
when its fork server was killed twice, that it can start no workers (3); the next run makes up for it.
Exits 1 if a database is not exact, a process is left behind, or a file. The same seed makes the same files and choices;
the moments depend on the machine. Linux only.
"""

import argparse
import contextlib
import gzip
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import fastavro
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from kept import DeltaTables, DuckDBPlace, FilesPlace, IcebergTables, Place, PostgresPlace, SqlitePlace

from file_cdk.testing.servers.fake_gcs import FakeGCS
from file_cdk.testing.servers.postgres import PostgresServer
from file_cdk.testing.servers.seaweedfs import SeaweedFS

MARK = "FILE_CDK_KILLS_RUN"
STREAMS = ("csv", "jsonl", "parquet", "avro")
SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet", ".avro")
VICTIMS = ("parent", "a worker", "all workers", "the fork server", "all processes")
WEIGHTS = (3, 5, 3, 3, 2)
"""Workers are not there at every moment."""
CANNOT_START = "worker processes cannot be started"
KILLS_PER_DATABASE = 10
LATEST_KILL_S = (0.7, 1.5, 3.0, 6.0)
"""A run is killed at a random moment before one of these."""
ORPHANS_END_WITHIN_S = 10.0
BYTES_PER_ROW = 60
"""Roughly, as CSV."""
MAX_REJECTS = 5
_AVRO = {
    "type": "record",
    "name": "row",
    "fields": [{"name": "id", "type": "long"}, {"name": "version", "type": "long"}, {"name": "note", "type": "string"}],
}

_mtimes_s = itertools.count(1_700_000_000)


@dataclass(frozen=True, slots=True)
class Written:
    """What the current version of a file holds: rows 0 to `rows` - 1, and besides them `rejects` bad records."""

    version: int
    rows: int
    rejects: int
    modified_s: int


@dataclass(slots=True)
class Tally:
    """Seconds lost: one for every run that died of its kill, with a commit of its own before or without. wrong: differences
    between a database and the files, and ends that no kill explains."""

    runs: int = 0
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VICTIMS, 0))
    outlived: int = 0
    databases: int = 0
    lost_since_commit_s: list[float] = field(default_factory=list)
    lost_since_start_s: list[float] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        return sum(self.kills.values())


class Files:
    """The folder of source files, and what is in them."""

    def __init__(self, folder: Path, count: int, large_mb: float, chance: random.Random) -> None:
        self._folder = folder
        self._chance = chance
        self._rows: dict[str, int] = {}
        self.written: dict[str, Written] = {}
        for number in range(count):
            suffix = SUFFIXES[number % len(SUFFIXES)]
            size_mb = chance.uniform(0.001, 0.03)
            if number == 0:
                size_mb = large_mb
            elif number <= count // 15:
                size_mb = chance.uniform(large_mb / 15, large_mb / 6)
            url = f"{suffix.split('.')[1]}/{number:03}{suffix}"
            self._rows[url] = int(size_mb * 1_000_000 / BYTES_PER_ROW)
            self._write(url)

    def change(self, most: int) -> None:
        """Gives some files another version, sometimes the largest among them."""
        for url in self._chance.sample(sorted(self._rows), self._chance.randint(0, most)):
            self._write(url)
        if self._chance.random() < 0.2:
            self._write(next(iter(self._rows)))

    def _write(self, url: str) -> None:
        before = self.written.get(url)
        rows = max(1, int(self._rows[url] * self._chance.uniform(0.8, 1.2)))
        text = ".csv" in url or ".jsonl" in url
        rejects = self._chance.choice((0, 0, 0, 1, 3)) if text else 0
        seconds = next(_mtimes_s)
        written = Written(before.version + 1 if before else 1, rows, rejects, seconds)
        path = self._folder / url
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside and renamed, as nobody writes in place what another reads.
        beside = path.with_name(".beside")
        _write_rows(beside, url, written)
        os.utime(beside, (seconds, seconds))
        beside.replace(path)
        self.written[url] = written


def _write_rows(path: Path, url: str, written: Written) -> None:
    if url.endswith((".parquet", ".avro")):
        ids, version = range(written.rows), written.version
        if url.endswith(".parquet"):
            columns = {"id": pa.array(ids), "version": pa.array([version] * written.rows)}
            table = pa.table({**columns, "note": [f"row {row}, as it was written" for row in ids]})
            pq.write_table(table, path, row_group_size=20_000)
            return
        rows = ({"id": row, "version": version, "note": f"row {row}, as it was written"} for row in ids)
        with path.open("wb") as out:
            fastavro.writer(out, _AVRO, rows, codec="deflate")
        return
    if ".csv" in url:
        lines = [f'{row},{written.version},"row {row}, as it was\nwritten"' for row in range(written.rows)]
        lines = ["id,version,note", *lines, *["1,1,note,and more"] * written.rejects]
    else:
        note = ", as it was written"
        lines = [f'{{"id":{row},"version":{written.version},"note":"row {row}{note}"}}' for row in range(written.rows)]
        lines += ['{"id":1 "version":1}'] * written.rejects
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data, 1) if url.endswith(".gz") else data)


class Victim:
    """One run of the command, whose processes can be found by a mark in their environment."""

    def __init__(self, command: str, config: Path, to: str, place: Path, options: str) -> None:
        self._mark = uuid.uuid4().hex
        self._errors = (place / "errors").open("w+")
        self.started_at = time.time()
        self._process = subprocess.Popen(
            [command, "sync", str(config), "--to", to, "--workers", "2", "--quiet",
             "--max-rejects", str(MAX_REJECTS), *options.split()],
            # Progress inside a file is kept after a minute; here, so that kills find some, almost at once.
            env={**os.environ, MARK: self._mark, "TMPDIR": str(place / "tmp"), "FILE_CDK_KEEP_AFTER_S": "0.3"},
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )  # fmt: skip

    def ended_within(self, seconds: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return True
        return False

    def kill(self, whom: str, chance: random.Random) -> bool:
        """False when there was nobody of that kind."""
        children = psutil.Process(self._process.pid).children()
        servers = [child for child in children if "forkserver" in " ".join(_command_line(child))]
        workers = [worker for server in servers for worker in _children(server)]
        victims = {
            "parent": [psutil.Process(self._process.pid)],
            "a worker": chance.sample(workers, min(1, len(workers))),
            "all workers": workers,
            "the fork server": servers,
            "all processes": [*servers, *workers, *children, psutil.Process(self._process.pid)],
        }[whom]
        for process in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        return bool(victims)

    def close(self) -> tuple[int, str]:
        """Once it has ended: exit code, and what it said."""
        code = self._process.wait()
        with self._errors:
            self._errors.seek(0)
            return code, self._errors.read()

    def orphans(self) -> list[str]:
        """Its processes that are alive when it has been dead for a while."""
        deadline = time.monotonic() + ORPHANS_END_WITHIN_S
        while (left := list(self._alive())) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def _alive(self) -> Iterator[str]:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.environ().get(MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    yield " ".join(process.cmdline())


def _command_line(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(process.cmdline())
    return []


def _children(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(process.children())
    return []


def in_postgres(servers: contextlib.ExitStack) -> Callable[[Path], Place]:
    server = servers.enter_context(PostgresServer())
    return lambda _: PostgresPlace(server)


def in_bucket(servers: contextlib.ExitStack) -> Callable[[Path], Place]:
    store = servers.enter_context(SeaweedFS())
    store.create_bucket("kills")
    os.environ |= {
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_REGION": store.region,
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
    }
    return lambda folder: FilesPlace(f"s3://kills/{folder.parent.name}")


def in_gcs(servers: contextlib.ExitStack) -> Callable[[Path], Place]:
    store = servers.enter_context(FakeGCS())
    store.create_bucket("kills")
    os.environ["STORAGE_EMULATOR_HOST"] = store.endpoint
    return lambda folder: FilesPlace(f"gs://kills/{folder.parent.name}")


PLACES: dict[str, Callable[[contextlib.ExitStack], Callable[[Path], Place]]] = {
    "duckdb": lambda _: lambda folder: DuckDBPlace(folder / "x.duckdb"),
    "sqlite": lambda _: lambda folder: SqlitePlace(folder / "x.sqlite"),
    "postgres": in_postgres,
    "delta": lambda _: lambda folder: DeltaTables(folder / "lake"),
    "iceberg": lambda _: lambda folder: IcebergTables(folder / "lake"),
    "folder": lambda _: lambda folder: FilesPlace(f"{folder / 'lake'}/"),
    "bucket": in_bucket,
    "gcs": in_gcs,
}
"""By what --to says: servers to start, and where a new database is, in this folder or in none."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", choices=list(PLACES), default="duckdb", help="what is loaded into")
    parser.add_argument("--mode", choices=["append", "merge"], default="append", help="what the tables show")
    parser.add_argument("--options", default="", help="others of the command, such as '--output-format csv'")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--large-mb", type=float, default=30.0, metavar="MB", help="size of the largest file")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--until", metavar="HH:MM", help="begin no other run after this time (UTC)")
    parser.add_argument("--scratch", type=Path, help="folder for the data; a temporary one by default")
    parser.add_argument("--command", default="file-cdk")
    arguments = parser.parse_args()
    seed = random.randrange(10**9) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch, contextlib.ExitStack() as servers:
        tally = kill_runs(arguments, Path(scratch), PLACES[arguments.to](servers), random.Random(seed))
    report(tally)
    return 1 if tally.wrong or tally.orphans or tally.leftovers else 0


def kill_runs(
    arguments: argparse.Namespace, scratch: Path, place_in: Callable[[Path], Place], chance: random.Random
) -> Tally:
    tally = Tally()
    files = Files(scratch / "files", arguments.files, arguments.large_mb, chance)
    config = write_config(scratch, arguments.mode)
    kills: int = arguments.kills
    until: str | None = arguments.until

    def over() -> bool:
        late = until is not None and datetime.now(UTC).strftime("%H:%M") >= until
        return late or tally.killed >= kills

    while not over():
        place = scratch / f"{tally.databases}"
        for folder in ("tmp", "to"):
            (place / folder).mkdir(parents=True)
        kept = place_in(place / "to")
        enough = tally.killed + KILLS_PER_DATABASE
        while tally.killed < enough and not over():
            files.change(most=max(2, arguments.files // 20))
            killed_run(Victim(arguments.command, config, kept.url, place, arguments.options), kept, chance, tally)
        tally.runs += 1
        check(
            Victim(arguments.command, config, kept.url, place, arguments.options),
            kept,
            place,
            files,
            tally,
            merged=arguments.mode == "merge",
        )
        tally.databases += 1
        print(f"{tally.killed} kills: {len(tally.wrong)} wrong", flush=True)
        shutil.rmtree(place)
    return tally


def write_config(scratch: Path, mode: str) -> Path:
    """JSON is YAML."""
    columns = {"id": "integer", "version": "integer", "note": "string"}
    streams = [
        {"name": name, "globs": [f"{name}/[0-9]*"], "format": {"filetype": name}, "input_schema": json.dumps(columns)}
        for name in STREAMS
    ]
    if mode == "merge":
        streams = [{**stream, "mode": mode, "key": "id", "cursor": "version"} for stream in streams]
    config = scratch / "kills.yaml"
    config.write_text(json.dumps({"path": str(scratch / "files"), "streams": streams}))
    return config


def killed_run(run: Victim, kept: Place, chance: random.Random, tally: Tally) -> None:
    """Kills somebody of the run, and again if it survives that, until it has ended."""
    tally.runs += 1
    while not run.ended_within(chance.random() * chance.choice(LATEST_KILL_S)):
        (whom,) = chance.choices(VICTIMS, WEIGHTS)
        hit = False
        with contextlib.suppress(psutil.NoSuchProcess):
            hit = run.kill(whom, chance)
        killed_at = time.time()
        tally.kills[whom] += hit
        if whom in ("parent", "all processes"):
            break
        tally.outlived += hit
    code, said = run.close()
    tally.orphans += run.orphans()
    if code == -signal.SIGKILL:
        committed_at = kept.last_commit()
        if committed_at > run.started_at:
            tally.lost_since_commit_s.append(killed_at - committed_at)
        else:
            tally.lost_since_start_s.append(killed_at - run.started_at)
    elif "Traceback" in said or not (code in (0, 5) or (code == 3 and CANNOT_START in said)):
        tally.wrong.append(f"a run ended with {code}: {said[-2000:]}")


def check(run: Victim, kept: Place, place: Path, files: Files, tally: Tally, *, merged: bool) -> None:
    """Lets the run end: everything is as the files are, and nothing else is there."""
    code, said = run.close()
    tally.orphans += run.orphans()
    if code != 0:
        tally.wrong.append(f"the last run ended with {code}: {said[-2000:]}")
        return
    tally.leftovers += [str(path) for path in (place / "tmp").iterdir()]
    tally.leftovers += [path.name for path in (place / "to").iterdir() if not kept.url.rstrip("/").endswith(str(path))]
    held = kept.held(STREAMS, merged=merged)
    written = sorted(files.written.items())
    expected = [(url, w.version, w.version, w.rows, w.rows, 0, w.rows - 1, True) for url, w in written]
    for what, found, wanted in (
        ("rows", held.rows, expected),
        ("rejects", held.rejects, {url: w.rejects for url, w in written if w.rejects}),
        ("ledger", held.ledger, [(url, w.rows, w.rejects, "loaded") for url, w in written]),
        ("parts", held.parts, 0),
        ("tables", held.tables, sorted(STREAMS)),
        ("shown", held.shown, sorted(_shown(files)) if merged else []),
    ):
        if found != wanted:
            tally.wrong.append(f"{what}: {_differences(found, wanted)}")


def _shown(files: Files) -> Iterator[tuple[str, int, int]]:
    """Each file has the ids from 0 on: of those that a file of a higher rank has, the other's are shown."""
    for stream in STREAMS:
        of_stream = [
            (w.version, w.modified_s, url, w.rows) for url, w in files.written.items() if url.startswith(f"{stream}/")
        ]
        first = 0
        for _, _, url, rows in sorted(of_stream, reverse=True):
            if rows > first:
                yield url, rows - first, sum(range(first, rows))
                first = rows


def _differences(found: object, wanted: object) -> str:
    if isinstance(found, list) and isinstance(wanted, list):
        lost = [entry for entry in wanted if entry not in found]
        return f"{[entry for entry in found if entry not in wanted][:3]} in place of {lost[:3]}"
    return f"{found} in place of {wanted}"


def report(tally: Tally) -> None:
    kinds = ", ".join(f"{whom} {count}" for whom, count in tally.kills.items())
    lost = tally.lost_since_commit_s + tally.lost_since_start_s
    print(f"{tally.killed} kills ({kinds}) in {tally.runs} runs over {tally.databases} databases")
    print(f"{tally.outlived} kills of others than the parent; {len(lost)} that the run died of")
    for what, seconds in (
        ("with each of those", lost),
        ("of them after a commit", tally.lost_since_commit_s),
        ("before the first", tally.lost_since_start_s),
    ):
        if seconds:
            mean = sum(seconds) / len(seconds)
            print(f"seconds lost {what}: {mean:.2f} in the mean, {max(seconds):.2f} at most ({len(seconds)})")
    print(f"{len(tally.orphans)} orphans, {len(tally.leftovers)} files left behind, {len(tally.wrong)} differences")
    for text in (*tally.orphans, *tally.leftovers, *tally.wrong):
        print(text)


if __name__ == "__main__":
    sys.exit(main())
