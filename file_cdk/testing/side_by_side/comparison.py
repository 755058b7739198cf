"""What two programs made of the same manifest and the same mirror, held against each other."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any

from file_cdk.testing.mirror.answers import SeenRequest
from file_cdk.testing.side_by_side.program import Json, Outcome

_MOST_NAMED = 5
_SHORT = 300
_GIVEN = re.compile(r"(mirror-(?:access|session|refresh))-\d+|(eyJ[\w-]+)\.[\w-]+\.[\w-]+")
"""Tokens that the mirror gave, by their number, or that are signed: which one a request carries depends on when it is sent."""
_SLACK = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Side:
    """One program. seen: what the mirror was asked while it ran."""

    outcome: Outcome
    seen: Sequence[SeenRequest]


@dataclass(frozen=True, slots=True)
class Difference:
    """kind: catalog, records, state, requests, status or errors. stream: empty where it is about no stream alone."""

    kind: str
    stream: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}{f' of {self.stream}' if self.stream else ''}: {self.what}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Differences that are none. pages_ahead: ours may ask for pages behind the last one. repeated: requests of these streams
    (parents, mostly) may come in other numbers, as may those for tokens. fields: of records that the time of the run makes up,
    by stream.
    """

    pages_ahead: bool = True
    repeated: frozenset[str] = frozenset()
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)


def compare(theirs: Side, ours: Side, allowed: Allowed = Allowed()) -> list[Difference]:
    """Catalogs and final states are compared as JSON values; records as a multiset of each stream, without the fields that are
    null, because airbyte-cdk does not print those; requests that did not fail on purpose as a multiset of method, URL (parameters
    in any order), body and headers; statuses of streams in a catalog. An instant that only one side has, and that lies within
    its run, is equal to such a one of the other.
    """
    clocks = _Clock(theirs.outcome), _Clock(ours.outcome)
    return [
        *_catalogs(theirs.outcome.catalog, ours.outcome.catalog),
        *_statuses(theirs.outcome, ours.outcome),
        *_records(theirs.outcome.records, ours.outcome.records, clocks, allowed),
        *_states(theirs.outcome.states, ours.outcome.states, clocks),
        *_requests(theirs.seen, ours.seen, clocks, allowed),
    ]


def report(differences: Sequence[Difference]) -> str:
    """For people: empty where there are none."""
    return "\n".join(str(difference) for difference in differences)


class _Clock:
    """Takes instants within a run out of values."""

    def __init__(self, outcome: Outcome) -> None:
        self._from, self._to = outcome.began - _SLACK, outcome.ended + _SLACK

    def text(self, value: str, facts: set[str]) -> str:
        """facts: instants that stay."""

        def put(found: re.Match[str]) -> str:
            return found[0] if found[0] in facts or not self._is_now(found[0]) else "<now>"

        return _INSTANT.sub(put, value)

    def _is_now(self, written: str | int) -> bool:
        return any(self._from <= instant <= self._to for instant in _instants(written))


_COLON = "(?::|%3A)"
_INSTANT = re.compile(
    rf"\d{{4}}-\d\d-\d\d(?:T|%20|\+| )\d\d{_COLON}\d\d(?:{_COLON}\d\d(?:\.\d+)?)?(?:Z|(?:\+|%2B|-)\d\d{_COLON}?\d\d)?"
    r"|\b\d{10}(?:\.\d+)?\b|\b\d{13}\b"
)


def _instants(written: str | int) -> Iterator[datetime]:
    digits = str(written)
    if digits.replace(".", "").isdigit():
        for unit in (1, 1000, 1_000_000):
            seconds = float(digits) / unit
            if 1e9 < seconds < 4e9:
                yield datetime.fromtimestamp(seconds, UTC)
        return
    plain = digits.replace("%3A", ":").replace("%20", "T").replace("%2B", "+").replace(" ", "T")
    plain = re.sub(r"^(\d{4}-\d\d-\d\d)\+", r"\1T", plain)
    plain = re.sub(r"\.(\d{6})\d+", r".\1", plain)
    try:
        instant = datetime.fromisoformat(plain)
    except ValueError:
        return
    yield instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _catalogs(theirs: Json | None, ours: Json | None) -> Iterator[Difference]:
    if theirs is None or ours is None:
        if theirs is not ours:
            yield Difference("catalog", "", f"only {'ours' if theirs is None else 'theirs'} gave one")
        return
    one, other = (_by_name(catalog) for catalog in (theirs, ours))
    yield from _only("catalog", one, other)
    for name in one.keys() & other.keys():
        for key in sorted({*one[name], *other[name]}):
            if one[name].get(key) != other[name].get(key):
                yield Difference("catalog", name, _pair(key, one[name].get(key), other[name].get(key)))


def _by_name(catalog: Json) -> dict[str, Json]:
    return {stream["name"]: stream for stream in catalog["streams"]}


def _statuses(theirs: Outcome, ours: Outcome) -> Iterator[Difference]:
    known = {name for side in (theirs, ours) if side.catalog for name in _by_name(side.catalog)}
    for name in sorted({*theirs.statuses, *ours.statuses} & known):  # the peer says some of parts of a stream, too
        if theirs.statuses.get(name) != ours.statuses.get(name):
            yield Difference("status", name, _pair("", theirs.statuses.get(name), ours.statuses.get(name)))
    if bool(theirs.code) != bool(ours.code):
        yield Difference("status", "", _pair("exit code", theirs.code, ours.code))
    if bool(theirs.errors) != bool(ours.errors):
        yield Difference("errors", "", _pair("", theirs.errors[:2], ours.errors[:2]))


def _records(
    theirs: Mapping[str, list[Json]],
    ours: Mapping[str, list[Json]],
    clocks: tuple[_Clock, _Clock],
    allowed: Allowed,
) -> Iterator[Difference]:
    for name in sorted({*theirs, *ours}):
        left_out = allowed.fields.get(name, frozenset())
        one, other = (
            [_canonical(_without(record, left_out)) for record in side.get(name, [])] for side in (theirs, ours)
        )
        one, other = _timeless(one, other, clocks)
        yield from _multisets("records", name, Counter(one), Counter(other))


def _states(
    theirs: Mapping[str, Json], ours: Mapping[str, Json], clocks: tuple[_Clock, _Clock]
) -> Iterator[Difference]:
    yield from _only("state", theirs, ours)
    for name in sorted(theirs.keys() & ours.keys()):
        [one], [other] = _timeless([_canonical(_state(theirs[name]))], [_canonical(_state(ours[name]))], clocks)
        if one != other:
            yield Difference("state", name, f"\n  theirs: {one[:_SHORT]}\n  ours:   {other[:_SHORT]}")


def _timeless(theirs: Sequence[str], ours: Sequence[str], clocks: tuple[_Clock, _Clock]) -> tuple[list[str], list[str]]:
    """Without the instants of each side's own run. One that both sides have is a fact of the data, whenever it was."""
    facts = set(_INSTANT.findall("\n".join(theirs))) & set(_INSTANT.findall("\n".join(ours)))
    return [clocks[0].text(text, facts) for text in theirs], [clocks[1].text(text, facts) for text in ours]


def _state(state: Json) -> Json:
    """Partitions in any order; without how long the run took, which is no fact of the data, and what only ours says."""
    plain = {
        key: value for key, value in state.items() if key != "lookback_window" and not key.startswith("_file_cdk_")
    }
    if isinstance(plain.get("states"), list):
        plain["states"] = sorted(plain["states"], key=lambda one: _canonical(one.get("partition")))
    if isinstance(plain.get("parent_state"), dict):
        plain["parent_state"] = {
            name: _state(value) if isinstance(value, dict) else value for name, value in plain["parent_state"].items()
        }
    return plain


def _requests(
    theirs: Sequence[SeenRequest], ours: Sequence[SeenRequest], clocks: tuple[_Clock, _Clock], allowed: Allowed
) -> Iterator[Difference]:
    theirs, ours = ([seen for seen in side if not seen.answer.is_fault] for side in (theirs, ours))
    one, other = _timeless([_request(seen) for seen in theirs], [_request(seen) for seen in ours], clocks)
    if allowed.pages_ahead:
        known = set(one)
        kept = [not _is_behind_the_last(seen) or text in known for seen, text in zip(ours, other, strict=True)]
        ours, other = list(compress(ours, kept)), list(compress(other, kept))
    yield from _multisets("requests", "", _counted(theirs, one, allowed), _counted(ours, other, allowed))


def _counted(seen: Sequence[SeenRequest], texts: Sequence[str], allowed: Allowed) -> Counter[str]:
    counted = Counter(texts)
    for request, text in zip(seen, texts, strict=True):
        if request.answer.stream in allowed.repeated or not request.answer.stream:
            counted[text] = 1
    return counted


def _request(request: SeenRequest) -> str:
    asked = request.asked
    where = f"{asked.scheme}://{asked.host}{asked.path}"
    parameters = "&".join(sorted(f"{name}={value}" for name, value in asked.parameters))
    headers = {name: value for name, value in request.headers.items() if name not in ("accept", "content-type")}
    body = _canonical(dict(asked.leaves)) if asked.leaves else asked.body.decode(errors="replace")
    return _GIVEN.sub(r"\1\2", f"{asked.method} {where}?{parameters} {_canonical(headers)} {body}")


def _is_behind_the_last(request: SeenRequest) -> bool:
    """A page that has no records, and is not the first."""
    return request.answer.page > 0 and request.answer.records == 0


def _only(kind: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted(theirs.keys() ^ ours.keys()):
        yield Difference(kind, name, f"only {'theirs' if name in theirs else 'ours'}")


def _multisets(kind: str, stream: str, theirs: Counter[str], ours: Counter[str]) -> Iterator[Difference]:
    """At most one."""
    if theirs == ours:
        return
    lines = [f"{theirs.total()} theirs, {ours.total()} ours"]
    for whose, rest in (("theirs", theirs - ours), ("ours", ours - theirs)):
        lines += [f"  only {whose}, {count}x: {text[:_SHORT]}" for text, count in sorted(rest.items())[:_MOST_NAMED]]
        if len(rest) > _MOST_NAMED:
            lines.append(f"  only {whose}: {len(rest) - _MOST_NAMED} more")
    yield Difference(kind, stream, "\n".join(lines))


def _pair(what: str, theirs: Any, ours: Any) -> str:
    return f"{what}\n  theirs: {_canonical(theirs)[:_SHORT]}\n  ours:   {_canonical(ours)[:_SHORT]}"


def _without(record: Json, fields: frozenset[str]) -> Json:
    return {name: value for name, value in record.items() if name not in fields and value is not None}


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
