"""A program that runs manifests, `source-declarative-manifest` or one with its command line."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

Running = Callable[[Sequence[str], Mapping[str, str]], tuple[int, bytes, bytes]]
"""Takes a command line and an environment; gives the exit code and what came on stdout and stderr."""

_STDERR_TAIL = 4000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a program printed. records: by stream, in their order. states: the last of each stream. errors: messages of TRACE
    ERROR. statuses: the last of each stream. began and ended: when it ran. rest: what it printed that is no message."""

    code: int
    began: datetime
    ended: datetime
    catalog: Json | None = None
    records: dict[str, list[Json]] = field(default_factory=dict)
    states: dict[str, Json] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    messages: list[Json] = field(default_factory=list)
    rest: str = ""

    @property
    def state(self) -> list[Json]:
        """What the next sync begins with."""
        return [
            {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": state}}
            for name, state in self.states.items()
        ]


@dataclass(frozen=True, slots=True)
class Program:
    """command: what comes before `discover` and `read`. timeout_s: after which it is killed; the peer waits for ever.
    variables: added to the environment of each run. running: for one that is not to be started anew for each run; the time-out
    is its own then."""

    command: Sequence[str]
    timeout_s: float = 300.0
    variables: Mapping[str, str] = field(default_factory=dict)
    running: Running | None = None

    def discover(self, manifest: str, config: Json, environment: Mapping[str, str]) -> Outcome:
        """manifest: its text."""
        return self._run("discover", manifest, {"config": config}, environment)

    def read(
        self, manifest: str, config: Json, catalog: Json, environment: Mapping[str, str], state: Sequence[Json] = ()
    ) -> Outcome:
        """catalog: configured."""
        files: dict[str, Any] = {"config": config, "catalog": catalog}
        return self._run("read", manifest, {**files, "state": list(state)} if state else files, environment)

    def _run(self, verb: str, manifest: str, files: Mapping[str, Any], environment: Mapping[str, str]) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="file_cdk-program-") as folder:
            path = Path(folder, "manifest.yaml")
            path.write_text(manifest)
            arguments = [verb, "--manifest-path", str(path)]
            for name, value in files.items():
                file = Path(folder, f"{name}.json")
                file.write_text(json.dumps(value))
                arguments += [f"--{name}", str(file)]
            began = datetime.now(UTC)
            run = self.running or self._started
            code, printed, complaints = run([*self.command, *arguments], {**environment, **self.variables})
            return _outcome(code, printed, complaints, began, datetime.now(UTC))

    def _started(self, command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        process = subprocess.Popen(  # noqa: S603  no shell
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            printed, complaints = process.communicate(timeout=self.timeout_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            printed, complaints = process.communicate()
            complaints += f"\nkilled after {self.timeout_s:.0f} s".encode()
        return process.returncode, printed, complaints


def configured(catalog: Json, names: Sequence[str], sync_mode: str = "full_refresh") -> Json:
    """A configured catalog of some of the streams. Those that cannot be read in this mode are read as a full refresh."""
    streams = [stream for stream in catalog["streams"] if stream["name"] in names]
    return {
        "streams": [
            {
                "stream": stream,
                "sync_mode": sync_mode if sync_mode in stream["supported_sync_modes"] else "full_refresh",
                "destination_sync_mode": "append",
            }
            for stream in streams
        ]
    }


def _outcome(code: int, printed: bytes, complaints: bytes, began: datetime, ended: datetime) -> Outcome:
    catalog = None
    found: list[Json] = []
    rest = []
    for line in printed.decode(errors="replace").splitlines():
        message = _message(line)
        if message is None:
            rest.append(line)
        elif message["type"] == "CATALOG":
            catalog = message["catalog"]
        else:
            found.append(message)
    rest.append(complaints.decode(errors="replace")[-_STDERR_TAIL:])
    outcome = Outcome(code, began, ended, catalog, messages=found, rest="\n".join(filter(None, rest)))
    for message in found:
        _take(outcome, message)
    return outcome


def _message(line: str) -> Json | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and "type" in message else None


def _take(outcome: Outcome, message: Json) -> None:
    match message["type"]:
        case "RECORD":
            outcome.records.setdefault(message["record"]["stream"], []).append(message["record"]["data"])
        case "STATE":
            state = message["state"]["stream"]
            outcome.states[state["stream_descriptor"]["name"]] = state.get("stream_state") or {}
        case "TRACE":
            trace = message["trace"]
            if trace["type"] == "ERROR":
                error = trace["error"]
                outcome.errors.append(f"{error.get('message')} ({error.get('internal_message')})")
            elif trace["type"] == "STREAM_STATUS":
                status = trace["stream_status"]
                outcome.statuses[status["stream_descriptor"]["name"]] = status["status"]
