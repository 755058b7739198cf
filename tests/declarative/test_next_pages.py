"""Which page comes next, and what its request says."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from file_cdk.core.errors import AnswerError, ConfigError
from file_cdk.declarative.components.paging import DefaultPaginator
from file_cdk.declarative.pages import Token
from file_cdk.declarative.paging.links import links
from file_cdk.declarative.paging.paginator import Paginator, paginator
from file_cdk.declarative.paging.turn import Turn

PARAMETER = {"type": "RequestOption", "inject_into": "request_parameter"}


def made(strategy: dict[str, Any], **written: Any) -> Paginator:
    component = msgspec.convert(
        {"type": "DefaultPaginator", "pagination_strategy": strategy} | written, DefaultPaginator
    )
    return paginator(component, {"size": 2, "text": "many"}, "stream 's'")


def turn(
    found: int, *, emitted: int | None = None, response: Any = None, headers: Any = None, last: Any = None
) -> Turn:
    return Turn(
        found,
        found if emitted is None else emitted,
        lambda: response,
        lambda: headers,
        lambda: last,
        {"config": {"size": 2}},
    )


def values(pages: Paginator, *found: int) -> list[Any]:
    """Of the tokens, while pages have so many records."""
    token: Token | None = pages.first()
    seen = []
    for number in found:
        assert token is not None
        seen.append(token.value)
        token = pages.following(token, turn(number))
    return [*seen, token and token.value]


def test_page_numbers() -> None:
    assert values(made({"type": "PageIncrement", "page_size": 2}), 2, 2, 1) == [None, 1, 2, None]
    assert values(made({"type": "PageIncrement", "page_size": "2", "start_from_page": 1}), 2, 3) == [None, 2, 3]
    first = {
        "type": "PageIncrement",
        "page_size": "{{ config.size }}",
        "start_from_page": 1,
        "inject_on_first_request": True,
    }
    assert values(made(first), 2, 0) == [1, 2, None]


def test_without_a_page_size_an_empty_page_is_the_last() -> None:
    assert values(made({"type": "PageIncrement"}), 1, 5, 0) == [None, 1, 2, None]
    assert values(made({"type": "OffsetIncrement"}), 1, 5, 0) == [None, 1, 6, None]


def test_offsets_go_by_what_came() -> None:
    assert values(made({"type": "OffsetIncrement", "page_size": 2, "inject_on_first_request": True}), 2, 3, 1) == [
        0,
        2,
        5,
        None,
    ]
    said = made({"type": "OffsetIncrement", "page_size": "{{ response.limit }}"})
    assert said.following(said.first(), turn(2, response={"limit": 3})) is None
    assert said.following(said.first(), turn(3, response={"limit": 3})) == Token(1, 3)


def test_pages_ahead_are_those_that_follow_full_ones() -> None:
    for strategy in ({"type": "PageIncrement", "page_size": 2}, {"type": "OffsetIncrement", "page_size": 2}):
        pages = made(strategy)
        token = pages.first()
        for _ in range(9):
            assert token.is_next_known
            ahead = pages.ahead(token)
            assert ahead is not None
            assert ahead == pages.following(token, turn(2))
            token = ahead
    unknown = made({"type": "OffsetIncrement"})
    assert not unknown.first().is_next_known
    assert unknown.ahead(unknown.first()) is None
    everything = made({"type": "OffsetIncrement", "page_size": -1})
    assert values(everything, 7, 0) == [None, 7, None]
    assert everything.ahead(Token(1, 7)) is None


def test_a_filter_does_not_end_paging_by_number() -> None:
    pages = made({"type": "PageIncrement", "page_size": 2})
    assert pages.following(pages.first(), turn(2, emitted=0)) is not None


def cursor(value: str, **written: Any) -> Paginator:
    return made({"type": "CursorPagination", "cursor_value": value} | written)


@pytest.mark.parametrize(
    ("pages", "seen", "value"),
    [
        (cursor("{{ response.next }}"), {"response": {"next": "12"}}, 12),
        (cursor("{{ response.next }}"), {"response": {}}, None),
        (
            cursor("{{ headers.link.next.url }}"),
            {"headers": {"link": links('<https://a.b/?p=2>; rel="next"')}},
            "https://a.b/?p=2",
        ),
        (cursor("{{ last_record['id'] }}"), {"last": {"id": "x"}}, "x"),
        (
            cursor("{{ last_page_size }}", stop_condition="{{ last_page_size < page_size }}", page_size=2),
            {"emitted": 1},
            None,
        ),
        (cursor("{{ last_page_size }}", stop_condition="{{ last_page_size < page_size }}", page_size=2), {}, 3),
        (cursor("x", stop_condition="{{ not response.more }}"), {"response": {"more": False}}, None),
    ],
)
def test_cursors(pages: Paginator, seen: dict[str, Any], value: Any) -> None:
    token = pages.following(pages.first(), turn(3, **seen))
    assert (token and token.value) == value
    assert not pages.first().is_next_known


def test_tokens_of_other_types_are_other_tokens() -> None:
    pages, token = cursor("{{ response.next }}"), Token(0)
    for value in (True, 1, 1.0, "1x"):
        following = pages.following(token, turn(1, response={"next": value}))
        assert following is not None
        assert repr(following.value) == repr(value)
        token = following


@pytest.mark.parametrize(
    "of", [lambda n: "same", lambda n: n % 3, lambda n: min(n, 20), lambda n: n if n < 9 else 9 + n % 7]
)
def test_tokens_that_go_round_in_a_circle_are_an_error(of: Callable[[int], Any]) -> None:
    pages = cursor("{{ response.next }}")

    def read() -> None:
        token: Token | None = pages.first()
        for number in range(1, 100):
            assert token is not None
            token = pages.following(token, turn(1, response={"next": f"t{of(number)}"}))

    with pytest.raises(AnswerError, match="was there before"):
        read()


def test_where_tokens_and_sizes_go() -> None:
    pages = made(
        {"type": "OffsetIncrement", "page_size": 2},
        page_token_option=PARAMETER | {"field_name": "offset"},
        page_size_option={"type": "RequestOption", "inject_into": "body_json", "field_path": ["page", "size"]},
    )
    assert "request_parameter" not in pages.parts(pages.first())
    assert pages.parts(Token(1, 2))["request_parameter"] == {"offset": 2}
    assert pages.parts(Token(1, 2))["body_json"] == {"page": {"size": 2}}
    by_path = made({"type": "CursorPagination", "cursor_value": "x"}, page_token_option={"type": "RequestPath"})
    assert (by_path.path(by_path.first()), by_path.path(Token(1, "https://a.b"))) == (None, "https://a.b")


@pytest.mark.parametrize(
    ("strategy", "written"),
    [
        ({"type": "PageIncrement"}, {"page_size_option": PARAMETER | {"field_name": "limit"}}),
        ({"type": "PageIncrement", "page_size": "{{ config.text }}"}, {}),
        (
            {"type": "PageIncrement", "page_size": 1},
            {"page_size_option": PARAMETER | {"field_name": "a"}, "page_token_option": PARAMETER | {"field_name": "a"}},
        ),
        ({"type": "CursorPagination", "cursor_value": "{{ page_size }}"}, {}),
        ({"type": "CustomPaginationStrategy", "class_name": "a.B"}, {}),
    ],
)
def test_what_cannot_be(strategy: dict[str, Any], written: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        made(strategy, **written)
