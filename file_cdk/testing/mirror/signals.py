"""What a response has to say so that a manifest's templates ask for another page, or stop: found by trying."""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from file_cdk.testing.mirror.made_up import put, taken
from file_cdk.testing.mirror.templates import Chain, TemplateFailedError, chains, rendered

OWN_PARAMETER = "mirror_page"
"""Names the page in a URL that a response gives for the next one."""

_GOING_ON = (
    "token",
    "url",
    "yes",
    "true",
    "number",
    "next",
    "pages",
    "count",
    "no",
    "false",
    "absent",
    "null",
    "empty",
)
_STOPPING = (
    "absent",
    "null",
    "empty",
    "no",
    "false",
    "number",
    "pages",
    "count",
    "yes",
    "true",
    "url",
    "token",
    "next",
)
_MOST_TRIES = 20_000
_NO = {"", "False", "false", "{}", "[]", "()", "0", "0.0", "None"}
_PARAMETER = re.compile(r"([\w.\[\]-]+)=")


class NoSignalError(Exception):
    """Nothing that a response can say makes the templates do what they should."""


@dataclass(frozen=True, slots=True)
class Place:
    """A page among others. number: from 0. url: of the next one. last_record: of the page before it was cut into pages."""

    number: int
    pages: int
    count: int
    url: str
    records: Sequence[dict[str, Any]]


Body = Callable[[Sequence[dict[str, Any]]], Any]


@dataclass(frozen=True, slots=True)
class Templates:
    """cursor_value and stop_condition of a CursorPagination. into_url: the token is where the next request goes to.
    token_names: of query parameters that carry the token. body: records in their envelope."""

    cursor_value: str
    stop_condition: str | None
    scope: Mapping[str, Any]
    into_url: bool
    token_names: frozenset[str]
    body: Body

    def chains(self) -> list[Chain]:
        """Those that are not the beginning of another."""
        found = chains([self.cursor_value, self.stop_condition])
        heads = {chain[:length] for chain in found for length in range(1, len(chain))}
        asked = {chain for chain in found - heads if chain[0] in ("response", "headers") and len(chain) > 1}
        return sorted(asked, key=lambda chain: (chain not in chains(self.cursor_value), chain))

    def names_in_urls(self) -> tuple[str, ...]:
        """The query parameters that name the page in a URL; the last is what templates are likely to cut off."""
        if self.into_url:
            return (OWN_PARAMETER,)
        written = " ".join(filter(None, (self.cursor_value, self.stop_condition)))
        return tuple(sorted(self.token_names | set(_PARAMETER.findall(re.sub(r"==|!=|>=|<=", "", written)))))


@dataclass(frozen=True, slots=True)
class Signals:
    """The kind of value that each look-up finds, on a page that others follow and on the last one."""

    templates: Templates
    goes_on: Mapping[Chain, str]
    stops: Mapping[Chain, str]

    def response(self, place: Place, *, goes_on: bool) -> tuple[Any, dict[str, str]]:
        """The body and the headers of a page."""
        return _response(self.templates, self.goes_on if goes_on else self.stops, place)

    def stops_at(self, place: Place) -> bool:
        """Whether the last page can be this one. Where only an empty page ends the paging, no page with records is."""
        return _stops(self.templates, place, self.stops)

    def token(self, place: Place) -> str:
        """What the templates make of a page that others follow."""
        return str(_asked_next(self.templates, *self.response(place, goes_on=True), place.records))


def signals(templates: Templates, sample: Callable[[int, int], Place]) -> Signals:
    """sample: a page by its number and how many there are; one behind the last is empty. Raises NoSignalError."""
    goes_on = _found(templates, _GOING_ON, partial(_goes_on, templates, sample))
    if goes_on is None:
        raise NoSignalError(f"no response makes {templates.cursor_value} ask for another page")
    for last in (sample(2, 3), sample(3, 3)):
        stops = _found(templates, _STOPPING, partial(_stops, templates, last))
        if stops is not None:
            return Signals(templates, goes_on, stops)
    raise NoSignalError(f"no response makes {templates.stop_condition or templates.cursor_value} stop")


def only_stops(templates: Templates, sample: Callable[[int, int], Place]) -> Signals:
    """For templates that cannot ask for a second page. Raises NoSignalError."""
    stops = _found(templates, _STOPPING, partial(_stops, templates, sample(0, 1)))
    if stops is None:
        raise NoSignalError(f"no response makes {templates.stop_condition or templates.cursor_value} stop")
    return Signals(templates, {}, stops)


def _found(
    templates: Templates, kinds: Sequence[str], fits: Callable[[Mapping[Chain, str]], bool]
) -> Mapping[Chain, str] | None:
    """The first choice of a kind for each look-up that fits."""
    asked = templates.chains()
    choices = itertools.product(kinds, repeat=len(asked))
    tries = (dict(zip(asked, choice, strict=True)) for choice in itertools.islice(choices, _MOST_TRIES))
    return next(filter(fits, tries), None)


def _goes_on(templates: Templates, sample: Callable[[int, int], Place], chosen: Mapping[Chain, str]) -> bool:
    tokens = []
    for number in (0, 1):
        place = sample(number, 3)
        token = _asked_next(templates, *_response(templates, chosen, place), place.records)
        if token is None or (templates.into_url and not str(token).startswith(("http", "/"))):
            return False
        tokens.append(str(token))
    return tokens[0] != tokens[1]


def _stops(templates: Templates, place: Place, chosen: Mapping[Chain, str]) -> bool:
    try:
        return _token(templates, *_response(templates, chosen, place), place.records) is None
    except TemplateFailedError:
        return False


def _asked_next(
    templates: Templates, body: Any, headers: Mapping[str, str], records: Sequence[dict[str, Any]]
) -> Any | None:
    try:
        return _token(templates, body, headers, records)
    except TemplateFailedError:
        return None


def _token(
    templates: Templates, body: Any, headers: Mapping[str, str], records: Sequence[dict[str, Any]]
) -> Any | None:
    """None where paging ends. Raises TemplateFailedError."""
    scope = {
        **templates.scope,
        "response": (body or [{}])[0] if isinstance(body, list) else body,
        "headers": {**headers, "link": links(headers.get("Link", ""))},
        "last_record": records[-1] if records else None,
        "last_page_size": len(records),
    }
    if templates.stop_condition and str(rendered(templates.stop_condition, scope)) not in _NO:
        return None
    return rendered(templates.cursor_value, scope) or None


def links(header: str) -> dict[str, dict[str, str]]:
    """A Link header by the relations in it."""
    found = {}
    for part in filter(None, header.split(", <")):
        url, *attributes = part.split(";")
        link = {"url": url.strip("<> ")}
        for attribute in attributes:
            name, _, value = attribute.partition("=")
            link[name.strip()] = value.strip(" \"'")
        found[link.get("rel", link["url"])] = link
    return found


def _response(templates: Templates, chosen: Mapping[Chain, str], place: Place) -> tuple[Any, dict[str, str]]:
    body = templates.body(place.records)
    headers: dict[str, str] = {}
    link: dict[str, str] = {}
    for chain, kind in chosen.items():
        if kind == "absent":
            continue
        value = _value(kind, place)
        if chain[0] == "response":
            if isinstance(body, dict) and not isinstance(taken(body, chain[1:]), list | dict):
                put(body, chain[1:], value)
        elif chain[1] == "link":
            if chain[2:3] != ("next",):
                continue
            link[chain[3] if len(chain) > 3 else "url"] = str(value)
        elif value is not None:
            raw = chain[1] == "Link" and kind == "url"
            headers[chain[1]] = f'<{value}>; rel="next"' if raw else str(value)
    if link:
        attributes = "".join(f'; {name}="{value}"' for name, value in link.items() if name != "url")
        headers["Link"] = f'<{link.get("url", place.url)}>; rel="next"{attributes}'
    return body, headers


def _value(kind: str, place: Place) -> Any:
    following = place.number + 1
    match kind:
        case "token":
            return f"page-{following}"
        case "url":
            return place.url
        case "yes" | "no":
            return kind == "yes"
        case "true" | "false":
            return kind
        case "number":
            return following
        case "next":
            return following + 1
        case "pages":
            return place.pages
        case "count":
            return place.count
        case "null":
            return None
        case _:
            return ""
