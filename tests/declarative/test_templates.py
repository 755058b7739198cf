"""Templates as manifests have them, and what they come to."""

import pickle
import subprocess
import sys
from typing import Any

import pytest
from template_cases import SCOPE, TEMPLATES

from file_cdk.core.errors import ConfigError, TemplateError
from file_cdk.declarative.templates import Condition, Template, compiled

PLACE = "stream 'users', field 'path'"


def value(text: str, **names: Any) -> Any:
    return Template(text, PLACE).value(SCOPE | names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12345", 12345),
        ("1_000", 1000),
        ("1e5", 100000.0),
        ("0x10", 16),
        ("1.10", 1.1),
        ("None", None),
        ("True", True),
        ("1,2", (1, 2)),
        ("[1, 2]", [1, 2]),
        ("{'a': 1}", {"a": 1}),
        ("'x'", "x"),
        ("12 ", 12),
        ("007", "007"),
        ("2024-01-01", "2024-01-01"),
        ("Infinity", "Infinity"),
        ("1+2j", "1+2j"),
        ("true", "true"),
        ("null", "null"),
        ("", ""),
    ],
)
def test_texts_are_read_as_literals(text: str, expected: Any) -> None:
    for result in (
        value(text),
        value("{{ config.x }}", config={"x": text}),
        value("{{ config.x ~ '' }}", config={"x": text}),
    ):
        assert result == expected
        assert type(result) is type(expected)


def test_values_that_have_no_text_are_an_error() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    for odd in (10**5000, {"a": [10**5000]}, deep):
        for text in ("{{ config.x }}", "x{{ config.x }}", "{{ config.x ~ '' }}"):
            with pytest.raises(TemplateError, match=r"too many digits|ValueError|too deep|operations"):
                value(text, config={"x": odd})


def test_types_that_are_not_wanted_stay_texts() -> None:
    scope = {"config": {"version": "1.10", "ids": [1, 2], "n": 5, "none": None}}
    for_requests = (str, list)
    assert Template("{{ config.version }}", PLACE, for_requests).value(scope) == "1.10"
    assert Template("{{ config.ids }}", PLACE, for_requests).value(scope) == [1, 2]
    assert Template("{{ config.n }}", PLACE, for_requests).value(scope) == "5"
    assert Template("{{ config.none }}", PLACE, for_requests).value(scope) == "None"
    assert Template("{{ config.n }}", PLACE, (int,)).value(scope) == 5
    assert Template("'quoted'", PLACE, (str,)).value(scope) == "quoted"


def test_lists_and_mappings_are_copied() -> None:
    inner = {"a": [1, {"b": 1.5}], "c": "'x'"}
    result = value("{{ config.x }}", config={"x": inner})
    assert result == inner
    result["a"][1]["b"] = 2
    assert inner == {"a": [1, {"b": 1.5}], "c": "'x'"}


def test_what_has_no_literal_stays_a_text() -> None:
    assert value("{{ config.x }}", config={"x": {"a": float("nan")}}) == "{'a': nan}"
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    assert value("{{ config.x }}", config={"x": deep}) == str(deep)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ config.nested.a.b }}", "deep"),
        ("{{ config['nested']['a']['b'] }}", "deep"),
        ("{{ config.get('missing', 'x') }}", "x"),
        ("{{ config.get('missing') }}", None),
        ("{{ config.missing }}", ""),
        ("{{ config['list'][-1] }}", 2),
        ("{{ stream_partition.id }}", 7),
        ("{{ stream_interval['start_time'] }}", "2024-01-01"),
        ("/users/{{ stream_slice.id }}/posts\n", "/users/7/posts"),
        ("{{ headers['link']['next']['url'] }}", "https://h.example/2"),
        ("{{ config._private }}", "p"),
        ("{{ config.number }}{{ config.number }}", 1212),
        ("{{ config['number'] + 1 }}", 13),
        ("{{ response['links'] | map(attribute='rel') | join(',') }}", "next"),
        ("{{ config.list | sort | last }}", 3),
        ("{{ '%03d' | format(config.number) }}", "012"),
        ("{% for x in config.list %}{{ x }};{% endfor %}", "3;1;2;"),
        ("{{ config.text | regex_search('(\\\\w+)$') }}", "text"),
        ("{{ config.text | regex_replace('e', 'E') }}", "SomE tExt"),
        ("{{ 'key' | hmac('secret') }}", "96de09a0f8699191b28587118ac57df88bbf6c2d0c131d196dcd90f7efd68c93"),
        ("{{ 'a' | hash }}", "0cc175b9c0f1b6a831c399e269772661"),
        ("{{ 'a:b' | base64encode }}", "YTpi"),
        ("{{ 'YTpi' | base64decode }}", "a:b"),
        ("{{ 'a' | base64binascii_decode }}", "YQ=="),
        ("{{ config.number | string }}", "12"),
        ("{{ config.list | string }}", "[3, 1, 2]"),
        ("{{ sanitize_url('a b&c') }}", "a+b%26c"),
        ("{{ camel_case_to_snake_case('someCamelCase') }}", "some_camel_case"),
        ("{{ max(2, 3) }}{{ min([5, 4]) }}", 34),
        ("{{ timestamp('2024-01-01T00:00:00Z') }}", 1704067200.0),
        ("{{ timestamp(1.9) }}", 1),
        ("{{ str_to_datetime('2024-01-01T02:00:00+02:00') }}", "2024-01-01 00:00:00+00:00"),
        ("{{ format_datetime('2024-01-01', '%d.%m.%Y') }}", "01.01.2024"),
        ("{{ format_datetime('01.02.2024', '%Y-%m-%d', '%d.%m.%Y') }}", "2024-02-01"),
        ("{{ format_datetime('2024-01-01', '%s') }}", 1704067200),
        ("{{ (str_to_datetime('2024-03-31') - duration('P1M')).date() }}", "2024-02-29"),
        ("{{ duration('P1DT2H') }}", "1 day, 2:00:00"),
    ],
)
def test_values(text: str, expected: Any) -> None:
    assert value(text) == expected


def test_times_of_today() -> None:
    day = value("{{ today_utc() }}")
    assert value("{{ now_utc().strftime('%Y-%m-%d') }}") >= day
    assert value("{{ day_delta(-1, '%Y-%m-%d') }}") < day
    assert value("{{ now_utc() - duration('P1D') }}")[:10] < value("{{ now_utc() }}")[:10]
    assert len(value("{{ generate_uuid() }}")) == 36
    assert value("{{ today_with_timezone('Pacific/Kiritimati') }}") > value("{{ today_with_timezone('Pacific/Niue') }}")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("", False),
        ("False", False),
        ("false", False),
        ("0", False),
        ("0.0", False),
        ("{}", False),
        ("[]", False),
        ("()", False),
        ("None", False),
        ("{{ config.missing }}", False),
        ("{{ config.missing.x }}", False),
        ("{{ response.has_more }}", False),
        ("{{ not response.has_more }}", True),
        ("no", True),
        ("null", True),
        ("{{ config.text }}", True),
        ("{{ config.none > 5 }}", True),
        ("{{ response.page >= 3 and response.next }}", True),
        (True, True),
        (False, False),
    ],
)
def test_conditions(condition: str | bool, expected: bool) -> None:
    assert Condition(condition, PLACE).holds(SCOPE) is expected


def test_a_missing_name_is_an_error_that_names_what_there_is() -> None:
    for text in ("{{ recrd.id }}", "{{ recrd.id | upper }}", "{{ recrd | default('x') }}"):
        with pytest.raises(TemplateError) as raised:
            Template(text, PLACE).value({"config": {"key": "s3cr3t"}, "record": {}})
        expected = f"template {text!r} of {PLACE}: there is no 'recrd' here. There are: config, record"
        assert str(raised.value) == expected
        assert isinstance(raised.value, ConfigError)
        assert (raised.value.expression, raised.value.place) == (text, PLACE)


def test_a_missing_name_is_an_error_in_a_condition_too() -> None:
    with pytest.raises(TemplateError, match="no 'missing' here"):
        Condition("{{ missing }}", PLACE).holds({"config": {}})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ config.a", "is no template"),
        ("{% if x %}", "is no template"),
        ("{{ config | nothing }}", "there is no filter 'nothing'"),
        ("{{ config is nothing }}", "there is no test 'nothing'"),
        ("{{ config | uper }}", "there is no filter 'uper'; was 'upper' meant"),
        ("{{ stream_state['a'] }}", "`stream_state` is no longer a name of templates"),
        ("{% include 'a' %}", "the statement `include` is refused"),
    ],
)
def test_faults_of_the_text_are_found_when_it_is_compiled(text: str, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason):
        Template(text, PLACE)


def test_values_of_types_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(TemplateError, match="not for values of such types"):
        value("{{ config.none + 1 }}")


def test_names_are_those_that_are_looked_at() -> None:
    assert Template("{{ config.a }}/{{ record['b'] }}", PLACE).names == {"config", "record"}
    assert Template("{% set x = config.a %}{{ x }}{{ max(1, 2) }}", PLACE).names == {"config"}
    assert Template("{{ stream_interval.a }}", PLACE).names == {"stream_interval"}
    assert Template("a text", PLACE).names == frozenset()
    assert Condition("{{ response.x }}", PLACE).names == {"response"}
    assert Condition(True, PLACE).names == frozenset()


def test_constants_are_texts_without_expressions() -> None:
    assert Template("a text", PLACE).is_constant
    assert not Template("{{ config.a }}", PLACE).is_constant
    assert not Template("{{ now_utc() }}", PLACE).is_constant


@pytest.mark.parametrize(
    ("text", "is_text"),
    [
        ("/users/{{ record.id }}", True),
        ("https://h/{{ record.id }}", True),
        ("prefix-{{ record.id }}", True),
        ("_{{ record.id }}", True),
        ("{{ record.id }}", False),
        ("12{{ record.id }}", False),
        ("False{{ record.id }}", False),
        ("u{{ record.id }}", False),
        ("{{ record.id }}-suffix", False),
        ("/x/{{ record.id | upper }}", False),
    ],
)
def test_what_is_a_text_in_any_case(text: str, is_text: bool) -> None:
    assert Template(text, PLACE).is_always_text is is_text


@pytest.mark.parametrize("text", TEMPLATES)
def test_templates_pickle(text: str) -> None:
    try:
        template = Template(text, PLACE)
        before = template.value(SCOPE)
    except TemplateError:
        return
    if "now_utc" in text or "day" in text or "uuid" in text:
        return
    for copied in (
        pickle.loads(pickle.dumps(template)),
        pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(template)))),
    ):
        assert copied == template
        assert repr(copied.value(SCOPE)) == repr(before)


def test_mappings_are_evaluated_as_a_whole() -> None:
    content = {
        "text": "a-{{ config.number }}",
        "{{ config.text }}": "{{ config.number }}",
        "missing": "{{ config.missing }}",
        "deep": {"missing": "{{ config.missing.x }}", "list": ["{{ config.number }}", 5, None, {"x": "1.10"}]},
        "number": 5,
        "none": None,
        "1": True,
    }
    assert compiled(content, PLACE).value(SCOPE) == {
        "text": "a-12",
        "Some text": 12,
        "deep": {"list": [12, 5, None, {"x": 1.1}]},
        "number": 5,
        1: True,
    }
    for_requests = compiled(content, PLACE, key_types=(str,), value_types=(str, list)).value(SCOPE)
    assert for_requests["Some text"] == "12"
    assert for_requests["1"] is True
    assert for_requests["deep"]["list"][3] == {"x": "1.10"}
    assert pickle.loads(pickle.dumps(compiled(content, PLACE))).value(SCOPE)["number"] == 5


def test_a_text_alone_is_a_template() -> None:
    assert compiled("{{ config.missing }}", PLACE).value(SCOPE) == ""
    assert compiled(["{{ config.missing }}"], PLACE).value(SCOPE) == [None]
    assert compiled(5, PLACE).value(SCOPE) == 5


def test_places_in_mappings_are_named() -> None:
    with pytest.raises(TemplateError) as raised:
        compiled({"a": [{"b": "{{ nothing }}"}]}, "stream 'users', request_body_json").value(SCOPE)
    assert raised.value.place == "stream 'users', request_body_json.a[0].b"


def test_keys_that_are_none() -> None:
    with pytest.raises(ConfigError, match="comes to a value that is no key"):
        compiled({"{{ config.list }}": 1}, PLACE).value(SCOPE)
    with pytest.raises(ConfigError, match="comes to a value that is no key"):
        compiled({"{{ config.missing }}": 1}, PLACE).value(SCOPE)


@pytest.mark.parametrize("library", ["jinja2", "regex"])
def test_the_extra_is_named_where_a_library_is_missing(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("file_cdk.declarative.templates.")]:
        if name.rpartition(".")[2] in ("bounded", "budget", "filters", "methods", "patterns", "rewriting", "sandbox"):
            monkeypatch.delitem(sys.modules, name)
            monkeypatch.delattr(name, raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=f"need {library}, which is not installed.*file-cdk\\[manifests\\]"):
        Template("{{ config.a | upper }}", PLACE)


def test_plain_lookups_need_no_jinja() -> None:
    program = (
        "import sys; from file_cdk.declarative.templates import Template, Condition, compiled;"
        "s = {'config': {'a': {'b': '1'}}, 'stream_slice': {'i': 2}};"
        "assert Template('x/{{ config.a.b }}', '').value(s) == 'x/1';"
        "assert compiled({'k': '{{ stream_partition.get(\"i\") }}'}, '').value(s) == {'k': 2};"
        "assert Condition('{{ config[\"a\"] }}', '').holds(s);"
        "assert Condition('{{ not config.get(\"b\", {}) }}', '').holds(s);"
        "assert Condition('{{ stream_slice.i == 2 }}', '').holds(s);"
        "assert not {'jinja2', 'regex', 'zoneinfo'} & set(sys.modules), sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
