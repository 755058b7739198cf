"""A pretix of one's own: started on this machine, filled and changed through its API."""

import json
import os
from pathlib import Path
from typing import Any

import urllib3
from pretix_stock import ITEMS, SUBEVENT_DAYS, discount, event, item, order, question

from file_cdk.testing.servers.process import ChildServer, Launch, http_status

Json = dict[str, Any]

PYTHON = os.environ.get("FILE_CDK_PRETIX_PYTHON", "")
"""That of an environment with pretix, which `tox -e real` makes."""
TOKEN = "of-the-tests"
SERIES = "tour"
"""The event that is a series of several, so that most of what it has belongs to one of them."""
MANIFEST = Path(__file__).parent / "manifests" / "pretix.yaml"
_PROGRAM = Path(__file__).with_name("pretix_program.py")


class PretixSite(ChildServer):
    """One organizer, `library`, with three events, each with all that the manifest has streams for."""

    def __init__(self) -> None:
        super().__init__()
        self._pool = urllib3.PoolManager(retries=False, timeout=60, headers={"Authorization": f"Token {TOKEN}"})

    @property
    def config(self) -> Json:
        """For the manifest."""
        return {"url": self.endpoint, "token": TOKEN}

    def _plan(self, folder: Path) -> Launch:
        (folder / "site").mkdir()
        return Launch(
            name="pretix",
            # -P: this folder must not come before installed packages.
            command=[PYTHON, "-P", str(_PROGRAM), str(folder / "site"), str(self.port), TOKEN],
            folder=folder,
            answers=lambda: http_status(self.port, "/healthcheck/") is not None,
            env={"PYTHONPATH": ""},
            timeout_s=600,  # it makes 300 tables first, in 15 s of CPU
        )

    def stop(self) -> None:
        self._pool.clear()
        super().stop()

    def ask(self, method: str, path: str, body: Json | None = None) -> Json:
        url = path if path.startswith("http") else f"{self.endpoint}/api/v1/organizers/library{path}"
        response = self._pool.request(method, url, json=body)
        if response.status >= 400:
            raise AssertionError(f"{method} {path}: {response.status} {response.data.decode()[:500]}")
        return dict(json.loads(response.data)) if response.data else {}

    def add(self, path: str, **body: Any) -> Json:
        return self.ask("POST", path, body)

    def all(self, path: str) -> list[Json]:
        """Page after page."""
        found: list[Json] = []
        following: str | None = path
        while following:
            page = self.ask("GET", following)
            found += page["results"]
            following = page["next"]
        return found

    def fill(self) -> None:
        self.ask("PATCH", "/", {"plugins": ["pretix.plugins.banktransfer"]})
        kind = self.add("/membershiptypes/", name={"en": "Friends"}, transferable=False, allow_parallel_usage=False)
        customer = self.add("/customers/", email="ada@example.org", name_parts={"_legacy": "Ada"})
        year = {"date_start": "2026-01-01T00:00:00Z", "date_end": "2027-01-01T00:00:00Z"}
        self.add("/memberships/", customer=customer["identifier"], membership_type=kind["id"], **year)
        for number, value in enumerate(("10.00", "25.50")):
            self.add("/giftcards/", secret=f"GIFT{number}", value=value, currency="EUR", testmode=False)
        everywhere = {"all_events": True, "limit_events": []}
        self.add("/devices/", name="Gate", **everywhere)
        hook = {
            "target_url": "https://example.org/hook",
            "enabled": False,
            "action_types": ["pretix.event.order.placed"],
        }
        self.add("/webhooks/", **hook, **everywhere)
        self.add(
            "/seatingplans/",
            name="Hall",
            layout={"name": "Hall", "categories": [], "zones": [], "size": {"width": 1, "height": 1}},
        )
        for slug in ("fair", "night", SERIES):
            self.add_event(slug)

    def add_event(self, slug: str) -> None:
        self.add("/events/", **event(slug, is_series=slug == SERIES))
        at = f"/events/{slug}"
        tax = self.add(f"{at}/taxrules/", name={"en": "VAT"}, rate="19.00", price_includes_tax=True)
        tickets = self.add(f"{at}/categories/", name={"en": "Tickets"}, position=0, is_addon=False)
        extras = self.add(f"{at}/categories/", name={"en": "Extras"}, position=1, is_addon=True)
        items = [
            self.add(f"{at}/items/", **item(name, tax["id"], (extras if name == "Poster" else tickets)["id"]))
            for name in ITEMS
        ]
        chosen = {"addon_category": extras["id"], "min_count": 0, "max_count": 2, "position": 0}
        self.add(f"{at}/items/{items[0]['id']}/addons/", **chosen)
        self.add(f"{at}/questions/", **question(slug, items[0]["id"]))
        days = [self.add(f"{at}/subevents/", **day)["id"] for day in SUBEVENT_DAYS] if slug == SERIES else [None]
        for day in days:
            sizes = [size["id"] for size in items[2]["variations"]]
            many = {"name": "Many", "size": 1000, "items": [one["id"] for one in items[:3]], "variations": sizes}
            self.add(f"{at}/quotas/", **many, subevent=day)
            self.add(f"{at}/quotas/", name="None", size=0, items=[items[3]["id"]], variations=[], subevent=day)
        self.add(f"{at}/discounts/", **discount())
        for number in range(3):
            voucher = {"code": f"{slug.upper()}{number}", "price_mode": "set", "value": "5.00", "item": items[0]["id"]}
            self.add(f"{at}/vouchers/", **voucher, max_usages=1, tag="press")
        door = {"name": "Door", "all_products": True, "limit_products": [], "include_pending": True}
        self.add(f"{at}/checkinlists/", **door, subevent=days[0])
        late = {"email": "late@example.org", "item": items[3]["id"], "variation": None, "locale": "en"}
        self.add(f"{at}/waitinglistentries/", **late, subevent=days[0])
        for number in range(4):
            self.add_order(slug, number)

    def add_order(self, slug: str, number: int) -> Json:
        """Paid where the number is even."""
        items = self.all(f"/events/{slug}/items/")
        days = self.all(f"/events/{slug}/subevents/") if slug == SERIES else []
        day = days[number % 2]["id"] if days else None
        return self.add(f"/events/{slug}/orders/", **order(number, items[number % 2]["id"], day))

    def change(self, day: int) -> None:
        """What happens on the first day after, and on the second."""
        if day == 1:
            self.add_order("fair", 10)
            self.add_order(SERIES, 11)
            paid, pending = self.all("/events/night/orders/")[:2]
            self.ask("PATCH", f"/events/night/orders/{paid['code']}/", {"comment": "by the window"})
            self.add(f"/events/night/orders/{pending['code']}/mark_paid/")
            poster = self.all("/events/fair/items/")[2]
            self.ask("PATCH", f"/events/fair/items/{poster['id']}/", {"default_price": "99.00"})
            gone = self.all("/events/fair/vouchers/")[0]
            self.ask("DELETE", f"/events/fair/vouchers/{gone['id']}/")
            self.add_event("late")
            return
        canceled = self.all("/events/fair/orders/")[0]
        self.add(f"/events/fair/orders/{canceled['code']}/mark_canceled/", send_email=False)
        [door] = self.all("/events/night/checkinlists/")
        guest = self.all(f"/events/night/checkinlists/{door['id']}/positions/")[0]
        self.add(f"/events/night/checkinlists/{door['id']}/positions/{guest['id']}/redeem/")
        [waiting] = self.all("/events/late/waitinglistentries/")
        self.ask("DELETE", f"/events/late/waitinglistentries/{waiting['id']}/")
        [card, *_] = self.all("/giftcards/")
        self.add(f"/giftcards/{card['id']}/transact/", value="-1.00", text="coffee")
