"""What a manifest's source and `sync` tell one another of slices, so that a run goes on with those that an earlier one left.

A run that was killed is gone on with as one attempt: from the state and with the ends of the cursor that it began with, so that
its slices are the same ones, told from one another by their keys. The source says what it read beside its states, as the member
`file_cdk` of `state` in a STATE message; nothing of it is in the state itself, which is as the protocol and other
programs have it.
"""

from typing import Any

import msgspec


class ReadSlice(msgspec.Struct, frozen=True):
    """A slice all of whose pages came out. key: JSON of its partition and its interval. highest: of its cursor values, ISO 8601.
    records: that came out, found = records + filtered + rejected."""

    key: str
    pages: int = 0
    records: int = 0
    filtered: int = 0
    rejected: int = 0
    highest: str | None = None


class BegunSlice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of which some pages came out, and `so_far` has what they were. number, value, anchor, is_next_known: the token of the
    next page."""

    so_far: ReadSlice
    number: int
    value: Any = None
    anchor: Any = None
    is_next_known: bool = False


class Reject(msgspec.Struct, frozen=True):
    """A record that was left out, for it is no JSON. page, number: where in the slice, and in the page, from 0."""

    key: str
    page: int
    number: int
    reason: str


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of one stream, since its last. partial: the state beside it does not stand for all records before it, some of which are of
    the slices that are begun. done: in the order in which they came out. begun: all that are. cursor: its ends, ISO 8601.
    rejected: the first of them. ended: there are no more slices. void: what is begun cannot be gone on with."""

    partial: bool = False
    done: list[ReadSlice] = []
    begun: list[BegunSlice] = []
    rejected: list[Reject] = []
    cursor: tuple[str, str] | None = None
    ended: bool = False
    void: bool = False


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of one stream, as the source is given it. state: what it began with. seconds: since then. cursor: see Progress. done: the
    highest cursor value of each slice, by key."""

    state: Any = None
    seconds: float = 0.0
    cursor: tuple[str, str] | None = None
    done: dict[str, str | None] = {}
    begun: list[BegunSlice] = []


FINGERPRINT = "file_cdk_fingerprint"
"""Member of a stream in a catalog: the same where manifest and configuration ask for the same records."""
