"""Records filtered and changed: what comes out, and what of it keeps the API's bytes."""

from typing import Any

import msgspec
import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.selection import RecordSelector
from file_cdk.declarative.components.transformations import Transformation
from file_cdk.declarative.records.cutting import Cutter
from file_cdk.declarative.records.looking import looked_at
from file_cdk.declarative.records.selection import Selected, Shape, selection

SELECTOR = {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}}


def selected(
    body: bytes, *changes: dict[str, Any], schema: Any = None, cursor_field: str | None = None, **selector: Any
) -> Selected:
    transformations = [msgspec.convert(each, Transformation) for each in changes]
    component = msgspec.convert(SELECTOR | selector, RecordSelector)
    found = selection(component, Shape(transformations, schema, cursor_field), "stream 's'")
    cut = Cutter(()).cut(body)
    outcome = found.selected(cut, {"config": {"key": "k"}, "stream_slice": {"part": "p"}, "next_page_token": None})
    assert cut.found == len(outcome.records) + outcome.filtered + len(outcome.rejected)
    return outcome


def put(*fields: tuple[list[str], str] | tuple[list[str], str, str], **written: Any) -> dict[str, Any]:
    definitions = [
        {"type": "AddedFieldDefinition", "path": path, "value": value} | ({"value_type": kind[0]} if kind else {})
        for path, value, *kind in fields
    ]
    return {"type": "AddFields", "fields": definitions} | written


def removed(*pointers: list[str], **written: Any) -> dict[str, Any]:
    return {"type": "RemoveFields", "field_pointers": list(pointers)} | written


@pytest.mark.parametrize(
    ("change", "record", "changed"),
    [
        (put((["p"], "{{ stream_partition.part }}")), b'{"a":1.10}', b'{"a":1.10,"p":"p"}'),
        (put((["p"], "1.10", "string"), (["q"], "1.10")), b'{"z":0}', b'{"z":0,"p":"1.10","q":1.1}'),
        (put((["a"], "{{ record.a + 1 }}"), (["b"], "{{ record.a * 2 }}")), b'{"a":1,"z":1E400}', b'{"a":2,"z":1E400,"b":4}'),
        (put((["o", "x"], "{{ record['o']['y'] }}")), b'{"o":{"y":2.50,"n":1.0}}', b'{"o":{"y":2.50,"n":1.0,"x":2.5}}'),
        (put((["l", "2", "x"], "1")), b'{"l":[1.50]}', b'{"l":[1.50,null,{"x":1}]}'),
        (put((["new", "1"], "1")), b'{"z":0}', b'{"z":0,"new":[null,1]}'),
        (put((["p"], "1"), condition="{{ record.a == 1 }}"), b'{"a":2}', b'{"a":2}'),
        (put((["p"], "{{ record.s }}")), b'{"s":"\\u00e9","h":"\\ud800"}', '{"s":"\\u00e9","h":"\\ud800","p":"é"}'.encode()),
        (removed(["a"], ["o", "x"], ["missing", "x"]), b'{"a":1,"o":{"x":1,"y":2.0},"b":3.0}', b'{"o":{"y":2.0},"b":3.0}'),
        (removed(["l", "0"], ["m", "1"]), b'{"l":[1,2],"m":[1,2]}', b'{"l":[null,2],"m":[1]}'),
        (removed(["a*"], ["*", "x"]), b'{"ab":1,"b":{"x":1,"y":1.50}}', b'{"b":{"y":1.50}}'),
        (removed(["**"], condition="{{ property == '' }}"), b'{"a":"","o":{"x":"","y":[1.0,""]}}', b'{"o":{"y":[1.0]}}'),
    ],
)  # fmt: skip
def test_changes(change: dict[str, Any], record: bytes, changed: bytes) -> None:
    assert selected(record, change).records == [changed]


def test_members_are_put_in_their_places_however_they_are_spelled() -> None:
    body = b'[{"p":1,"z":2.0},{"\\u0070":1,"z":2.0},{"z":2.0,"o":{"p":1}},{ }, {"z":"p"},[{        }]]'
    assert selected(body, put((["p"], "{{ stream_slice.part }}"))).records == [
        b'{"p":"p","z":2.0}',
        b'{"p":"p","z":2.0}',
        b'{"z":2.0,"o":{"p":1},"p":"p"}',
        b'{"z":"p","p":"p"}',
        b'{        "p":"p"}',
    ]
    assert selected(b'{"a\\/b":1,"z":2.0}', put((["a/b"], "x"))).records == [b'{"a/b":"x","z":2.0}']


def test_no_two_records_share_a_value() -> None:
    changes = [
        put((["l"], "[1, 2]"), (["l", "0"], "{{ record.a }}")),
        removed(["l", "*"], condition=""),
        put((["m"], "{{ record.l }}")),
    ]
    assert selected(b'[{"a":1},{"a":2}]', *changes).records == [
        b'{"a":1,"l":[null],"m":[null]}',
        b'{"a":2,"l":[null],"m":[null]}',
    ]
    assert selected(b'[{"a":1},{"a":2}]', changes[0]).records == [b'{"a":1,"l":[1,2]}', b'{"a":2,"l":[2,2]}']


def test_a_record_that_cannot_be_changed_is_rejected_alone() -> None:
    outcome = selected(b'[{"o":{}},{"o":null},{"o":[]},{"o":{"x":1}}]', put((["o", "x"], "2")))
    assert outcome.records == [b'{"o":{"x":2}}', b'{"o":{"x":2}}']
    assert [(each.number, each.reason) for each in outcome.rejected] == [
        (1, "has a value at 'o' in which no field can be put"),
        (2, "has a list where an object with 'x' is looked for"),
    ]


def test_a_record_that_is_nested_too_deeply_to_be_changed_is_rejected_alone() -> None:
    deep = b'{"a":' + b'{"b":' * 700 + b"1" + b"}" * 700 + b"}"
    outcome = selected(b'[{"z":1,"b":2},' + deep + b"]", removed(["*"], ["**", "b"]))
    assert outcome.records == [b"{}"]
    assert [(each.number, each.reason) for each in outcome.rejected] == [(1, "is nested too deeply")]


def test_numbers_of_rejected_records_count_those_that_were_none() -> None:
    outcome = selected(b'[1,{"o":1},{"o":{}},"x",{"o":2}]', put((["o", "x"], "2")))
    assert [each.number for each in outcome.rejected] == [0, 1, 3, 4]


def test_values_that_json_has_not_are_rejected() -> None:
    outcome = selected(b'{"a":1}', put((["x"], "1e999")))
    assert [each.reason for each in outcome.rejected] == ["would get a value at 'x' that JSON has not"]


FILTER: dict[str, Any] = {"record_filter": {"type": "RecordFilter", "condition": "{{ record.a == 1 }}"}}


def test_filters_leave_bytes_alone() -> None:
    outcome = selected(b'[{"a": 1, "a":1,"b":1.10},{"a":2},{"b":1}]', **FILTER)
    assert (outcome.records, outcome.filtered) == ([b'{"a": 1, "a":1,"b":1.10}'], 2)


def test_a_filter_is_asked_before_changes_or_after() -> None:
    change = put((["a"], "1"))
    assert selected(b'[{"a":1},{"a":2}]', change, **FILTER).filtered == 1
    assert selected(b'[{"a":1},{"a":2}]', change, transform_before_filtering=True, **FILTER).filtered == 0


SCHEMA = {
    "definitions": {"money": {"type": "object", "properties": {"amount": {"type": "string"}}}},
    "properties": {
        "text": {"type": ["null", "string"]},
        "whole": {"type": "integer"},
        "number": {"type": "number"},
        "flag": {"type": ["boolean"]},
        "list": {"type": ["array", "null"], "items": {"type": ["string"]}},
        "either": {"type": ["string", "integer"]},
        "money": {"$ref": "#/definitions/money"},
    },
}


@pytest.mark.parametrize(
    ("record", "made"),
    [
        (b'{"text":12,"x":1.10}', b'{"text":"12","x":1.10}'),
        (b'{"text":null,"whole":"7","number":5}', b'{"text":null,"whole":7,"number":5.0}'),
        (b'{"whole":"x","number":"1e3","flag":"No"}', b'{"whole":"x","number":1000.0,"flag":false}'),
        (b'{"list":1,"either":1}', b'{"list":["1"],"either":1}'),
        (b'{"money":{"amount":1,"other":2.50}}', b'{"money":{"amount":"1","other":2.5}}'),
        (
            b'{"money":{"amount":"1","other":2.50},"number":1.50}',
            b'{"money":{"amount":"1","other":2.50},"number":1.50}',
        ),
        (b'{"number":1E400}', b'{"number":1E400}'),
    ],
)
def test_values_are_made_those_of_the_schema(record: bytes, made: bytes) -> None:
    assert selected(record, schema=SCHEMA, schema_normalization="Default").records == [made]
    assert selected(record, schema=SCHEMA).records == [record]


def test_numbers_of_any_length_are_looked_at() -> None:
    """Python makes no whole number of more than 4,300 digits."""
    digits = b"9" * 5000
    body = b'[{"at":' + digits + b'},{"at":1}]'
    condition = {"record_filter": {"type": "RecordFilter", "condition": "{{ record.at != 1 }}"}}
    outcome = selected(body, cursor_field="at", **condition)
    assert (outcome.records, outcome.filtered) == ([b'{"at":' + digits + b"}"], 1)
    assert outcome.cursor_values == [digits.decode()]


def test_no_list_is_filled_up_without_end() -> None:
    outcome = selected(b'[{"l":[1]},{"a":1}]', put((["l", "1000000000"], "2")))
    assert [each.reason for each in outcome.rejected] == ["would get a list of 1,000,000,001 elements"] * 2


def test_cursor_values_are_taken_from_what_goes_out() -> None:
    body = b'[{"at":"2024","n":1},{"n":2},{"at":12345678901234567890},{"at":{"x":1}},{"at":"\\ud83d\\ude00","h":"\\ud800"}]'
    assert selected(body, cursor_field="at").cursor_values == ["2024", None, 12345678901234567890, {"x": 1}, "😀"]
    assert selected(b'[{"a":1}]', put((["at"], "{{ record.a }}")), cursor_field="at").cursor_values == [1]
    assert selected(b'[{"a\\"t":1}]', cursor_field='a"t').cursor_values == [1]
    assert selected(body).cursor_values == ()


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("{{ record.a }} {{ record['b c'] }} {{ record.get('d') }}", ("a", "b c", "d")),
        ("{{ last_record.a }}", ()),
        ("{{ record }}", None),
        ("{{ record[config.name] }}", None),
        ("{{ record.items() }}", None),
        ("{{ 'a' in record }}", None),
        ("{{ record.a.b.items() }}", ("a",)),
        ("{{ record.get(config.name) }}", None),
    ],
)
def test_which_members_templates_look_at(text: str, members: tuple[str, ...] | None) -> None:
    assert looked_at([text], "record") == members


@pytest.mark.parametrize(
    ("changes", "selector"),
    [
        ([{"type": "KeysToLower"}], {}),
        ([{"type": "CustomTransformation", "class_name": "a.B"}], {}),
        ([removed(["**", "**"])], {}),
        ([], {"record_filter": {"type": "CustomRecordFilter", "class_name": "a.B"}}),
        ([], {"schema_normalization": {"type": "CustomSchemaNormalization", "class_name": "a.B"}}),
    ],
)
def test_what_is_not_supported_yet(changes: list[dict[str, Any]], selector: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        selected(b"[]", *changes, **selector)
