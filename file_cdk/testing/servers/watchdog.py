"""Runs a command and kills it, with its whole process group, as soon as the process that asked for it is gone.

A test process that is killed outright runs no teardown. This script needs none: it asks for its parent's id twice a
second. It is run by path, isolated and without site packages, so that it starts in a few milliseconds and small.

    python -I -S watchdog.py PARENT_PID REMOVE... -- COMMAND...

Each REMOVE is a file or folder to delete afterwards when the parent is gone; otherwise that is the parent's business.
"""

import os
import shutil
import signal
import subprocess
import sys

_POLL_S = 0.5


def watch(parent: int, remove: list[str], command: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # how the parent says that it wants the server stopped
    child = subprocess.Popen(command)  # noqa: S603  the caller's own command, no shell
    try:
        while os.getppid() == parent:
            try:
                return child.wait(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                continue
    finally:
        child.kill()  # its data is temporary: it need not wind up
        child.wait()
    for path in remove:
        shutil.rmtree(path, ignore_errors=True)
        if os.path.lexists(path) and not os.path.isdir(path):  # noqa: PTH112  pathlib costs half of the start-up
            os.unlink(path)  # noqa: PTH108
    os.killpg(0, signal.SIGKILL)  # whatever the server itself has started, and this process
    return 1


if __name__ == "__main__":
    split = sys.argv.index("--")
    sys.exit(watch(int(sys.argv[1]), sys.argv[2:split], sys.argv[split + 1 :]))
