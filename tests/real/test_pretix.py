"""Three syncs of a real product, with a day of business between: what was read, by primary key, is what its API has; through
the protocol, and into DuckDB.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pretix_site import MANIFEST, PYTHON, PretixSite

from file_cdk.declarative.language import resolved
from file_cdk.testing.side_by_side.program import Outcome, Program, configured

Json = dict[str, Any]
Table = dict[tuple[Any, ...], Json]

pytestmark = pytest.mark.skipif(not PYTHON, reason="FILE_CDK_PRETIX_PYTHON names no Python with pretix")

RUNNER = Program([sys.executable, "-m", "source_declarative_manifest"])
EMPTY_AT_FIRST = {"invoices", "checkins", "revoked_secrets", "order_refunds", "team_members"}
INCREMENTAL = {"subevents", "orders", "transactions", "checkins"}
EVENTS = ("fair", "night", "tour")


@pytest.fixture
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
    return {tuple(record[part] for part in key): record for record in records}


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


def test_three_syncs_into_duckdb(site: PretixSite, tmp_path: Path) -> None:
    config, database = tmp_path / "config.json", tmp_path / "pretix.duckdb"
    config.write_text(json.dumps(site.config))
    program = [sys.executable, "-c", "from file_cdk.cli import console; console()"]
    keys = {each["name"]: each["primary_key"] for each in resolved(MANIFEST.read_text(), MANIFEST.name)["streams"]}
    events: tuple[str, ...] = EVENTS
    for day in (0, 1, 2):
        if day:
            site.change(day)
            events = (*EVENTS, "late")
        done = subprocess.run(
            [*program, "sync", str(MANIFEST), "--config", str(config), "--to", str(database)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for name, records in tables_of(site, events).items():
            assert rows_of(database, name, keys[name]) == sorted(map(str, by_key(records, keys[name]))), (day, name)
    codes = {order["code"]: order["status"] for slug in events for order in site.all(f"/events/{slug}/orders/")}
    with duckdb.connect(str(database), read_only=True) as connection:
        assert dict(connection.sql("SELECT code, status FROM orders").fetchall()) == codes


def rows_of(database: Path, table: str, key: list[str]) -> list[str]:
    """The keys of its rows, one for each."""
    with duckdb.connect(str(database), read_only=True) as connection:
        if not connection.sql(f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{table}'").fetchall():
            return []
        columns = ", ".join(f'"{column}"' for column in key)
        return sorted(map(str, connection.sql(f"SELECT {columns} FROM {table}").fetchall()))
