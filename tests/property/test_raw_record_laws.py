"""Records cut out of generated bodies: which are found, with which bytes, and that all of them are accounted for."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.errors import AnswerError
from file_cdk.declarative.components.selection import RecordSelector
from file_cdk.declarative.components.transformations import Transformation
from file_cdk.declarative.records.cutting import Cutter
from file_cdk.declarative.records.selection import Shape, cursor_values, selection

checked = settings(max_examples=60)

blanks = st.sampled_from(["", "", " ", "  ", "\t"])
lines = st.sampled_from(["", "\n", "\r\n  ", " \n"])
numbers = st.sampled_from(
    ["0", "-0", "1.10", "1E400", "-12e-7", "123456789012345678901234567890.10", "12345678901234567890", "1e5"]
)
texts = st.text(st.characters(codec="utf-8"), max_size=5).map(json.dumps) | st.sampled_from(
    ['"\\u00e9"', '"é"', '"\\ud83d\\ude00"', '"\\/"', '"a\\nb"', '"\u2028"', '"{"', '"]"', '"\\""']
)
plain = numbers | texts | st.sampled_from(["null", "true", "false"])
keys = st.sampled_from(["a", "b", "data", "é", "a b", "", "\\u0061"]).map(lambda key: f'"{key}"')


@st.composite
def spelled(draw: st.DrawFn, inner: st.SearchStrategy[str], gaps: st.SearchStrategy[str]) -> str:
    """An object or a list, with gaps between its tokens; keys may come twice."""

    def part(strategy: st.SearchStrategy[str]) -> str:
        return f"{draw(gaps)}{draw(strategy)}{draw(gaps)}"

    if draw(st.booleans()):
        return "[" + ",".join(part(inner) for _ in range(draw(st.integers(0, 3)))) + "]"
    return "{" + ",".join(f"{part(keys)}:{part(inner)}" for _ in range(draw(st.integers(0, 3)))) + "}"


def values(gaps: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(plain, lambda inner: spelled(inner, gaps), max_leaves=6)


def records(gaps: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    one = st.lists(st.tuples(keys, values(gaps)), min_size=1, max_size=4).map(
        lambda members: "{" + ",".join(f"{key}:{value}" for key, value in members) + "}"
    )
    return st.lists(one, max_size=4)


def body(found: list[str], path: tuple[str, ...], before: str, after: str, gap: str) -> bytes:
    text = f"[{gap}" + f"{gap},{gap}".join(found) + f"{gap}]"
    for name in reversed(path):
        text = f'{{{gap}"first":{before},{gap}{json.dumps(name)}{gap}:{gap}{text},"last"{gap}:{after}{gap}}}'
    return f"{gap}{text}{gap}".encode()


paths = st.lists(st.sampled_from(["data", "items", "a b", "é", 'q"'])).map(tuple)
Pairs = list[tuple[str, Any]]


def exactly(text: bytes | str) -> Any:
    """A value with its numbers as texts and its keys in order, those twice too."""
    return json.loads(text, object_pairs_hook=lambda pairs: ("object", pairs), parse_int=str, parse_float=str)


@given(records(blanks), paths, values(blanks), values(blanks), blanks)
@checked
def test_records_keep_their_bytes(found: list[str], path: tuple[str, ...], before: str, after: str, gap: str) -> None:
    cut = Cutter(path).cut(body(found, path, before, after, gap))
    assert [record.decode() for record in cut.records] == found
    assert cut.rejected == ()


@given(records(blanks | lines), paths, values(blanks | lines), values(lines), lines)
@checked
def test_records_on_several_lines_come_on_one(
    found: list[str], path: tuple[str, ...], before: str, after: str, gap: str
) -> None:
    cut = Cutter(path).cut(body(found, path, before, after, gap))
    assert [exactly(record) for record in cut.records] == [exactly(record) for record in found]
    assert not any(b"\n" in record or b"\r" in record for record in cut.records)
    assert cut.rejected == ()


no_records = st.sampled_from(
    ['{"a":NaN}', '{"a":[-Infinity]}', '"text"', "1", "null", "[]", '[{"a":1}]', '{"b":\udcff}', '{"a":"\udcff"}']
)
sound = st.sampled_from(
    ['{"a":1}', '{"a":2.50}', '{"a":"\\ud800"}', '{"a":1,\n"b":[{"c":NaN}]}', '{"a":1,"b":"é"}', "{}"]
)


@given(
    st.lists(sound | no_records, max_size=6),
    st.sampled_from([None, "{{ record.a == 1 }}"]),
    st.sampled_from([[], [{"type": "AddedFieldDefinition", "path": ["b", "x"], "value": "{{ record.a }}"}]]),
)
@checked
def test_all_that_is_found_is_emitted_filtered_or_rejected(
    found: list[str], condition: str | None, fields: list[Any]
) -> None:
    elements = [text.encode(errors="surrogateescape") for text in found if text != '{"b":\udcff}']
    selector: dict[str, Any] = {
        "type": "RecordSelector",
        "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
    }
    if condition:
        selector["record_filter"] = {"type": "RecordFilter", "condition": condition}
    cutter = Cutter(("data",))
    changes = [msgspec.convert({"type": "AddFields", "fields": fields}, Transformation)] if fields else []
    chosen = selection(msgspec.convert(selector, RecordSelector), Shape(changes), "stream 's'")
    cut = cutter.cut(b'{"data":[' + b",".join(elements) + b"]}")
    outcome = chosen.selected(cut, {"config": {}, "stream_slice": {}, "next_page_token": None})
    assert cut.found == len(elements)
    assert cut.found == len(outcome.records) + outcome.filtered + len(outcome.rejected)
    assert [each.number for each in outcome.rejected] == sorted({each.number for each in outcome.rejected})
    faulty = {n for n, element in enumerate(elements) if not is_sound(element)}
    assert faulty <= {each.number for each in outcome.rejected}
    assert all(is_sound(record) for record in outcome.records)


def is_sound(record: bytes) -> bool:
    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        return isinstance(json.loads(record.decode(), parse_constant=refuse), dict)
    except ValueError:
        return False


@given(records(blanks), st.sampled_from(["a", "é", "", "missing"]))
@checked
def test_cursor_values_are_those_of_a_decoder_of_whole_records(found: list[str], name: str) -> None:
    assert cursor_values(name, [text.encode() for text in found]) == [json.loads(text).get(name) for text in found]


@given(values(blanks), st.sampled_from([("a",), ("a", "*"), ("*",), ("*", "a"), ("data", "0"), ("*", "*")]))
@checked
def test_paths_lead_where_they_lead_in_decoded_bodies(text: str, path: tuple[str, ...]) -> None:
    bodies = json.loads(text, parse_float=str)
    try:
        cut = Cutter(path).cut(text.encode())
    except AnswerError:
        return  # nothing is there that could be a record, or something that is none
    expected = [found for each in (bodies if isinstance(bodies, list) else [bodies]) for found in _decoded(each, path)]
    assert [json.loads(record, parse_float=str) for record in cut.records] == [
        each for each in expected if isinstance(each, dict)
    ]
    assert cut.found == len(expected)


def _decoded(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    matches = [value]
    for part in path:
        below = []
        for each in matches:
            children = each if isinstance(each, dict) else dict(enumerate(each)) if isinstance(each, list) else {}
            below += [child for key, child in children.items() if part in ("*", str(key))]
        matches = below
    if "*" in path:
        yield from matches
    elif matches and isinstance(matches[0], list):
        yield from matches[0]
    elif matches and matches[0]:
        yield matches[0]
