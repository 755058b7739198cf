"""Both runners of manifests without a process for each run, and waits that take a fiftieth of their time."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

from clients import hurried

from file_cdk.core.errors import FileCdkError
from file_cdk.pipeline.apis.checking import discover
from file_cdk.pipeline.apis.manifest import manifest_of
from file_cdk.pipeline.apis.reading import read_manifest
from file_cdk.pipeline.apis.run import RunOptions
from file_cdk.protocol.messages import error_trace, to_line
from file_cdk.testing.side_by_side.program import Json, Program

PYTHON = os.environ.get("FILE_CDK_PEER_PYTHON", sys.executable)
_PATIENCE_S = 300.0
"""Minutes above what a run takes, with the start of the process: on a machine that is busy with other things, too."""
_MOST_LINES = 100_000


class PeerHangsError(Exception):
    """Its run did not end; the process was killed."""


class WarmPeer:
    """airbyte-cdk in one process for all runs, which are all in this environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  for as long as the process

    def __enter__(self) -> Program:
        return Program([], running=self._run)

    def __exit__(self, *_: object) -> None:
        self._end()
        self._complaints.close()

    def _run(self, arguments: Sequence[str], _: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """Raises PeerHangsError."""
        process = self._process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        self._complaints.seek(0)
        self._complaints.truncate()
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        process.stdin.flush()
        killed = threading.Timer(_PATIENCE_S, process.kill)
        killed.start()
        lines: list[bytes] = []
        try:
            for line in process.stdout:
                if line.startswith(b"END "):
                    self._complaints.seek(0)
                    return int(line[4:]), b"".join(lines), self._complaints.read()
                lines.append(line)
                if len(lines) > _MOST_LINES:
                    break
        finally:
            killed.cancel()
        self._end()
        raise PeerHangsError(f"{len(lines)} lines, the last: {b''.join(lines[-1:]).decode(errors='replace')}")

    def _started(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [PYTHON, str(Path(__file__).with_name("warm_peer.py"))],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _ours(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    verb, *pairs = arguments
    given = dict(zip(pairs[::2], pairs[1::2], strict=True))
    config: Json
    config, catalog, state = (
        json.loads(Path(given[name]).read_text()) if name in given else {}
        for name in ("--config", "--catalog", "--state")
    )
    with tempfile.TemporaryFile() as out, patch.dict(os.environ, environment), hurried():
        try:
            manifest = manifest_of(config, given["--manifest-path"])
            if verb == "discover":
                out.writelines(discover(manifest, config))
                code = 0
            else:
                code = read_manifest(manifest, config, catalog, state or None, out.fileno(), RunOptions())
        except FileCdkError as exc:
            out.write(to_line(error_trace(exc, emitted_at_ms=0)))
            code = 1
        out.seek(0)
        return code, out.read(), b""


OURS = Program([], running=_ours)
"""file_cdk in this process."""
