"""Templates of manifests through airbyte-cdk's interpolation and ours: equal values, equal types, and errors at the same places.

One difference is meant: an operation that is not for values of such types is an error here, where the peer takes the
template's own text for its value (docs/differences.md).
"""

import re
import warnings
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from public_manifests import OWN, PUBLIC, text_of
from template_cases import SCOPE, TEMPLATES

from file_cdk.core.errors import TemplateError
from file_cdk.declarative.templates import Condition, Template, compiled

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    from airbyte_cdk.sources.declarative.interpolation import (  # type: ignore[import-not-found, unused-ignore]
        InterpolatedBoolean,
        InterpolatedMapping,
        InterpolatedString,
    )
    from airbyte_cdk.sources.declarative.interpolation.interpolated_nested_mapping import (  # type: ignore[import-not-found, unused-ignore]
        InterpolatedNestedMapping,
    )
    from airbyte_cdk.sources.declarative.interpolation.jinja import (  # type: ignore[import-not-found, unused-ignore]
        JinjaInterpolation,
    )

ERROR = "error"
Outcome = tuple[str, Any]


def outcome(value: Any) -> Outcome:
    """Comparable, also where the value is no number, or a moment that passes. Addresses of objects are none."""
    return type(value).__name__, re.sub(r"0x[0-9a-f]{6,}", "0x", repr(value))


def scope_of_the_peer(scope: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in scope.items() if name != "config"}


def peers_value(template: str, scope: dict[str, Any], types: tuple[type, ...] | None = None) -> Outcome:
    # Without the class that remembers a first outcome: it takes a text that could not be evaluated once for one without template.
    interpolated = JinjaInterpolation()
    try:
        value = interpolated.eval(template, scope["config"], template, valid_types=types, **scope_of_the_peer(scope))
    except Exception:  # noqa: BLE001
        return ERROR, None
    if value == template and re.search(r"\{[{%]", template):
        return ERROR, None
    return outcome(value)


def our_value(template: str, scope: dict[str, Any], types: tuple[type, ...] | None = None) -> Outcome:
    try:
        return outcome(Template(template, "a test", types).value(scope))
    except TemplateError:
        return ERROR, None


def without_time(result: Outcome, template: str) -> Outcome:
    if not re.search(r"now_utc|today|day_delta|generate_uuid", template):
        return result
    return result[0], re.sub(r"[0-9a-f]", "0", str(result[1]))


@pytest.mark.parametrize("template", TEMPLATES)
def test_values_are_the_peers(template: str) -> None:
    ours = without_time(our_value(template, SCOPE), template)
    assert ours == without_time(peers_value(template, SCOPE), template)


@pytest.mark.parametrize("template", TEMPLATES)
def test_truths_are_the_peers(template: str) -> None:
    try:
        theirs = InterpolatedBoolean(template, {}).eval(SCOPE["config"], **other_names(SCOPE))
    except Exception:  # noqa: BLE001
        theirs = ERROR
    try:
        ours: Any = Condition(template, "a test").holds(SCOPE | {"parameters": {}})
    except TemplateError:
        ours = ERROR
    assert ours == theirs


def other_names(scope: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in scope_of_the_peer(scope).items() if name != "parameters"}


def templates_of_manifests() -> list[str]:
    found = set()
    for path in (*OWN, *PUBLIC):
        found |= set(re.findall(r"[^\n\"]*\{\{[^\n\"]*\}\}[^\n\"]*", text_of(path)))
    return sorted(template.strip() for template in found)


def made_up_scope(templates: list[str], pick: Any) -> dict[str, Any]:
    """A value for whatever is looked up in any of them."""
    scope: dict[str, Any] = {name: {} for name in SCOPE}
    for template in templates:
        for chain in re.findall(r"\b[a-z_]+(?:\.[a-zA-Z_]\w*(?!\w*\()|\[['\"][^'\"]+['\"]\])+", template):
            name, *keys = re.findall(r"^\w+|(?<=\.)\w+|(?<=\[['\"])[^'\"]+", chain)
            place: Any = scope.get(name)
            for key in keys[:-1]:
                place = place.setdefault(key, {}) if isinstance(place, dict) else None
            if isinstance(place, dict):
                place.setdefault(keys[-1], pick(chain))
    return scope


@pytest.mark.skipif(not PUBLIC, reason="FILE_CDK_MANIFESTS names no folder")
@pytest.mark.parametrize("number", range(4))
def test_values_of_public_manifests_are_the_peers(number: int) -> None:
    pool = [
        "2024-01-02T03:04:05Z",
        7,
        "x y/z",
        None,
        ["a", "b"],
        {"a": 1},
        "12",
        1.5,
        True,
        "",
        "https://h.example/p?a=1",
    ]
    templates = templates_of_manifests()
    scope = made_up_scope(
        templates, lambda chain: pool[(sum(chain.encode()) + number) % len(pool)] if number else pool[0]
    )
    different = {
        template: (ours, theirs)
        for template in templates
        if (ours := without_time(our_value(template, scope), template))
        != (theirs := without_time(peers_value(template, scope), template))
    }
    assert different == {}


_PIECES = """
0 1 12 007 1_000 1e5 0x10 1.10 .5 5. -1 +1 -- None True False true null nan inf Infinity 1j 1+2j ... 'x' "y" b'z' r'\\d' u'a'
f'a' ( ) [ ] { } , : . - + * set() 'a':1 2024-01-01 10:30 T Z # \\ = ! @
"""
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=5)
    | st.binary(max_size=3)
)
LITERALS = st.one_of(
    st.lists(st.sampled_from([*_PIECES.split(), " ", ", ", "\t", "\n"]), max_size=8).map("".join),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=2).map(tuple)
            | st.dictionaries(st.text(max_size=3), inner, max_size=2)
        ),
        max_leaves=5,
    ).map(repr),
)


@settings(max_examples=300)
@given(LITERALS, st.sampled_from([None, (str,), (int,), (float,), (bool,), (str, list), (dict, int)]))
@example("12 ", None)
@example(" 12", None)
@example("\n12", None)
@example("1,2", None)
@example("0o17", None)
@example("0b11", None)
@example("1-2j", None)
@example("2024-10-10", None)
@example("10:30", None)
@example("1/2", None)
@example("1if 1else 2", None)
@example("...", None)
@example("1+1", None)
@example("-" * 50 + "1", None)
@example("[" * 150 + "]" * 150, None)
@example("'a' 'b'", None)
@example("'\\d'", None)
@example("9" * 4300, None)
@example("0" * 10, None)
@example("1 if True else 2", None)
@example("１２", None)
def test_literals_are_the_peers(text: str, types: tuple[type, ...] | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that are none, in texts that look like Python
        scope = {"config": {"x": text}, "parameters": {}}
        assert our_value("{{ config['x'] }}", scope, types) == peers_value("{{ config['x'] }}", scope, types)


MAPPINGS: list[dict[str, Any]] = [
    {"a": "{{ config.number }}", "{{ config.text }}": "1.10", "1": "{{ config.missing }}", "b": "", "c": 5, "d": None},
    {"a": "{{ config.missing.x }}", "b": "[1, 2]", "c": "{{ config.list }}", "d": "{{ config.none }}"},
]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_mappings_are_the_peers(mapping: dict[str, Any]) -> None:
    theirs = InterpolatedMapping(mapping, {}).eval(
        SCOPE["config"], valid_key_types=(str,), valid_value_types=(str, list), **other_names(SCOPE)
    )
    ours = compiled(mapping, "a test", key_types=(str,), value_types=(str, list)).value(SCOPE)
    assert ours == {key: value for key, value in theirs.items() if value is not None}
    nested = {"x": mapping, "y": [mapping, "{{ config.number }}"], "{{ config.number }}": True}
    theirs = InterpolatedNestedMapping(nested, {}).eval(SCOPE["config"], **other_names(SCOPE))
    assert compiled(nested, "a test").value(SCOPE) == theirs


def test_a_text_alone_is_the_peers() -> None:
    for text in ("{{ config.missing }}", "a{{ config.number }}\n", "{{ config.number }}", "x\r\ny\n\n", ""):
        theirs = InterpolatedString(text, {}).eval(SCOPE["config"], **other_names(SCOPE))
        assert outcome(compiled(text, "a test").value(SCOPE)) == outcome(theirs)
