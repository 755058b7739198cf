"""Reading the state a sync starts from."""

from collections.abc import Iterator, Mapping
from typing import Any

from file_cdk.core.errors import ConfigError

_SHAPE = "expected STATE messages as earlier syncs printed them, as JSON lines or a JSON list"
_OTHER_MESSAGES = ("RECORD", "LOG", "TRACE", "CATALOG", "SPEC", "CONNECTION_STATUS", "CONTROL")


def parse_state(raw: Any) -> dict[str, Mapping[str, Any]]:
    """Stream name -> stream state, from the parsed JSON of a state file; a stream named twice has its last state.

    Takes a list of state messages of type STREAM, GLOBAL or LEGACY, each bare or inside the `{"type": "STATE"}` message that
    a sync printed, or a single such message. Messages of other types between them are passed over. Nothing, an empty list
    and an empty object are the state before any sync.
    Raises ConfigError that names the message at fault.
    """
    if not raw:
        return {}
    messages = [raw] if isinstance(raw, Mapping) else raw
    if not isinstance(messages, list):
        raise ConfigError(f"invalid state: {_SHAPE}")
    states: dict[str, Mapping[str, Any]] = {}
    found = 0
    for index, message in enumerate(messages):
        if isinstance(message, Mapping) and message.get("type") in _OTHER_MESSAGES:
            continue
        found += 1
        states.update(_states_of(message, f"[{index}]"))
    if not found:  # to begin anew is nothing to do by mistake
        raise ConfigError(f"invalid state: none of its messages is a state; {_SHAPE}")
    return states


def _states_of(message: Any, at: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    message = mapping_at(message, at)
    if isinstance(message.get("state"), Mapping):
        message, at = message["state"], f"{at}.state"
    if message.get("stream") is not None:
        yield _stream_state(message["stream"], f"{at}.stream")
    elif message.get("global") is not None:
        streams = mapping_at(message["global"], f"{at}.global").get("stream_states")
        if not isinstance(streams, list):
            raise ConfigError(f"invalid state: {at}.global.stream_states must be a list")
        for index, stream in enumerate(streams):
            yield _stream_state(stream, f"{at}.global.stream_states[{index}]")
    elif message.get("data") is not None:
        for name, state in mapping_at(message["data"], f"{at}.data").items():
            yield name, mapping_at(state, f"{at}.data[{name!r}]")
    else:
        raise ConfigError(f"invalid state: {at} has neither 'stream' nor 'global' nor 'data'; {_SHAPE}")


def _stream_state(raw: Any, at: str) -> tuple[str, Mapping[str, Any]]:
    stream = mapping_at(raw, at)
    name = mapping_at(stream.get("stream_descriptor"), f"{at}.stream_descriptor").get("name")
    if not isinstance(name, str):
        raise ConfigError(f"invalid state: {at}.stream_descriptor.name must be a string")
    state = stream.get("stream_state")
    return name, {} if state is None else mapping_at(state, f"{at}.stream_state")


def mapping_at(raw: Any, at: str, *, of: str = "state") -> Mapping[str, Any]:
    """What stands `at` a place of the state or catalog, if it is an object. Raises ConfigError."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"invalid {of}: {at} must be an object")
    return raw
