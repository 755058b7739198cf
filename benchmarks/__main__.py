"""Times the installed commands next to bare readers and other tools, on data that all of them read alike.

    python -m benchmarks                            everything: takes hours, and 20 GB of space
    python -m benchmarks --only csv,sync-csv        these
    python -m benchmarks --quick                    small data, one run, no tools of other environments, no bars
    python -m benchmarks --list                     the workloads
    python -m benchmarks chart FILE … [--out DIR]   table and chart drawn anew from the JSON
    python -m benchmarks chart FILE … --docs docs   those of the documentation

Contenders take turns. Exits 1 where a bar is missed, contenders give different data or a command fails.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import (
    api_memory,
    api_speed,
    databases,
    destinations,
    library,
    protocol,
    report,
    resources,
    stores,
    tables,
)
from benchmarks.bench import QUICK, Bench, Sizes
from benchmarks.chart import svg
from benchmarks.equality import DifferentDataError, check_equality, remove_database
from benchmarks.generate import Data
from benchmarks.measuring import CommandError, Run, complain, measure
from benchmarks.peers import Peers
from benchmarks.published import publish
from benchmarks.workload import Workload

WORKLOADS = [
    *resources.WORKLOADS[:1],
    *protocol.WORKLOADS,
    *stores.WORKLOADS,
    *tables.WORKLOADS,
    *databases.WORKLOADS,
    *destinations.WORKLOADS,
    *library.WORKLOADS,
    *api_speed.WORKLOADS,
    *api_memory.WORKLOADS,
    *resources.WORKLOADS[1:],
]
_MEMORY_EVERY_S = 0.02
_COLD_AFTER_S = 5
"""How long one contender's run may take before what the others read may be in the page cache no more: the hosts of some virtual
machines take back what was not used for a while."""


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers stop, and scratch folders go
    if sys.argv[1:2] == ["chart"]:
        return draw(sys.argv[2:])
    arguments = _arguments()
    if arguments.list:
        for workload in WORKLOADS:
            print(f"{workload.name:16} {workload.title}")
        return 0
    names = [name for name in arguments.only.split(",") if name]
    if unknown := set(names) - {workload.name for workload in WORKLOADS}:
        print(f"no such workload: {', '.join(sorted(unknown))}; --list names them", file=sys.stderr)
        return 2
    chosen = [workload for workload in WORKLOADS if not names or workload.name in names]
    return run_all(chosen, arguments)


def run_all(workloads: Sequence[Workload], arguments: argparse.Namespace) -> int:
    runs = arguments.runs or (1 if arguments.quick else 5)
    peer_runs = arguments.peer_runs or runs
    out = arguments.out or arguments.cache / "results"
    out.mkdir(parents=True, exist_ok=True)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    results: report.Json = {
        "started_at": started,
        "machine": report.machine(),
        "quick": arguments.quick,
        "workloads": [],
    }
    failed = False
    for workload in workloads:
        complain(f"{workload.name}: {workload.title}")
        try:
            results["workloads"].append(run_one(workload, arguments, runs, peer_runs))
        except (CommandError, DifferentDataError) as error:
            complain(f"{workload.name}: {error}")
            failed = True
            continue
        print(report.table(results["workloads"][-1:]), flush=True)
        _write(out, results["workloads"], results)
    missed = [bar for workload in results["workloads"] for bar in report.missed(workload)]
    complain(f"{len(results['workloads'])} of {len(workloads)} workloads, {len(missed)} bars missed; see {out}")
    return int(failed or bool(missed))


def run_one(workload: Workload, arguments: argparse.Namespace, runs: int, peer_runs: int) -> report.Json:
    with ExitStack() as servers, tempfile.TemporaryDirectory(dir=arguments.cache) as scratch:
        peers = Peers(arguments.cache / "peers", arguments.quick)
        sizes = QUICK if arguments.quick else Sizes()
        bench = Bench(Data(arguments.cache / "data"), peers, sizes, Path(scratch), servers)
        trial = workload.prepare(bench)
        if arguments.no_slow:
            trial = replace(trial, contenders=[contender for contender in trial.contenders if not contender.slow])
        checked = check_equality(trial.contenders)
        found: dict[str, list[Run]] = {contender.name: [] for contender in trial.contenders}
        took_s = {name: run.seconds for name, run in checked.items()}
        cold = set(found) if max(took_s.values(), default=0) > _COLD_AFTER_S else set()
        if arguments.quick:
            trial = replace(trial, bars=())
        # Of what takes minutes, the run whose output was compared counts as well.
        counted = {contender.name for contender in trial.contenders if contender.slow or arguments.quick}
        found |= {name: [run] for name, run in checked.items() if name in counted}
        for number in range(runs):
            for contender in trial.contenders:
                if len(found[contender.name]) > number or (contender.slow and number >= peer_runs):
                    continue
                if contender.name in cold and took_s.get(contender.name, _COLD_AFTER_S) < _COLD_AFTER_S:
                    remove_database(contender)
                    measure(contender.command, environment=contender.environment)
                remove_database(contender)
                every_s = _MEMORY_EVERY_S if contender.memory else None
                run = measure(contender.command, environment=contender.environment, memory_every_s=every_s)
                found[contender.name].append(run)
                took_s[contender.name] = run.seconds
                cold = found.keys() - {contender.name} if run.seconds > _COLD_AFTER_S else cold - {contender.name}
                complain(f"  {contender.name}: {run.seconds:.3f} s, CPU {run.cpu_seconds:.3f} s")
        named = {contender.peer for contender in trial.contenders if contender.peer}
        return report.outcome(workload, trial, found, {name: peers.version(name) for name in named})


def draw(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks chart", description="Draws table and chart anew.")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="JSON; of two the later one counts")
    parser.add_argument("--out", type=Path, help="folder; by default that of the last file")
    parser.add_argument("--docs", type=Path, help="the folder of the documentation, for its chart and tables")
    arguments = parser.parse_args(given)
    if arguments.docs is not None:
        first, last = (report.load_run(path) for path in (arguments.files[0], arguments.files[-1]))
        publish(arguments.docs, report.load(arguments.files), last["machine"], first["started_at"])
        return 0
    _write(arguments.out or arguments.files[-1].parent, report.load(arguments.files))
    return 0


def _write(out: Path, workloads: Sequence[report.Json], results: report.Json | None = None) -> None:
    if results is not None:
        report.write(out / "benchmarks.json", results)
    (out / "benchmarks.md").write_text(report.table(workloads))
    (out / "benchmarks.svg").write_text(svg(workloads))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="NAME,…", help="these workloads")
    parser.add_argument("--runs", type=int, help="of each contender (default: 5)")
    parser.add_argument("--peer-runs", type=int, help="of tools that take minutes (default: as --runs)")
    parser.add_argument("--no-slow", action="store_true", help="without tools that take minutes, and their bars")
    parser.add_argument("--quick", action="store_true", help="only see whether everything still runs")
    parser.add_argument("--list", action="store_true", help="print the workloads")
    parser.add_argument("--out", type=Path, help="folder for benchmarks.json, .md and .svg (default: in the cache)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path.home() / ".cache" / "file_cdk_benchmarks",
        help="folder for data and environments (default: %(default)s)",
    )
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
