"""The kinds of faults that the proxy injects, and which of them a request meets."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Fault = Literal[
    "slow_down",
    "retry_after",
    "server_error",
    "reset",
    "reset_mid_body",
    "truncated",
    "stall",
    "length_too_large",
    "length_too_small",
    "slow_start",
    "trickle",
]
"""What can happen to a request:

slow_down, server_error: answered 503, 500 with S3's XML; the server never sees the request
retry_after: the same as slow_down, with a Retry-After header
reset: the connection is reset instead of an answer; the server never sees the request
reset_mid_body, truncated: the body ends early, by a reset or by an orderly close, under the promised Content-Length
stall: nothing comes for a while within the body; after that the rest comes, or the connection closes, at even odds
length_too_large: the whole body comes, under a Content-Length that promises more, and then the connection closes
length_too_small: a prefix of the body comes under a Content-Length that fits it: HTTP alone cannot tell
slow_start: the answer is held back for a while; trickle: the body comes in small pieces with pauses. Neither is an error.

An answer without a body meets `reset` in place of the faults of bodies. Where there is no Content-Length (chunks, or a
body that ends with the connection), both wrong lengths are what `truncated` is.
"""

FAULTS: tuple[Fault, ...] = get_args(Fault)


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long the slow faults last, in seconds; trickle_s over the whole body."""

    stall_s: float = 2.0
    slow_start_s: float = 0.3
    trickle_s: float = 0.3
    retry_after_s: int = 1


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one request. at: where in the body, from 0 to 1. goes_on: whether a stall ends well."""

    fault: Fault | None
    at: float = 0.0
    goes_on: bool = True


def fate_of(seed: object, number: int, rate: float, faults: Sequence[Fault]) -> Fate:
    """The fate of the request with this number; it depends on the arguments alone."""
    dice = random.Random(f"{seed}:{number}")  # noqa: S311  reproducible by design
    if dice.random() >= rate:
        return Fate(None)
    return Fate(dice.choice(faults), dice.random(), dice.random() < 0.5)


_REFUSALS = {
    "slow_down": ("503 Service Unavailable", "SlowDown", "Please reduce your request rate."),
    "retry_after": ("503 Service Unavailable", "SlowDown", "Please reduce your request rate."),
    "server_error": ("500 Internal Server Error", "InternalError", "We encountered an internal error."),
}


def refusal(fault: Fault | None, *, to_head: bool, retry_after_s: int) -> bytes | None:
    """The whole answer to a request that the server never sees, or None for any other fault."""
    if fault not in _REFUSALS:
        return None
    status, code, message = _REFUSALS[fault]
    declaration = '<?xml version="1.0" encoding="UTF-8"?>'
    body = f"{declaration}\n<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/xml", f"Content-Length: {len(body)}"]
    if fault == "retry_after":
        lines.append(f"Retry-After: {retry_after_s}")
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if to_head else body)
