"""URLs and bodies of requests are, byte for byte, those that `requests` makes of the same."""

from typing import Any

import requests
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.requesting import urls as urls_of_requests
from file_cdk.declarative.requesting.bodies import body
from file_cdk.declarative.requesting.urls import with_parameters

checked = settings(max_examples=60)

texts = st.text(st.characters(codec="utf-8"), max_size=6) | st.text(
    "aZ09 -._~%2fé!*'();:@&=+$,/?#[]\"<>\\^`{|}\n", max_size=8
)
scalars = st.one_of(texts, st.integers(), st.booleans(), st.none(), st.floats())
values = scalars | st.lists(scalars, max_size=3)
mappings = st.dictionaries(texts, values, max_size=4)
segments = st.text("aZ09 -._~%2f4Eé!*'();:@&=+$,[]\"<>\\^`{|}", max_size=8)


@st.composite
def urls(draw: st.DrawFn) -> str:
    host = draw(
        st.sampled_from(
            ["a.example", "A.Example:8080", "user:p%40ss@a.example", "127.0.0.1", "[::1]:80", "bücher.example"]
        )
    )
    path = draw(st.lists(segments, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts)))
    query = draw(st.just("") | segments.map(lambda text: "?" + text) | st.just("?a=1&b=x+y&b=%C3%A9&c"))
    fragment = draw(st.just("") | segments.map(lambda text: "#" + text))
    return f"{draw(st.sampled_from(['https', 'http', 'HTTPS']))}://{host}{path}{query}{fragment}"


def prepared(**written: Any) -> requests.PreparedRequest:
    request = requests.PreparedRequest()
    request.prepare(method="POST", **written)
    return request


@given(urls(), mappings)
@example("https://a.example/v1", {"a": ["x y", None, "é"], "b[]": True, "": 1.5})
@example("https://a.example/%7Efoo%2fbar/%zz?q=%41%zz", {})
@example("https://a.example?x=1#there", {"y": "2"})
@example("http://127.0.0.1:8080/v1/a-b/c.json?x=1&y", {"z": 2})
@example("https://a.example/v1/../b/./c", {})
@example("https://a.example/.well-known//a/", {})
@example("https://a.example?", {})
@checked
def test_urls(url: str, parameters: dict[str, Any]) -> None:
    try:
        expected = prepared(url=url, params=parameters).url
    except requests.RequestException:
        try:
            with_parameters(url, parameters)
        except ConfigError:
            return
        raise
    own = dict(part.partition("=")[::2] for part in url.partition("?")[2].partition("#")[0].split("&"))
    assume(own.keys().isdisjoint(parameters))  # those that it has are not repeated
    assert with_parameters(url, parameters) == expected


@given(st.integers(0, 70000))
@example(59999)
@example(60000)
@example(65535)
@example(65536)
def test_every_port_is_plain(port: int) -> None:
    """To parse a URL takes urllib3, whose import takes longer than all else of a short read."""
    assert (urls_of_requests._PLAIN.fullmatch(f"http://127.0.0.1:{port}/") is not None) == (0 < port < 65536)


@given(mappings | st.text(st.characters(codec="utf-8"), min_size=1))
@checked
def test_forms_and_texts(data: dict[str, Any] | str) -> None:
    expected = prepared(url="https://a.example", data=data)
    content = expected.body.encode() if isinstance(expected.body, str) else expected.body
    assert body(data, {}) == (content, expected.headers.get("Content-Type"))


json_values = st.recursive(
    st.one_of(
        st.text(max_size=3), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(texts, json_values, min_size=1, max_size=3))
@checked
def test_json(value: dict[str, Any]) -> None:
    expected = prepared(url="https://a.example", json=value)
    assert body({}, value) == (expected.body, "application/json")
