"""Every escape and every bomb is refused: by its budget, which is counted, and not by a clock."""

import pickle

import pytest
from escapes import BOMBS, OUT_OF_THE_SANDBOX, SCOPE

from file_cdk.core.errors import TemplateError
from file_cdk.declarative.templates import Condition, Template, budget, patterns

_TENTH = budget.MOST_OPERATIONS // 10


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth, so that what takes all there is takes a tenth of a second."""
    monkeypatch.setattr(budget, "MOST_OPERATIONS", _TENTH)
    monkeypatch.setattr(patterns, "MOST_SECONDS", 0.05)


@pytest.mark.parametrize("name", OUT_OF_THE_SANDBOX)
def test_nothing_outside_is_reached(name: str) -> None:
    with pytest.raises(TemplateError) as raised:
        Template(OUT_OF_THE_SANDBOX[name], "a test").value(SCOPE)
    assert "aaaa" not in str(raised.value).replace(raised.value.expression, "")


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(name: str) -> None:
    with pytest.raises(TemplateError) as raised:
        Template(BOMBS[name], "a test").value(SCOPE)
    assert "aaaa" not in str(raised.value).replace(raised.value.expression, "")


@pytest.mark.parametrize(
    "name", ["class of a text", "include", "changing the record", "text times a number", "nested loops"]
)
def test_a_condition_is_no_way_round(name: str) -> None:
    with pytest.raises(TemplateError):
        Condition((OUT_OF_THE_SANDBOX | BOMBS)[name], "a test").holds(SCOPE)


def test_the_whole_budget_is_spent_at_most_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is spent is known when it is refused: one operation more than there are, or one that would have taken more."""
    budgets: list[budget.Budget] = []
    made = budget.Budget.__init__

    def remembered(self: budget.Budget) -> None:
        made(self)
        budgets.append(self)

    monkeypatch.setattr(budget.Budget, "__init__", remembered)
    with pytest.raises(TemplateError, match=f"more than {_TENTH:,} operations"):
        Template(BOMBS["macro that calls itself twice"], "a test").value(SCOPE)
    assert [-100 < each.left < 0 for each in budgets] == [True]


def test_each_evaluation_has_a_budget_of_its_own() -> None:
    template = Template("{% for x in record.list %}{{ x }}{% endfor %}", "a test")
    lengths = {len(template.text(SCOPE)) for _ in range(30)}
    assert lengths == {2890}


def test_a_page_of_many_records_is_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    records = [{"id": n, "on": n % 2 == 0} for n in range(10_000)]
    scope = {"response": {"items": records}}
    assert Template("{{ response['items'] | length }}", "a test").value(scope) == 10_000
    assert Template("{{ response['items'] | map(attribute='id') | max }}", "a test").value(scope) == 9_999
    assert Template("{{ response['items'] | selectattr('on') | list | length }}", "a test").value(scope) == 5_000
    assert Template("{{ response['items'] == [] }}", "a test").value(scope) is False
    total = (
        "{% set n = namespace(t=0) %}{% for r in response['items'] %}{% set n.t = n.t + r.id %}{% endfor %}{{ n.t }}"
    )
    assert Template(total, "a test").value(scope) == 10_000 * 9_999 // 2


def test_a_long_outcome_is_refused_and_one_that_fits_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    template = Template("{{ config.a }}{{ config.a | lower }}", "a test")
    assert len(template.text({"config": {"a": "A" * 100_000}})) == 200_000
    with pytest.raises(TemplateError, match="more than 1,048,576 characters"):
        template.text({"config": {"a": "A" * 600_000}})


def test_plain_lookups_have_the_same_bound() -> None:
    template = Template("{{ config.a }}{{ config.a }}", "a test")
    with pytest.raises(TemplateError, match="more than 1,048,576 characters"):
        template.text({"config": {"a": "A" * 600_000}})


def test_literals_that_the_parser_gives_up_on_stay_texts() -> None:
    template = Template("{{ config.a }}", "a test")
    for text in (
        "-" * 100_000 + "1",
        "(" * 1000 + ")" * 1000,
        "[" * 100_000,
        "1" + "+1" * 50_000,
        "9" * 5000,
        "{" * 300,
    ):
        assert template.value({"config": {"a": text}}) == text


def test_errors_show_the_template_and_no_value() -> None:
    secret = "s3cr3t-value"
    scope = {"config": {"key": secret, "n": None}}
    for text in (
        "{{ config.key.nothing.x }}",
        "{{ config['key'] + 1 }}",
        "{{ config.key | hash(config.key) }}",
        "{{ str_to_datetime(config.key) }}",
        "{{ format_datetime(config.key, '%Y', '%Y') }}",
        "{{ config.key | regex_search('(') }}",
        "{{ duration(config.key) }}",
        "{{ today_with_timezone(config.key) }}",
        "{{ missing ~ config.key }}",
        "{{ now_utc().strptime(config.key, '%Y') }}",
        "{{ config[config.key].x }}",
        "{{ config.key.index('q') }}",
        "{{ '%(x)s' % config }}",
        "{{ config.key | int / 0 }}",
        "{{ config | attr('__class__') }}",
        "{{ config.key | base64decode }}",
        "{{ config.key.encode(config.key) }}",
    ):
        with pytest.raises(TemplateError) as raised:
            Template(text, "stream 'users', field 'path'").value(scope)
        error = pickle.loads(pickle.dumps(raised.value))
        assert secret not in str(error) + repr(error.__dict__)
        assert text in str(error)
        assert "stream 'users', field 'path'" in str(error)
        assert raised.value.__cause__ is None
