"""The mirror of a manifest as a client of its API sees it."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import jsonschema
import pytest
import urllib3
from manifests import DAILY, SCHEMA, by_token, children_of, counted, manifest, option, stream

from file_cdk.testing.mirror.mirror import Mirror, Serving
from file_cdk.testing.mirror.options import Faults, MirrorOptions
from file_cdk.testing.mirror.signals import links

Json = dict[str, Any]
Ask = Callable[..., urllib3.BaseHTTPResponse]

UNTIL = datetime(2024, 3, 11, tzinfo=UTC)
BASE = "https://api.example.org/v1"


def mirrored(*streams: Json, config: Json | None = None, **options: Any) -> Mirror:
    return Mirror(manifest(*streams), config or {}, MirrorOptions(**{"until": UNTIL, **options}))


def asking(serving: Serving) -> Ask:
    pool = urllib3.ProxyManager(serving.proxy_url, ca_certs=str(serving.authority), retries=False, timeout=20)

    def ask(url: str, method: str = "GET", headers: Json | None = None, **parameters: Any) -> urllib3.BaseHTTPResponse:
        if parameters:
            url += ("&" if "?" in url else "?") + urlencode(parameters)
        return pool.request(method, url, headers=headers)

    return ask


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> Iterator[Callable[[Mirror], Ask]]:
    stack = []

    def begin(mirror: Mirror) -> Ask:
        serving = mirror.serving()
        stack.append(serving)
        return asking(serving.__enter__())

    yield begin
    for serving in stack:
        serving.__exit__(None, None, None)


Asked = Callable[[Mirror], Ask]


def ids(response: urllib3.BaseHTTPResponse) -> list[int]:
    return [record["id"] for record in json.loads(response.data)["data"]]


def all_ids(mirror: Mirror, name: str) -> list[int]:
    return [record["id"] for record in mirror.records(name)]


def test_pages_by_number_begin_where_the_manifest_begins(asked: Asked) -> None:
    mirror = mirrored(stream("s", "things", paginator=counted("PageIncrement", 2, "page", "size", start_from_page=1)))
    ask = asked(mirror)
    pages = [ask(f"{BASE}/things", size=2, **page) for page in ({}, {"page": 2}, {"page": 3})]
    assert [len(ids(page)) for page in pages] == [2, 1, 0]
    assert [one for page in pages for one in ids(page)] == all_ids(mirror, "s")


def test_pages_that_a_header_asks_for_are_told_apart(asked: Asked) -> None:
    numbered = counted("PageIncrement", 2, "page", start_from_page=1)
    numbered["page_token_option"] = option("page", "header")
    mirror = mirrored(stream("s", "things", paginator=numbered))
    ask = asked(mirror)
    pages = [ask(f"{BASE}/things", headers={"page": str(page)}) for page in (1, 2, 3)]
    assert [one for page in pages for one in ids(page)] == all_ids(mirror, "s")


def test_pages_by_offset_may_begin_anywhere(asked: Asked) -> None:
    mirror = mirrored(stream("s", "things", paginator=counted("OffsetIncrement", 4, "offset", "limit")))
    ask = asked(mirror)
    assert ids(ask(f"{BASE}/things", offset=3, limit=2)) == all_ids(mirror, "s")[3:5]
    assert ids(ask(f"{BASE}/things")) == all_ids(mirror, "s")[:4]


@pytest.mark.parametrize(
    ("cursor_value", "stop_condition", "next_of"),
    [
        ("{{ response.next }}", "{{ not response.next }}", lambda page, _: page.get("next")),
        ("{{ response['meta']['cursor'] }}", None, lambda page, _: page.get("meta", {}).get("cursor")),
        (
            "{{ response.page + 1 }}",
            "{{ response.page >= response.total_pages }}",
            lambda page, _: None if page["page"] >= page["total_pages"] else page["page"] + 1,
        ),
        (
            "{{ last_record['id'] }}",
            "{{ last_page_size < 2 }}",
            lambda page, _: page["data"][-1]["id"] if len(page["data"]) == 2 else None,
        ),
        ("{{ last_record['id'] }}", None, lambda page, _: page["data"][-1]["id"] if page["data"] else None),
        (
            "{{ response.next_url | regex_search('cursor=([^&]+)') }}",
            "{{ response.next_url is not defined }}",
            lambda page, _: page["next_url"].split("cursor=")[1] if "next_url" in page else None,
        ),
        ("{{ headers['X-Next'] }}", "{{ 'X-Next' not in headers }}", lambda _, headers: headers.get("X-Next")),
        (
            "{{ headers['link']['next']['cursor'] }}",
            '{{ headers["link"]["next"]["results"] == "false" }}',
            lambda _, headers: (
                links(headers["Link"])["next"].get("cursor") if 'results="false"' not in headers["Link"] else None
            ),
        ),
    ],
)
def test_pages_by_token(
    asked: Asked, cursor_value: str, stop_condition: str | None, next_of: Callable[[Json, Json], Any]
) -> None:
    paginator = by_token(cursor_value, stop_condition, page_size=2)
    mirror = mirrored(stream("s", "things", paginator=paginator), records=5)
    assert mirror.remarks == {}
    ask = asked(mirror)
    found: list[int] = []
    token: Any = None
    for _ in range(5):
        response = ask(f"{BASE}/things", **({} if token is None else {"cursor": token}))
        found += ids(response)
        token = next_of(json.loads(response.data), dict(response.headers))
        if not token:
            break
    assert found == all_ids(mirror, "s")
    assert not token
    assert ask(f"{BASE}/things", cursor="never given").status == 400


@pytest.mark.parametrize("where", ["body", "link"])
def test_pages_whose_url_is_given(asked: Asked, where: str) -> None:
    templates = {
        "body": ("{{ response.links.next }}", "{{ not response.links.next }}"),
        "link": ("{{ headers['link']['next']['url'] }}", "{{ 'next' not in headers['link'] }}"),
    }
    paginator = by_token(*templates[where], {"type": "RequestPath"}, page_size=2)
    mirror = mirrored(stream("s", "things", paginator=paginator, cursor=DAILY), records=5)
    ask = asked(mirror)
    url: str | None = f"{BASE}/things?since=2024-03-01T00:00:00Z"
    found: list[int] = []
    while url:
        response = ask(url)
        found += ids(response)
        body = json.loads(response.data)
        following = body.get("links", {}).get("next") if where == "body" else None
        if where == "link" and "Link" in response.headers:
            following = links(response.headers["Link"])["next"]["url"]
        assert not following or "since=2024-03-01" in following
        url = following
    assert found == all_ids(mirror, "s")


def test_one_record_a_page_where_body_and_record_are_one(asked: Asked) -> None:
    paginator = by_token("{{ response.next }}", "{{ not response.next }}")
    mirror = mirrored(stream("s", "things", field_path=(), paginator=paginator), records=2)
    ask = asked(mirror)
    first = json.loads(ask(f"{BASE}/things").data)
    second = json.loads(ask(f"{BASE}/things", cursor=first["next"]).data)
    assert [first["id"], second["id"]] == all_ids(mirror, "s")
    assert not second.get("next")


def test_an_interval_has_the_records_between_its_ends(asked: Asked) -> None:
    mirror = mirrored(stream("s", "things", cursor=DAILY), records=9)  # one at each midnight from 2 to 10 March
    ask = asked(mirror)
    found = ask(f"{BASE}/things", since="2024-03-03T00:00:00Z", until="2024-03-05T00:00:00Z")
    assert [record["created_at"] for record in json.loads(found.data)["data"]] == [
        "2024-03-03T00:00:00Z",
        "2024-03-04T00:00:00Z",
        "2024-03-05T00:00:00Z",
    ]
    assert len(ids(ask(f"{BASE}/things"))) == 9


def test_intervals_are_read_out_of_templates_and_newest_come_first_in_a_feed(asked: Asked) -> None:
    cursor = {**DAILY, "datetime_format": "%s", "cursor_datetime_formats": ["%Y-%m-%dT%H:%M:%SZ"], "is_data_feed": True}
    del cursor["start_time_option"], cursor["end_time_option"]
    asks = {"request_parameters": {"q": "after:{{ stream_interval.start_time }}"}}
    mirror = mirrored(stream("s", "things", cursor=cursor, requester=asks), records=9)
    ask = asked(mirror)
    since = int(datetime(2024, 3, 9, tzinfo=UTC).timestamp())
    assert ids(ask(f"{BASE}/things", q=f"after:{since}")) == all_ids(mirror, "s")[:-3:-1]


def test_children_can_be_asked_by_the_keys_of_their_parents(asked: Asked) -> None:
    parent = stream("parents", "parents")
    child = stream(
        "children", "parents/{{ stream_partition.parent_id }}/children", router=children_of(parent, "parent_id")
    )
    places = children_of(child, "child_id", request_option=option("of"))
    grandchild = stream("grandchildren", "places", router=places)
    mirror = mirrored(parent, child, grandchild, parents=2)
    ask = asked(mirror)
    found: list[int] = []
    for one in ids(ask(f"{BASE}/parents")):
        for two in ids(ask(f"{BASE}/parents/{one}/children")):
            found += ids(ask(f"{BASE}/places", of=two))
    assert found == all_ids(mirror, "grandchildren")
    assert len(set(found)) == 2 * 2 * 5
    assert ask(f"{BASE}/parents/0/children").status == 404
    assert ask(f"{BASE}/places", of=0).status == 400


def test_lists_multiply(asked: Asked) -> None:
    routers = [
        {"type": "ListPartitionRouter", "values": "{{ config['shops'] }}", "cursor_field": "shop"},
        {"type": "ListPartitionRouter", "values": ["x", "y"], "cursor_field": "kind", "request_option": option("kind")},
    ]
    mirror = mirrored(
        stream("s", "shops/{{ stream_slice.shop }}", router=routers), config={"shops": ["a", "b"]}, records=1
    )
    ask = asked(mirror)
    found = [one for shop in "ab" for kind in "xy" for one in ids(ask(f"{BASE}/shops/{shop}", kind=kind))]
    assert found == all_ids(mirror, "s")


def test_records_are_of_their_schema_and_the_same_every_time() -> None:
    one, other = (mirrored(stream("s", "things"), records=200).records("s") for _ in range(2))
    assert one == other
    for record in one:
        jsonschema.validate(record, SCHEMA)
    assert any("name" not in record for record in one)
    assert any(record.get("owner", 0) is None for record in one)
    assert len({record["id"] for record in one}) == 200


def test_records_have_what_templates_take_out_of_them() -> None:
    fields = [{"path": ["created_at"], "value": "{{ format_datetime(record['meta']['at'], '%Y-%m-%dT%H:%M:%SZ') }}"}]
    added = {"type": "AddFields", "fields": fields}
    read = stream("s", "things", cursor=DAILY, transformations=[added])
    selector = read["retriever"]["record_selector"]
    selector["record_filter"] = {"type": "RecordFilter", "condition": "{{ record.state == 'open' }}"}
    mirror = mirrored(read, records=4)
    assert mirror.records("s")[0]["meta"]["at"] == "2024-03-03T00:00:00Z"
    assert len(mirror.kept("s")) == 2


def test_what_cannot_be_mirrored_says_why() -> None:
    endless = stream("endless", "a", paginator=by_token("{{ response.next or 'x' }}", "{{ false }}"))
    custom = stream("custom", "b")
    custom["retriever"]["requester"]["authenticator"] = {"type": "CustomAuthenticator", "class_name": "x.Y"}
    late = stream("late", "c", router=children_of(custom, "of"))
    mirror = mirrored(endless, custom, late, stream("plain", "d"))
    assert mirror.streams == ["plain"]
    assert mirror.reasons == {
        "endless": "no response makes {{ false }} stop",
        "custom": "nothing is known of the other side of a CustomAuthenticator",
        "late": "nothing is known of the other side of a CustomAuthenticator",
    }


def test_growth_is_from_now_and_reaches_children(asked: Asked) -> None:
    parent = stream("parents", "parents", cursor=DAILY)
    child = stream("children", "children", router=children_of(parent, "of", request_option=option("of")))
    mirror = mirrored(parent, child)
    before = mirror.records("parents")
    began = datetime.now(UTC).replace(microsecond=0)
    mirror.grow(1)
    assert mirror.records("parents")[:-1] == before
    grown = mirror.records("parents")[-1]
    assert began <= datetime.fromisoformat(grown["created_at"]) <= datetime.now(UTC)
    assert len(ids(asked(mirror)(f"{BASE}/children", of=grown["id"]))) == 6


def test_requests_are_remembered_in_their_order(asked: Asked) -> None:
    mirror = mirrored(stream("s", "things", requester={"request_parameters": {"expand": "all"}}))
    ask = asked(mirror)
    ask(f"{BASE}/things", expand="all")
    ask("http://api.example.org/v1/things", expand="all")  # without TLS
    ask(f"{BASE}/things", expand="none")
    ask("https://nobody.example.org/", "POST", {"X-Own": "1"})
    assert [(seen.asked.url, seen.answer.status, seen.answer.page) for seen in mirror.seen] == [
        (f"{BASE}/things?expand=all", 200, 0),
        ("http://api.example.org/v1/things?expand=all", 200, 0),
        (f"{BASE}/things?expand=none", 400, -1),
        ("https://nobody.example.org/", 404, -1),
    ]
    assert mirror.seen[-1].headers["x-own"] == "1"


def test_faults_depend_on_the_request_and_end(asked: Asked) -> None:
    faults = Faults(rate=0.5, seed=3, in_a_row=2)
    read = stream("s", "things", paginator=counted("PageIncrement", 1, "page", start_from_page=1))
    mirror = mirrored(read, records=30, faults=faults)
    ask = asked(mirror)

    def outcomes(page: int) -> list[int]:
        statuses = []
        while 200 not in statuses:
            try:
                statuses.append(ask(f"{BASE}/things", page=page).status)
            except urllib3.exceptions.HTTPError:
                statuses.append(0)
        return statuses

    forwards = {page: outcomes(page) for page in range(1, 31)}
    mirror.forget()
    assert {page: outcomes(page) for page in range(30, 0, -1)} == forwards
    assert {status for statuses in forwards.values() for status in statuses} == {0, 200, 429, 500, 503}
    assert max(map(len, forwards.values())) == 3
