"""Pages of a stream's records as its paginator asks for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from file_cdk.testing.mirror.asked import Asked
from file_cdk.testing.mirror.signals import OWN_PARAMETER, Place, Signals
from file_cdk.testing.mirror.templates import numbers, rendered, text

Record = dict[str, Any]
_MOST_KNOWN = 1000
_SIZE_NAMES = ("limit", "size", "per_page", "perpage", "per-page", "max_results", "maxresults")


@dataclass(frozen=True, slots=True)
class Cut:
    """One page. body and headers: of its response."""

    number: int
    records: Sequence[Record]
    body: Any
    headers: Mapping[str, str]


class NoSuchPageError(Exception):
    """The request asks for a page that no response told of."""


@dataclass(frozen=True, slots=True)
class Paging:
    """strategy: PageIncrement, OffsetIncrement, CursorPagination, or empty. size: records of a page where the request does not
    tell. start: the number of the first page. known: what the pages are asked for by, kept for the records of some intervals."""

    strategy: str
    size: int | None
    start: int = 0
    size_option: Mapping[str, Any] | None = None
    token_option: Mapping[str, Any] | None = None
    signals: Signals | None = None
    known: dict[Any, tuple[int, dict[str, int]]] = field(default_factory=dict)

    @property
    def into_url(self) -> bool:
        return self.token_option is not None and self.token_option.get("type") == "RequestPath"

    def cut(self, asked: Asked, holes: Mapping[str, str], records: Sequence[Record], key: Any, body: Any) -> Cut:
        """The page that a request asks for. key: tells these records from others of the stream. body: puts records into an
        envelope. Raises NoSuchPageError."""
        size = self._size(asked) or max(len(records), 1)
        token = self._token(asked, holes)
        if self.signals is not None:
            return self._cut_by_token(self.signals, asked, token, records, size, key)
        first = 0
        if token not in (None, "", "None"):
            try:
                first = int(str(token)) if self.strategy == "OffsetIncrement" else (int(str(token)) - self.start) * size
            except ValueError:
                raise NoSuchPageError(f"{token} is no number") from None
        if first < 0:
            raise NoSuchPageError(f"{token} is before the first page")
        page = records[first : first + size] if self.strategy else records
        return Cut(first // size, page, body(page), {})

    def _size(self, asked: Asked) -> int | None:
        sent = asked.option(self.size_option) if self.size_option else None
        return int(sent) if sent and sent.isdigit() and int(sent) else self.size

    def _token(self, asked: Asked, holes: Mapping[str, str]) -> str | None:
        if self.into_url:
            return asked.query.get(OWN_PARAMETER)
        sent = asked.option(self.token_option) if self.token_option else None
        return holes.get("token") if sent is None else sent

    def _cut_by_token(
        self, signals: Signals, asked: Asked, token: str | None, records: Sequence[Record], size: int, key: Any
    ) -> Cut:
        if not signals.goes_on and signals.templates.chains():
            size = max(len(records), 1)
        pages, known = self._known(signals, records, size, key)
        number = 0
        if token not in (None, "", "None"):
            found = int(str(token)) if self.into_url else known.get(str(token))
            if found is None:
                raise NoSuchPageError(f"no response gave the token {token}")
            number = found
        url = url_of_page(asked.url, signals.templates.names_in_urls(), number + 1)
        place = _place(number, pages, records, size, url)
        body, headers = signals.response(place, goes_on=number + 1 < pages)
        return Cut(number, place.records, body, headers)

    def _known(self, signals: Signals, records: Sequence[Record], size: int, key: Any) -> tuple[int, dict[str, int]]:
        """How many pages there are, and by which tokens those after the first are asked for."""
        if (key, size) not in self.known:
            pages = max(-(-len(records) // size), 1)
            names = signals.templates.names_in_urls()

            def place(number: int) -> Place:
                return _place(number, pages, records, size, url_of_page("https://mirror.invalid/", names, number + 1))

            pages += not signals.stops_at(place(pages - 1))
            tokens = {} if self.into_url else {signals.token(place(number)): number + 1 for number in range(pages - 1)}
            if len(self.known) > _MOST_KNOWN:
                self.known.clear()
            self.known[(key, size)] = (pages, tokens)
        return self.known[(key, size)]


def _place(number: int, pages: int, records: Sequence[Record], size: int, url: str) -> Place:
    return Place(number, pages, len(records), url, records[number * size : (number + 1) * size])


def url_of_page(url: str, names: Sequence[str], number: int) -> str:
    """The same request for another page."""
    split = urlsplit(url)
    kept = [pair for pair in parse_qsl(split.query, keep_blank_values=True) if pair[0] not in names]
    query = urlencode([*kept, *((name, str(number)) for name in names)])
    return urlunsplit(split._replace(query=query))


def sizes(paginator: Mapping[str, Any], requester: Mapping[str, Any], scope: Mapping[str, Any]) -> list[int]:
    """How long a page may be meant to be, the likeliest first."""
    strategy = paginator.get("pagination_strategy") or {}
    likely: list[Any] = [rendered(strategy.get("page_size"), scope)]
    for name, value in (requester.get("request_parameters") or {}).items() if _is_mapping(requester) else ():
        if any(word in name.lower() for word in _SIZE_NAMES) and not str(value).startswith("{{ next"):
            likely.append(rendered(value, scope) if "next_page_token" not in str(value) else None)
    likely += sorted(numbers(strategy.get("stop_condition")), reverse=True)
    found = (int(size) for size in likely if str(size).isdigit())
    return [size for size in found if size > 0]


def _is_mapping(requester: Mapping[str, Any]) -> bool:
    return isinstance(requester.get("request_parameters"), Mapping)


def first_page(strategy: Mapping[str, Any], scope: Mapping[str, Any]) -> int:
    written = text(strategy.get("start_from_page"), scope)
    return int(written) if written.lstrip("-").isdigit() else 0
