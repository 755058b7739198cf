"""Three syncs of a real product, with a day of business between: what was read, by primary key, is what its API has."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pretix_site import MANIFEST, PYTHON, PretixSite

from file_cdk.declarative.language import resolved
from file_cdk.testing.side_by_side.program import Outcome, Program, configured

Json = dict[str, Any]
Table = dict[tuple[Any, ...], Json]

pytestmark = pytest.mark.skipif(not PYTHON, reason="FILE_CDK_PRETIX_PYTHON names no Python with pretix")

RUNNER = Program(
    [
        os.environ.get("FILE_CDK_PEER_PYTHON", sys.executable),
        "-c",
        "from airbyte_cdk.cli.source_declarative_manifest import run; run()",
    ]
)
EMPTY_AT_FIRST = {"invoices", "checkins", "revoked_secrets", "order_refunds", "team_members"}
INCREMENTAL = {"subevents", "orders", "transactions", "checkins"}
EVENTS = ("fair", "night", "tour")


@pytest.fixture(scope="module")
def site() -> Iterator[PretixSite]:
    with PretixSite() as running:
        running.fill()
        yield running


def tables_of(site: PretixSite, events: tuple[str, ...]) -> dict[str, list[Json]]:
    """Some streams as the API has them, asked without any manifest."""

    def in_events(path: str) -> list[Json]:
        return [record for slug in events for record in site.all(f"/events/{slug}/{path}")]

    payments = [
        {**payment, "order": order["code"]}
        for slug in events
        for order in site.all(f"/events/{slug}/orders/")
        for payment in site.all(f"/events/{slug}/orders/{order['code']}/payments/")
    ]
    variations = [
        variation
        for slug in events
        for item in site.all(f"/events/{slug}/items/")
        for variation in site.all(f"/events/{slug}/items/{item['id']}/variations/")
    ]
    return {
        "events": site.all("/events/"),
        "gift_cards": site.all("/giftcards/"),
        "items": in_events("items/"),
        "item_variations": variations,
        "orders": in_events("orders/"),
        "order_payments": payments,
        "transactions": in_events("transactions/"),
        "vouchers": in_events("vouchers/"),
        "checkins": in_events("checkins/"),
        "waiting_list": in_events("waitinglistentries/"),
    }


def by_key(records: list[Json], key: list[str]) -> Table:
    """Without the fields that are null, which airbyte-cdk does not print."""
    return {
        tuple(record[part] for part in key): {name: value for name, value in record.items() if value is not None}
        for record in records
    }


class Synced:
    """Tables that are kept by the states and records of a runner."""

    def __init__(self, site: PretixSite) -> None:
        self._site = site
        self._text = MANIFEST.read_text()
        manifest = resolved(self._text, Path(MANIFEST).name)
        self.keys = {stream["name"]: stream["primary_key"] for stream in manifest["streams"]}
        found = RUNNER.discover(self._text, site.config, os.environ)
        assert found.catalog is not None, found.rest
        self._catalog = configured(found.catalog, list(self.keys), "incremental")
        self._state: list[Json] = []
        self.tables: dict[str, Table] = {name: {} for name in self.keys}

    def sync(self) -> Outcome:
        outcome = RUNNER.read(self._text, self._site.config, self._catalog, os.environ, self._state)
        assert outcome.errors == []
        assert {outcome.statuses.get(name) for name in self.keys} == {"COMPLETE"}
        self._state = outcome.state
        for name, key in self.keys.items():
            read = by_key(outcome.records.get(name, []), key)
            self.tables[name] = {**self.tables[name], **read} if name in INCREMENTAL else read
        return outcome

    def check(self, events: tuple[str, ...]) -> None:
        for name, records in tables_of(self._site, events).items():
            assert self.tables[name] == by_key(records, self.keys[name]), name


def test_three_syncs_with_changes_between(site: PretixSite) -> None:
    synced = Synced(site)
    first = synced.sync()
    assert len(synced.keys) == 36
    assert {name for name, table in synced.tables.items() if not table} == EMPTY_AT_FIRST
    synced.check(EVENTS)
    assert len(first.records["orders"]) == 12

    site.change(1)
    second = synced.sync()
    synced.check((*EVENTS, "late"))
    assert (
        8 <= len(second.records["orders"]) < 18
    )  # 4 of the new event, 2 new ones, 2 changed; and the last of each event again

    site.change(2)
    third = synced.sync()
    synced.check((*EVENTS, "late"))
    assert 1 <= len(third.records["orders"]) < 18
    assert len(third.records["checkins"]) == 1
