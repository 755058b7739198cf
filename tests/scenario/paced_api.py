"""An API of a shop on this machine that takes its time: notes by page number, events by a cursor of its own, orders by day,
customers by offset, and payments of each customer by page number and day."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from json_api import answering

Json = dict[str, Any]
FIRST_DAY = date(2024, 1, 1)

MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [notes]}
definitions:
  requester: {type: HttpRequester, url_base: "{{ config['url'] }}"}
  selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [data]}}
  loader:
    type: InlineSchemaLoader
    schema: {type: object, properties: {id: {type: integer}, at: {type: string, format: date}}}
  numbered:
    type: DefaultPaginator
    page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
    pagination_strategy: {type: PageIncrement, start_from_page: 1, page_size: 5, inject_on_first_request: true}
  by_day: &by_day
    type: DatetimeBasedCursor
    cursor_field: at
    datetime_format: "%Y-%m-%d"
    start_datetime: "2024-01-01"
    end_datetime: "{{ config['until'] }}"
    step: P5D
    cursor_granularity: P1D
    start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}
    end_time_option: {type: RequestOption, inject_into: request_parameter, field_name: until}
  customers: &customers
    type: DeclarativeStream
    name: customers
    retriever:
      type: SimpleRetriever
      requester: {$ref: "#/definitions/requester", path: customers}
      record_selector: {$ref: "#/definitions/selector"}
      paginator:
        type: DefaultPaginator
        page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: offset}
        pagination_strategy: {type: OffsetIncrement, page_size: 5}
    schema_loader: {$ref: "#/definitions/loader"}
streams:
  - type: DeclarativeStream
    name: notes
    retriever:
      type: SimpleRetriever
      requester: {$ref: "#/definitions/requester", path: notes}
      record_selector: {$ref: "#/definitions/selector"}
      paginator: {$ref: "#/definitions/numbered"}
    schema_loader: {$ref: "#/definitions/loader"}
  - *customers
  - type: DeclarativeStream
    name: payments
    retriever:
      type: SimpleRetriever
      requester: {$ref: "#/definitions/requester", path: "customers/{{ stream_partition['customer'] }}/payments"}
      record_selector: {$ref: "#/definitions/selector"}
      paginator: {$ref: "#/definitions/numbered"}
      partition_router:
        type: SubstreamPartitionRouter
        parent_stream_configs:
          - {type: ParentStreamConfig, stream: *customers, parent_key: id, partition_field: customer}
    incremental_sync: *by_day
    schema_loader: {$ref: "#/definitions/loader"}
  - type: DeclarativeStream
    name: orders
    retriever:
      type: SimpleRetriever
      requester: {$ref: "#/definitions/requester", path: orders}
      record_selector: {$ref: "#/definitions/selector"}
      paginator: {$ref: "#/definitions/numbered"}
    incremental_sync: *by_day
    schema_loader: {$ref: "#/definitions/loader"}
  - type: DeclarativeStream
    name: events
    retriever:
      type: SimpleRetriever
      requester: {$ref: "#/definitions/requester", path: events}
      record_selector: {$ref: "#/definitions/selector"}
      paginator:
        type: DefaultPaginator
        page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: cursor}
        pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.get('next', {}) }}"}
    schema_loader: {$ref: "#/definitions/loader"}
"""


@dataclass
class PacedApi:
    """days: of orders and payments. asked: how often each page was asked for, since it was last cleared. refuses: pages that it
    says do not exist, blocks: of which it says nothing, by what stands in their targets.
    odd: the seventh note has a number that JSON has not."""

    pause_s: float
    days: int = 0
    round: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    refuses: str | None = None
    blocks: str | None = None
    odd: bool = False
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    NOTES, CUSTOMERS, EVENTS = 200, 12, 300

    def records(self, name: str) -> list[Json]:
        match name.split("/"):
            case ["notes"]:
                odd = {7: {"size": float("nan")}} if self.odd else {}
                return [{"id": n, "round": self.round, **odd.get(n, {})} for n in range(self.NOTES)]
            case ["events"]:
                return [{"id": n, "round": self.round} for n in range(self.EVENTS)]
            case ["customers"]:
                return [{"id": n, "round": self.round} for n in range(self.CUSTOMERS)]
            case ["orders"]:
                return [{"id": 10 * day + n, "at": _day(day)} for day in range(self.days) for n in range(3)]
            case ["customers", customer, "payments"]:
                first = 100_000 * int(customer)
                return [{"id": first + 10 * day + n, "at": _day(day)} for day in range(self.days) for n in range(2)]
        raise AssertionError(name)

    def answer(self, target: str) -> tuple[int, Any]:
        split = urlsplit(target)
        asked = {name: value for name, [value] in parse_qs(split.query).items()}
        with self._lock:
            self.asked[target] += 1
        if self.refuses is not None and self.refuses in target:
            return 404, {"message": "there is no such page"}
        name = split.path.strip("/")
        found = self.records(name)
        if "since" in asked:
            found = [each for each in found if asked["since"] <= each["at"] <= asked["until"]]
        if name == "events":
            cursor = asked.get("cursor", "c0")
            first = int(cursor[1:])
            more = {"next": f"c{first + 5}"} if first + 5 < len(found) else {}
            return 200, {"data": found[first : first + 5], **more}
        first = int(asked.get("offset", 0)) if name == "customers" else 5 * (int(asked.get("page", 1)) - 1)
        return 200, {"data": found[first : first + 5]}


def _day(number: int) -> str:
    return (FIRST_DAY + timedelta(days=number)).isoformat()


@contextmanager
def serving(api: PacedApi) -> Iterator[PacedApi]:
    def answer(target: str, _: str | None) -> tuple[int, Any]:
        time.sleep(api.pause_s)
        while api.blocks is not None and api.blocks in target:
            time.sleep(0.1)
        return api.answer(target)

    with answering(answer) as api.url:
        yield api
