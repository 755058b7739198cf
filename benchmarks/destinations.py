"""RECORD lines of the protocol into a new DuckDB database, next to PyAirbyte's cache and Singer's target-duckdb.

The lines are those that `source-local read` prints, in a file: what a source takes is not in it. PyAirbyte's has to be a command,
and is `cat`. target-duckdb gets the same records as Singer has them.
"""

import json
import shlex
import subprocess
from pathlib import Path

from benchmarks.bench import Bench, ours, protocol_files, script
from benchmarks.generate import ORDER_COLUMNS
from benchmarks.measuring import Command
from benchmarks.workload import Bar, Contender, Trial, Workload

_RECORDS_A_SECOND = 150_000
_GROWS_AT_MOST = 1.1
_TIMES = 5
_PYAIRBYTE, _TARGET = "PyAirbyte", "target-duckdb"


def _write(bench: Bench) -> Trial:
    folder = bench.data.orders("csv", bench.sizes.rows)
    given = protocol_files(bench.scratch, "orders", {"path": str(folder.resolve())}, "csv", ORDER_COLUMNS)
    lines = bench.scratch / "lines"
    with lines.open("wb") as file:
        subprocess.run(ours("source-local", "read", *given), check=True, stdout=file)
    catalog = given[-1]
    mine, theirs, target = (bench.scratch / f"{name}.duckdb" for name in ("ours", "pyairbyte", "target"))
    contenders = [Contender("file_cdk", _of_lines(_writing(mine, catalog), lines), database=mine)]
    source = _replaying(bench, lines, Path(catalog))
    contenders += bench.peer(_PYAIRBYTE, "airbyte", "airbyte_replay.py", str(source), str(theirs), database=theirs)
    if (command := bench.peers.command(_TARGET, _TARGET)) is not None:
        singer, config = bench.scratch / "singer", bench.scratch / "target.json"
        with singer.open("wb") as file:
            subprocess.run(script("singer_lines.py", str(lines)), check=True, stdout=file)
        config.write_text(
            json.dumps({"path": str(target), "default_target_schema": "main", "primary_key_required": False})
        )
        loading = _of_lines([command, "--config", str(config)], singer)
        environment = bench.peers.environment()
        # Not compared: of each batch whose columns are all text it loses the first record, which DuckDB takes for a header.
        contenders.append(
            Contender(_TARGET, loading, environment=environment, peer=_TARGET, slow=True, database=target, alike=None)
        )
    bars = [Bar("file_cdk", None, bench.sizes.rows / _RECORDS_A_SECOND)]
    bars += [Bar("file_cdk", _PYAIRBYTE, 1 / 10), Bar("file_cdk", _TARGET, 1 / 3)]
    return Trial(contenders, bars, bench.sizes.rows)


def _memory(bench: Bench) -> Trial:
    """Of source and destination together."""
    contenders = []
    for times in (1, _TIMES):
        folder = bench.data.orders("csv", bench.sizes.rows * times, 4 * times)
        name = f"orders-{times}"
        given = protocol_files(bench.scratch, name, {"path": str(folder.resolve())}, "csv", ORDER_COLUMNS)
        database = bench.scratch / f"{name}.duckdb"
        writing = _writing(database, given[-1])
        both = f"{shlex.join(ours('source-local', 'read', *given))} | {shlex.join(writing)}"
        command = ["sh", "-c", both]
        contenders.append(Contender(f"data × {times}", command, database=database, alike=None, memory=True))
    return Trial(contenders, [Bar(f"data × {_TIMES}", "data × 1", _GROWS_AT_MOST, "rss")])


def _writing(database: Path, catalog: str) -> Command:
    config = database.with_suffix(".destination.json")
    config.write_text(json.dumps({"destination_path": str(database)}))
    return ours("destination-duckdb", "write", "--config", str(config), "--catalog", catalog)


def _of_lines(command: Command, lines: Path) -> Command:
    """The command, with the file as its stdin."""
    return ["sh", "-c", f"exec {shlex.join(command)} < {shlex.quote(str(lines))}"]


def _replaying(bench: Bench, lines: Path, catalog: Path) -> Path:
    """A source, as a command, that says what is in the file."""
    [configured] = json.loads(catalog.read_text())["streams"]
    says = {
        "spec": {"type": "SPEC", "spec": {"connectionSpecification": {"type": "object", "properties": {}}}},
        "check": {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}},
        "discover": {"type": "CATALOG", "catalog": {"streams": [configured["stream"]]}},
    }
    cases = "".join(f"{name}) printf '%s\\n' {shlex.quote(json.dumps(said))};;\n" for name, said in says.items())
    source = bench.scratch / "source-replay"
    source.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}read) exec cat {shlex.quote(str(lines))};;\nesac\n')
    source.chmod(0o755)
    return source


WORKLOADS = [
    Workload("destination-write", "1M RECORD lines into DuckDB", _write),
    Workload("destination-memory", "memory, CSV of 1M and of 5M rows through the protocol into DuckDB", _memory),
]
