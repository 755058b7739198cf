"""airbyte-cdk's `source-declarative-manifest`, which takes one command line after the other: starting it takes 2.5 s.

Its stdin has a JSON list of arguments on each line. After what a run prints comes a line `END` with its exit code.
"""

import json
import sys
import time
import traceback
import warnings

_FASTER = 50
_sleep = time.sleep


def main() -> None:
    warnings.simplefilter("ignore")
    from airbyte_cdk.cli.source_declarative_manifest import _run  # type: ignore[import-not-found, unused-ignore]

    def sleep(seconds: float) -> None:
        """Waits before a request is sent again, for the most part."""
        _sleep(min(seconds, 5.0) / _FASTER)

    time.sleep = sleep  # type: ignore[assignment]
    for line in sys.stdin:
        code = 0
        try:
            _run.handle_command(json.loads(line))
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except Exception:  # noqa: BLE001 as the interpreter would
            traceback.print_exc()
            code = 1
        print(f"\nEND {code}", flush=True)


if __name__ == "__main__":
    main()
