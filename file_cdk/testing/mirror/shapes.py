"""What a request of a stream looks like in one of its partitions: constants, and holes for what changes from page to page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from file_cdk.testing.mirror.asked import Asked, leaves
from file_cdk.testing.mirror.templates import TemplateFailedError, names, rendered, text

Scope = Mapping[str, Any]

OPEN = ("start", "end", "token")
"""What a hole may be for: the ends of the interval, the page."""
_CHANGING = {"stream_interval", "stream_slice", "stream_partition", "next_page_token"}


def mark(hole: str) -> str:
    return f"\ue000{hole}\ue001"


_MARK = re.compile("\ue000(\\w+)\ue001")


@dataclass(frozen=True, slots=True)
class Expected:
    """Texts that may stand there, and patterns with holes. optional: it may be missing as well."""

    texts: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]
    optional: bool

    def holes(self, found: str | None) -> dict[str, str] | None:
        """What stands in the holes; None where something else is found."""
        if found is None:
            return {} if self.optional else None
        if found in self.texts or (self.optional and not found):
            return {}
        for pattern in self.patterns:
            if match := pattern.fullmatch(found):
                return match.groupdict()
        return None


@dataclass(frozen=True, slots=True)
class Shape:
    """host: in lower case. paths: what may come, decoded and without double slashes."""

    method: str
    host: str
    paths: Expected
    parameters: Mapping[str, Expected]
    headers: Mapping[str, Expected]
    leaves: Mapping[str, Expected]

    def compared(self, asked: Asked) -> tuple[dict[str, str], list[str]]:
        """What stands in the holes, and what is not as expected, by name."""
        holes: dict[str, str] = {}
        wrong: list[str] = []
        for where, expected, found in (
            ("parameter", self.parameters, asked.query),
            ("header", self.headers, asked.headers),
            ("body", self.leaves, asked.leaves),
        ):
            for name, value in expected.items():
                match = value.holes(found.get(name))
                if match is None:
                    wrong.append(f"{where} {name}")
                else:
                    holes.update(match)
        return holes, wrong


def shape(requester: Mapping[str, Any], scopes: Sequence[Scope], options: Mapping[str, Mapping[str, str]]) -> Shape:
    """scopes: of a first page and of another. options: what request options put where, by `inject_into` and name.

    Raises TemplateFailedError."""
    url = _url(requester, scopes)
    split = urlsplit(url[0])
    parameters = _expected(requester.get("request_parameters"), scopes)
    for name, value in parse_qsl(split.query, keep_blank_values=True):
        parameters[name] = _one([value])
    for name, value in options.get("request_parameter", {}).items():
        parameters[name] = _one([value])
    headers = _expected(requester.get("request_headers"), scopes)
    headers |= {name: _one([value]) for name, value in options.get("header", {}).items()}
    body = _expected(_body_of(requester), scopes)
    body |= {
        name: _one([value]) for where in ("body_json", "body_data") for name, value in options.get(where, {}).items()
    }
    return Shape(
        str(requester.get("http_method") or "GET").upper(),
        split.netloc.lower(),
        _one([plain_path(urlsplit(one).path) for one in url]),
        parameters,
        {name.lower(): value for name, value in headers.items()},
        body,
    )


def plain_path(path: str) -> str:
    return re.sub("/{2,}", "/", unquote(path)).rstrip("/") or "/"


def _url(requester: Mapping[str, Any], scopes: Sequence[Scope]) -> list[str]:
    urls = []
    for scope in scopes:
        url = text(requester.get("url_base") or requester.get("url"), scope)
        path = text(requester.get("path"), scope)
        urls.append(_joined(url, path))
    return list(dict.fromkeys(urls))


def _joined(url: str, path: str) -> str:
    """A path goes behind the URL; the URL's own query goes after it where the path has none."""
    if not path:
        return url
    return f"{url.rstrip('/')}/{path.lstrip('/')}"


def _body_of(requester: Mapping[str, Any]) -> Any:
    body = requester.get("request_body")
    if isinstance(body, Mapping) and "value" in body:
        return {"query": body["value"]["query"]} if "GraphQ" in str(body.get("type")) else body["value"]
    return requester.get("request_body_json") or requester.get("request_body_data")


def _expected(templates: Any, scopes: Sequence[Scope]) -> dict[str, Expected]:
    if not templates:
        return {}
    if not isinstance(templates, Mapping):
        return _of_text(str(templates), scopes)
    found: dict[str, list[str | None]] = {}
    unknown = set()
    for key, template in templates.items():
        for number, scope in enumerate(scopes):
            try:
                below = _flat(text(key, scope), rendered(template, scope))
            except TemplateFailedError:
                if not names(template) & _CHANGING:
                    raise
                unknown.add(key)
                continue
            for path, value in below.items():
                found.setdefault(path, [None] * len(scopes))[number] = value
    return {path: _one(values) for path, values in found.items() if path.split(".")[0] not in unknown}


def _of_text(template: str, scopes: Sequence[Scope]) -> dict[str, Expected]:
    """A body that is written as one text: what it is when read as JSON or a form."""
    found: dict[str, list[str | None]] = {}
    for number, scope in enumerate(scopes):
        value = rendered(template, scope)
        below = leaves(value) if isinstance(value, dict | list) else dict(parse_qsl(str(value)))
        for path, leaf in below.items():
            found.setdefault(path, [None] * len(scopes))[number] = leaf
    return {path: _one(values) for path, values in found.items()}


def _flat(key: str, value: Any) -> dict[str, str]:
    return leaves(value, key) if isinstance(value, dict | list) else {key: "" if value is None else str(value)}


def _one(values: Sequence[str | None]) -> Expected:
    texts = {value for value in values if value is not None and not _MARK.search(value)}
    patterns = [_pattern(value) for value in values if value is not None and _MARK.search(value)]
    return Expected(frozenset(texts), tuple(patterns), optional=None in values or "" in texts)


def _pattern(marked: str) -> re.Pattern[str]:
    seen: set[str] = set()
    pieces = []
    for index, piece in enumerate(_MARK.split(marked)):
        if index % 2 == 0:
            pieces.append(re.escape(piece))
        else:
            pieces.append(".*?" if piece in seen else f"(?P<{piece}>.*?)")
            seen.add(piece)
    return re.compile("".join(pieces), re.DOTALL)
