"""What is put into a pretix: bodies of its API's requests."""

from typing import Any

Json = dict[str, Any]

ITEMS = ("Seat", "Standing", "Poster", "Rare")
"""The third has variations; of the last there is none left."""
SUBEVENT_DAYS: tuple[Json, ...] = tuple(
    {
        "name": {"en": f"Day {day}"},
        "date_from": f"2027-05-0{day}T10:00:00Z",
        "active": True,
        "item_price_overrides": [],
        "variation_price_overrides": [],
        "meta_data": {},
    }
    for day in (2, 3)
)


def event(slug: str, *, is_series: bool) -> Json:
    return {
        "name": {"en": slug.title()},
        "slug": slug,
        "live": False,
        "testmode": False,
        "currency": "EUR",
        "date_from": "2027-05-01T10:00:00Z",
        "has_subevents": is_series,
        "plugins": ["pretix.plugins.banktransfer"],
        "timezone": "UTC",
        "meta_data": {},
    }


def item(name: str, tax_rule: int, category: int) -> Json:
    sizes = ("A2", "A3") if name == "Poster" else ()
    return {
        "name": {"en": name, "de": f"{name} “groß”"},
        "default_price": f"{10 + ITEMS.index(name)}.00",
        "category": category,
        "tax_rule": tax_rule,
        "admission": name != "Poster",
        "active": True,
        "variations": [{"value": {"en": size}, "active": True, "position": 0} for size in sizes],
        "addons": [],
        "bundles": [],
    }


def question(slug: str, of_item: int) -> Json:
    return {
        "question": {"en": "Size?"},
        "type": "C",
        "identifier": f"SIZE{slug}".upper(),
        "required": False,
        "items": [of_item],
        "options": [{"answer": {"en": size}, "identifier": f"{slug}{size}".upper()} for size in "SL"],
    }


def discount() -> Json:
    return {
        "internal_name": "Groups",
        "active": True,
        "position": 1,
        "all_sales_channels": True,
        "limit_sales_channels": [],
        "available_from": None,
        "available_until": None,
        "subevent_mode": "mixed",
        "condition_all_products": True,
        "condition_limit_products": [],
        "condition_apply_to_addons": True,
        "condition_ignore_voucher_discounted": False,
        "condition_min_count": 3,
        "condition_min_value": "0.00",
        "benefit_discount_matching_percent": "10.00",
        "benefit_only_apply_to_cheapest_n_matches": 1,
    }


def order(number: int, of_item: int, subevent: int | None) -> Json:
    position: Json = {
        "positionid": 1,
        "item": of_item,
        "variation": None,
        "price": f"{10 + number}.00",
        "attendee_name_parts": {"full_name": f"Guest “{number}”"},
        "attendee_email": None,
        "addon_to": None,
        "subevent": subevent,
        "answers": [],
    }
    return {
        "email": f"guest{number}@example.org",
        "locale": "en",
        "sales_channel": "web",
        "status": "p" if number % 2 == 0 else "n",
        "payment_provider": "banktransfer",
        "fees": [],
        "positions": [position],
    }
