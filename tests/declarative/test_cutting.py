"""Records cut out of bodies: which, with which bytes, and what is said of those that are none."""

import pytest

from file_cdk.core.errors import AnswerError
from file_cdk.declarative.records.cutting import NO_NUMBER, NOT_AN_OBJECT, NOT_UTF8, Cutter


@pytest.mark.parametrize(
    ("body", "path", "records"),
    [
        (b'{"data":[{"a":1},{"b":2.10,"b":1E400}],"next":"x"}', ("data",), [b'{"a":1}', b'{"b":2.10,"b":1E400}']),
        (b'{"a":{"b":[{ "c" : 12345678901234567890.10 }]}}', ("a", "b"), [b'{ "c" : 12345678901234567890.10 }']),
        (b'[{"a":1},{"a":2}]', (), [b'{"a":1}', b'{"a":2}']),
        (b'{"a":1}', (), [b'{"a":1}']),
        (b'{"data":{"a":1}}', ("data",), [b'{"a":1}']),
        (b'\xef\xbb\xbf[{"a":1}]', (), [b'{"a":1}']),
        # Each element of an outermost list is a body of its own.
        (b'[{"data":[{"a":1}]},{"data":{"b":1}},{"data":null}]', ("data",), [b'{"a":1}', b'{"b":1}']),
        (b'[{"a":1},{},{ },[{"b":2},{}],null]', (), [b'{"a":1}', b'{"b":2}', b"{}"]),
        (b'[[{"a":1},{}],{"a":2}]', (), [b'{"a":1}', b"{}", b'{"a":2}']),
        (b'{"d":[[{"a":1}],[{"a":2}]]}', ("d", "1"), [b'{"a":2}']),
        (b'{"x":{"k":{"a":1},"l":{"a":2}}}', ("x", "*"), [b'{"a":1}', b'{"a":2}']),
        (b'{"d":[{"i":[{"a":1},{"a":2}]},{"i":[]},{}]}', ("d", "*", "i", "*"), [b'{"a":1}', b'{"a":2}']),
        (b'{"data":[{"a":1}]}', ("d?ta",), [b'{"a":1}']),
        (b'{"da\\"ta":[{"a":1}]}', ('da"ta',), [b'{"a":1}']),
        (b'{"data":[{"a" : 1,\r\n  "b":"x\\ny"}]\n}', ("data",), [b'{"a":1,"b":"x\\ny"}']),
    ],
)
def test_what_is_at_the_path(body: bytes, path: tuple[str, ...], records: list[bytes]) -> None:
    cut = Cutter(path).cut(body)
    assert cut.records == records
    assert cut.rejected == ()


@pytest.mark.parametrize(
    "body",
    [
        b"", b" \r\n", b"null", b"[]", b"{}", b'{"data":null}', b'{"data":[]}', b'{"data":{}}', b'{"data":{"items":null}}',
        b'{"data":{"items":[]}}', b'{"data":{"items":""}}', b'{"data":{"items":false}}', b'{"data":""}',
    ],
)  # fmt: skip
def test_nothing_is_there(body: bytes) -> None:
    assert Cutter(("data", "items")).cut(body).records == []


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        (b'{"items":[],"b":1}', ("data",), "the answer has no 'data': outermost it has members 'b', 'items'"),
        (b'{"data":{"x":1}}', ("data", "rows"), "the answer has no 'data.rows': at 'data' it has members 'x'"),
        (b'{"data":7}', ("data", "rows"), "the answer has no 'data.rows': at 'data' it has a number"),
        (b'{"data":[1]}', ("data", "rows"), "the answer has no 'data.rows': at 'data' it has a list"),
        (b'{"data":"secret"}', ("data",), "the answer has a text at 'data', where records were expected"),
        (b'{"x":1}', ("data", "*"), "the answer has no 'data.*': outermost it has members 'x'"),
        (b'{"aa":[],"ab":[]}', ("a?",), "the answer has 2 places that 'a?' may mean"),
        (b"<html>no", ("data",), "the answer is not JSON (byte 0 of 8)"),
        (b'{"data":[{"a":1}', ("data",), "the answer is not JSON (byte 16 of 16)"),
        (b'{"data":[{"a":1}]}x', ("data",), "the answer is not JSON (byte 18 of 19)"),
        (b'{"data":' + b"[" * 100_000, ("data",), "the answer is nested too deeply"),
    ],
)
def test_no_records_where_they_should_be(body: bytes, path: tuple[str, ...], message: str) -> None:
    with pytest.raises(AnswerError) as caught:
        Cutter(path).cut(body)
    assert caught.value.message == message


def test_records_that_are_none_are_rejected_alone() -> None:
    body = b'{"data":[{"a":NaN},{"b":"\\ud800"},\n {"c":"\xff"},3,{"d":1,\r\n "e":-Infinity},{"f":1,\n  "g":2}]}'
    cut = Cutter(("data",)).cut(body)
    assert cut.records == [b'{"b":"\\ud800"}', b'{"f":1,"g":2}']
    reasons = [(each.number, each.reason) for each in cut.rejected]
    assert reasons == [(0, NO_NUMBER), (2, NOT_UTF8), (3, NOT_AN_OBJECT), (4, NO_NUMBER)]
    assert cut.found == 6


def test_what_is_no_object_is_rejected_where_all_else_is_sound() -> None:
    cut = Cutter(("data",)).cut(b'{"data":[1,{"a":1},"x",null,[],{"b":"\xff"}]}')
    assert cut.records == [b'{"a":1}']
    assert [each.number for each in cut.rejected] == [0, 2, 3, 4, 5]


def test_members_that_templates_look_at_come_with_the_records() -> None:
    cut = Cutter(("data",), ("next", "more", "missing")).cut(b'{"more":{"x":[1]},"data":[{"a":1}],"next":"t"}')
    assert cut.members == {"next": "t", "more": {"x": [1]}}
    assert Cutter(("data",)).cut(b'{"data":[{"a":1}]}').members is None
