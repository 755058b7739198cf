"""Time to start: `source-local spec` and `file-cdk --help`, next to the bare interpreter.

    python benchmarks/startup.py [--runs 10]

Seconds are medians of warm runs. Exits 1 above the limits: 0.3 s for spec, 0.2 s for --help.
"""

import argparse
import sys

from measuring import alone, exit_codes, median, print_table, spread


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    arguments = parser.parse_args()
    limits = [
        ([sys.executable, "-c", "pass"], None),
        (["source-local", "spec"], 0.3),
        (["file-cdk", "--help"], 0.2),
    ]
    rows: list[tuple[object, ...]] = []
    exceeded = False
    for command, limit in limits:
        alone(command)
        runs = [alone(command) for _ in range(arguments.runs)]
        failed = any(run.exit_code for run in runs) or (limit is not None and median(runs) > limit)
        exceeded |= failed
        name = " ".join(["python", *command[1:]] if command[0] == sys.executable else command)
        rows.append(
            (name, f"{median(runs):.3f}", spread(runs), limit or "", exit_codes(runs), "no" if failed else "yes")
        )
    print_table(("command", "seconds", "range", "limit", "exit", "within"), rows)
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
