"""A source of the protocol that counts: a real program, whose configuration says how.

streams: by name, how many records each has; the members of `config` say the rest. A record is its number, a state the last one.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

parser = argparse.ArgumentParser()
parser.add_argument("command")
parser.add_argument("--config", required=True)
parser.add_argument("--catalog")
parser.add_argument("--state")
arguments = parser.parse_args()


def load(path: str) -> Any:
    assert Path(path).stat().st_mode & 0o077 == 0, "others may read it"
    with open(path) as file:
        return json.load(file)


def say(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")


config = load(arguments.config)
if "pids" in config:
    with open(config["pids"], "a") as pids:
        pids.write(f"{os.getpid()}\n")


def described(name: str) -> dict[str, Any]:
    stream: dict[str, Any] = {"name": name, "json_schema": {"type": "object", "properties": {}}}
    if name in config.get("whole", ()):
        return {**stream, "supported_sync_modes": ["full_refresh"]}
    keys = {"source_defined_primary_key": [["id"]]} if name in config.get("keyed", ()) else {}
    modes = {"supported_sync_modes": ["full_refresh", "incremental"], "source_defined_cursor": True}
    return {**stream, **modes, **keys}


def status(name: str, what: str) -> None:
    if config.get("statuses", True):
        of = {"stream_descriptor": {"name": name}, "status": what}
        say(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": of})
        sys.stdout.flush()


def positions() -> dict[str, int]:
    """By stream, of the file of states."""
    if arguments.state is None:
        return {}
    states = load(arguments.state)
    if isinstance(states, dict):
        return {name: state["at"] for name, state in states.items()}
    found: list[Any] = []
    for state in states:
        found += [state["stream"]] if state["type"] == "STREAM" else state["global"]["stream_states"]
    return {each["stream_descriptor"]["name"]: each["stream_state"]["at"] for each in found}


def say_state(name: str, at: dict[str, int]) -> None:
    of: list[Any] = [
        {"stream_descriptor": {"name": each}, "stream_state": {"at": number}} for each, number in at.items()
    ]
    match config.get("states", "STREAM"):
        case "STREAM":
            [own] = [each for each in of if each["stream_descriptor"]["name"] == name]
            say(type="STATE", state={"type": "STREAM", "stream": own})
        case "GLOBAL":
            say(type="STATE", state={"type": "GLOBAL", "global": {"shared_state": {"n": 1}, "stream_states": of}})
        case "LEGACY":
            say(type="STATE", state={"data": {each: {"at": number} for each, number in at.items()}})
    sys.stdout.flush()


def read() -> None:
    at, every = positions(), config.get("every", 100)
    with open(config["begun"], "a") as begun:
        begun.write(json.dumps(at) + "\n")
    names = [each["stream"]["name"] for each in load(arguments.catalog)["streams"]]
    for name in names:
        status(name, "STARTED")
        first = at.get(name, 0)
        for number in range(first + 1, config["streams"][name] + 1):
            if number == config.get("fails_at"):
                error = {"message": f"no more with {config['password']}", "failure_type": "system_error"}
                say(type="TRACE", trace={"type": "ERROR", "emitted_at": 1, "error": error})
                status(name, "INCOMPLETE")
                sys.exit(1)
            data = {"id": number, "text": "x" * config.get("width", 10)}
            say(type="RECORD", record={"stream": name, "data": data, "emitted_at": number})
            if number % every == 0:
                at[name] = number
                say_state(name, at)
                time.sleep(config.get("pause_s", 0))
        at[name] = config["streams"][name]
        if config.get("last_state", True):
            say_state(name, at)
        status(name, "COMPLETE")


if "tokens" in config:
    # As where a refresh token can be used once: each command uses it up, and gets the next.
    used = Path(config["tokens"])
    assert config["refresh_token"] == f"token-{used.stat().st_size}", "the token was used before"
    with used.open("a") as file:
        file.write("x")
    renewed = {**config, "refresh_token": f"token-{used.stat().st_size}"}
    say(
        type="CONTROL",
        control={"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": renewed}},
    )
    sys.stdout.flush()
sys.stderr.write(f"the password is {config['password']}\n")
say(type="LOG", log={"level": "WARN", "message": f"token {config['password']}"})
if arguments.command == "discover":
    say(type="CATALOG", catalog={"streams": [described(name) for name in config["streams"]]})
else:
    read()
