"""Plain look-ups give what Jinja2 gives for the same template: the same text, or a fault of the same kind."""

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from file_cdk.declarative.templates import plain
from file_cdk.declarative.templates.faults import FaultError
from file_cdk.declarative.templates.sandbox import Expression

KEYS = st.sampled_from(
    ["a", "b", "c d", "_id", "items", "get", "values", "count", "real", "index", "é", "Z9", "0", "type"]
)
NAMES = KEYS.filter(lambda key: key.isidentifier() and key.isascii())
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "text", "12", "{{ a }}", "x\ny\n", "Ü"])
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
SCOPES = st.fixed_dictionaries(
    {"config": st.dictionaries(KEYS, VALUES, min_size=1), "stream_slice": st.dictionaries(KEYS, VALUES)},
    optional={"record": VALUES, "stream_partition": VALUES},
)
QUOTED = st.builds(lambda key, quote: quote + key + quote, KEYS, st.sampled_from(["'", '"']))
CONSTANTS = QUOTED | st.sampled_from(["0", "12", "-3", "true", "False", "None", "none", "''", '"text"'])
STEPS = st.one_of(
    NAMES.map(lambda name: f".{name}"),
    QUOTED.map(lambda key: f"[{key}]"),
    st.integers(-3, 3).map(lambda number: f"[{number}]"),
    QUOTED.map(lambda key: f".get({key})"),
    st.builds(
        lambda key, default: f".get({key}, {default})", QUOTED, QUOTED | CONSTANTS | st.sampled_from(["{}", "[]"])
    ),
)
QUESTIONS = st.one_of(
    st.just(""),
    st.sampled_from(
        [" is none", " is not none", " is defined", " is not defined", " is undefined", "\nis  not\tundefined"]
    ),
    st.builds(lambda relation, operand: relation + operand, st.sampled_from(["==", " == ", "!= ", " !="]), CONSTANTS),
)
LOOKUPS = st.builds(
    lambda denial, name, steps, question, space: (
        "{{" + space + denial + name + "".join(steps) + question + space + "}}"
    ),
    st.sampled_from(["", "", "not ", "not\n"]),
    st.sampled_from(["config", "record", "stream_slice", "stream_partition", "stream_interval", "missing"]),
    st.lists(STEPS, max_size=4),
    QUESTIONS,
    st.sampled_from([" ", "", "\t", "\n "]),
)
TEXTS = st.text("ab {}%#'\"\n\r/é", max_size=6)
TEMPLATES = st.lists(LOOKUPS | TEXTS, max_size=4).map("".join)


def outcome(source: Any, scope: dict[str, Any]) -> Any:
    try:
        return source.render(scope)
    except FaultError as fault:
        return type(fault)
    except KeyError:
        return KeyError


@settings(max_examples=100)
@given(TEMPLATES, SCOPES)
def test_plain_lookups_give_what_jinja_gives(text: str, scope: dict[str, Any]) -> None:
    compiled = plain.parse(text)
    assume(compiled is not None)
    assert compiled is not None
    try:
        plainly = outcome(compiled, scope)
    except plain.NotPlainError:
        return
    expression = Expression(text)
    assert compiled.names == expression.names
    assert plainly == outcome(expression, scope)
