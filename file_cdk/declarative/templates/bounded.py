"""Jinja2's filters, tests and operators within a budget: what they take is spent before they begin, or as they go."""

import operator
import re
import time
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, MappingView, Set, Sized
from typing import Any, Final

from jinja2 import pass_context
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.filters import make_attrgetter
from jinja2.runtime import Undefined
from jinja2.tests import TESTS as JINJA_TESTS

from file_cdk.declarative.templates import methods, patterns, rewriting
from file_cdk.declarative.templates.budget import LARGEST_BITS, Budget, BudgetContext
from file_cdk.declarative.templates.faults import RefusedError
from file_cdk.declarative.templates.filters import FILTERS

# For pages of HTML and for people, and not worth a bound of their own.
_LEFT_OUT: Final = frozenset({"pprint", "urlize", "wordwrap", "xmlattr"})
# They look at no element, or at one.
_CHEAP: Final = methods.words("abs attr count d default filesizeformat first items last length random round")
_GO_THROUGH: Final = methods.words(
    "batch dictsort groupby join list map max min reject rejectattr reverse select selectattr slice sort sum unique"
)
# They compare or hash elements, and one large element may stand in many places.
_COMPARE: Final = methods.words("dictsort groupby max min sort unique")
_OF_A_WIDTH: Final = frozenset({"batch", "center", "indent", "round", "slice", "tojson"})
_DEEPEST: Final = 32  # steps of `map(attribute="a.b.c")`
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda left, right: left in right,
    "notin": lambda left, right: left not in right,
}
_SIZED: Final = (list, tuple, set, frozenset, Mapping, MappingView)


def filters() -> dict[str, Callable[..., Any]]:
    """Jinja2's and ours by name, and those that the rewriting of templates names."""
    ours = {name: function for name, function in JINJA_FILTERS.items() if name not in _LEFT_OUT}
    ours |= {**FILTERS, "join": _join, "sum": _sum}
    return {name: _bounded_filter(name, function) for name, function in ours.items()} | {
        rewriting.COMPARE: _compare,
        rewriting.CONCATENATE: _concatenate,
        rewriting.NEST: _nest,
        rewriting.SLICE: _slice,
        rewriting.TURNS: _turns,
    }


def tests() -> dict[str, Callable[..., Any]]:
    theirs: Mapping[str, Any] = JINJA_TESTS
    return {name: _bounded_test(name, function) for name, function in theirs.items()}


def spend_on_operator(budget: Budget, sign: str, left: Any, right: Any) -> None:
    """`left sign right`, about to be worked out."""
    budget.spend(1)
    for number in (left, right):
        if isinstance(number, int) and number.bit_length() > LARGEST_BITS:
            raise _too_large()
    if sign == "%" and isinstance(left, str):
        return methods.check_percent(budget, left, right)
    if sign == "*":
        _spend_on_product(budget, left, right)
    if sign == "**" and isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > LARGEST_BITS:
        raise _too_large()
    if isinstance(left, int) and isinstance(right, int):
        return _spend_on_whole_numbers(budget, sign, left, right)
    if sign == "+" and isinstance(left, str) and isinstance(right, str):
        return budget.spend_on_text(len(left) + len(right))
    if isinstance(left, MappingView | Set) or isinstance(right, MappingView | Set):  # which hash all elements
        if isinstance(left, Iterator) or isinstance(right, Iterator):
            raise RefusedError("an operator for sets takes sets and lists: make a list of it")
        return budget.spend(budget.weight(left) + budget.weight(right))
    if isinstance(left, _SIZED) and isinstance(right, _SIZED):
        return budget.spend(len(left) + len(right))
    return None


def _spend_on_whole_numbers(budget: Budget, sign: str, left: int, right: int) -> None:
    """By the digits that are multiplied with one another, of 64 bits each: a thousand with a thousand take 300 microseconds."""
    ours, theirs = left.bit_length() // 64, right.bit_length() // 64
    if sign == "**":
        ours = theirs = left.bit_length() * max(right, 0) // 64
    budget.spend(ours * theirs // 1024 if sign not in "+-" else (ours + theirs) // 64)


def _spend_on_product(budget: Budget, left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > LARGEST_BITS:
        raise _too_large()
    for repeated, times in ((left, right), (right, left)):
        if isinstance(times, int) and isinstance(repeated, str):
            budget.spend_on_text(len(repeated) * max(times, 0))
        elif isinstance(times, int) and isinstance(repeated, list | tuple):
            budget.spend(budget.weight(repeated) * max(times, 0))


def _too_large() -> RefusedError:
    return RefusedError(f"makes a number of more than {LARGEST_BITS:,} bits")


def _bounded_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    passes = _passing(function)

    @pass_context
    def bounded(context: BudgetContext, value: Any, *arguments: Any, **named: Any) -> Any:
        budget = context.budget
        budget.spend(1)
        _spend_on_filter(budget, name, value, (*arguments, *named.values()))
        if isinstance(value, Iterator):
            value = budget.counted(value)
        if name in _COMPARE:
            value = [*value] if isinstance(value, Iterator) else value
            budget.spend(budget.weight(value))
        if name.startswith("regex_"):
            result = _timed(budget, passes, context, value, *arguments, **named)
        else:
            result = passes(context, value, *arguments, **named)
        if isinstance(result, str):
            budget.spend_on_text(len(result))
        elif isinstance(result, Iterator):
            result = budget.counted(result)
        return result

    return bounded


def _timed(budget: Budget, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Of a regular expression, whose time no operations tell."""
    if budget.seconds_left <= 0:
        raise patterns.too_slow()
    began = time.thread_time()
    try:
        return function(*arguments, **{**named, "seconds": budget.seconds_left})
    finally:
        budget.seconds_left -= time.thread_time() - began


def _bounded_test(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    passes = _passing(function)
    sign = name if name == "in" else "eq"

    @pass_context
    def bounded(context: BudgetContext, value: Any, *arguments: Any, **named: Any) -> Any:
        context.budget.spend(1)
        for argument in (*arguments, *named.values()):
            _spend_on_comparison(context.budget, sign, value, argument)
        if name in ("lower", "upper"):
            context.budget.spend_on_all(value)
        return passes(context, value, *arguments, **named)

    return bounded


def _passing(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one that is given the context, whatever it wants of it."""
    wanted = getattr(function, "jinja_pass_arg", None)  # what Jinja2's pass_… decorators leave
    kind = None if wanted is None else wanted.name
    if kind is None:
        return lambda _context, *arguments, **named: function(*arguments, **named)
    if kind == "context":
        return function
    if kind == "eval_context":
        return lambda context, *arguments, **named: function(context.eval_ctx, *arguments, **named)
    return lambda context, *arguments, **named: function(context.environment, *arguments, **named)


def _spend_on_filter(budget: Budget, name: str, value: Any, arguments: tuple[Any, ...]) -> None:
    if name in _OF_A_WIDTH:
        for argument in arguments:
            methods.check_width(abs(argument) if isinstance(argument, int) else argument)
    if name in _CHEAP:
        return
    if name in _GO_THROUGH:
        if isinstance(value, Sized):
            budget.spend(len(value))
        if name != "join" and any(
            isinstance(each, str) and len(re.findall("[.,]", each)) > _DEEPEST for each in arguments
        ):
            raise RefusedError(f"an attribute is looked up more than {_DEEPEST} steps deep")
        return
    for part in (value, *arguments):
        if not isinstance(part, Undefined):
            budget.spend_on_all(part)
    if check := _CHECKS.get(name):
        check(budget, str(value), arguments)


def _check_indent(budget: Budget, text: str, arguments: tuple[Any, ...]) -> None:
    width = next((len(each) if isinstance(each, str) else each for each in arguments if not isinstance(each, bool)), 4)
    budget.spend_on_text(len(text) + (1 + len(text.splitlines())) * width)


def _check_tojson(budget: Budget, text: str, arguments: tuple[Any, ...]) -> None:
    """Each line is indented by its depth."""
    if any(argument is not None for argument in arguments):
        if any(isinstance(argument, str) for argument in arguments):
            raise RefusedError("an indentation of JSON is a number")
        budget.spend_on_text(len(text) ** 2 // 16)


def _check_striptags(budget: Budget, text: str, _arguments: tuple[Any, ...]) -> None:
    """Each tag and comment copies the text."""
    budget.spend(text.count("<") * len(text) // 4096)


def _check_trim(budget: Budget, text: str, arguments: tuple[Any, ...]) -> None:
    for argument in arguments:
        budget.spend(len(text) * len(str(argument)) // 64)


def _check_format(budget: Budget, text: str, arguments: tuple[Any, ...]) -> None:
    methods.check_percent(budget, text, arguments)


_CHECKS: Final[Mapping[str, Callable[[Budget, str, tuple[Any, ...]], None]]] = {
    "format": _check_format,
    "indent": _check_indent,
    "replace": methods.check_replacing,
    "striptags": _check_striptags,
    "tojson": _check_tojson,
    "trim": _check_trim,
}


@pass_context
def _join(context: BudgetContext, value: Any, d: str = "", attribute: str | int | None = None) -> str:
    if isinstance(attribute, str) and attribute.count(".") > _DEEPEST:
        raise RefusedError(f"an attribute is looked up more than {_DEEPEST} steps deep")
    if attribute is not None:
        value = map(make_attrgetter(context.environment, attribute), value)
    budget, separator, length = context.budget, str(d), 0
    parts: list[str] = []
    for part in value:
        if not isinstance(part, str | Undefined):
            budget.spend_on_all(part)
        parts.append(str(part))
        length += len(separator) + len(parts[-1])
        budget.spend_on_text(len(parts[-1]))
        if length > 2 * len(separator):
            _check_length(budget, length - len(separator))
    return separator.join(parts)


def _check_length(budget: Budget, length: int) -> None:
    """Without spending anything: the joined text is spent on when it is made."""
    left = budget.left
    budget.spend_on_text(length)
    budget.left = left


@pass_context
def _sum(context: BudgetContext, iterable: Any, attribute: str | int | None = None, start: Any = 0) -> Any:
    if attribute is not None:
        iterable = map(make_attrgetter(context.environment, attribute), iterable)
    if isinstance(start, str | bytes):
        raise TypeError("texts are joined, not summed")
    total = start
    for part in iterable:
        spend_on_operator(context.budget, "+", total, part)
        total = total + part
    return total


@pass_context
def _compare(context: BudgetContext, left: Any, sign: str, right: Any) -> Any:
    if sign in ("in", "notin") and isinstance(right, Iterator):
        right = [*context.budget.counted(right)]
    _spend_on_comparison(context.budget, sign, left, right)
    return _COMPARISONS[sign](left, right)


def _spend_on_comparison(budget: Budget, sign: str, left: Any, right: Any) -> None:
    budget.spend(1)
    if sign in ("in", "notin"):
        if isinstance(right, str):
            budget.spend(len(right) // 16)
        elif isinstance(right, Iterator):
            raise RefusedError("`in` is for texts, lists and mappings: make a list of it")
        else:
            is_hashed = isinstance(right, Mapping | set | frozenset | KeysView)
            searched = len(right) if isinstance(right, Sized) and not is_hashed else 0
            budget.spend((1 + searched // 8) * (budget.weight(left) if isinstance(left, _SIZED) else 1))
    elif isinstance(left, str) and isinstance(right, str):
        budget.spend(min(len(left), len(right)) // 16)
    elif (
        isinstance(left, _SIZED)
        and isinstance(right, _SIZED)
        and not (sign in ("eq", "ne") and len(left) != len(right))
    ):
        budget.spend(budget.weight(left if len(left) <= len(right) else right))


@pass_context
def _concatenate(context: BudgetContext, *values: Any) -> str:
    parts = []
    for value in values:
        if not isinstance(value, str | Undefined):
            context.budget.spend_on_all(value)
        parts.append(str(value))
    context.budget.spend_on_text(sum(map(len, parts)))
    return "".join(parts)


@pass_context
def _nest(context: BudgetContext, value: Any) -> Any:
    context.budget.spend(context.budget.weight(value))
    return value


@pass_context
def _slice(context: BudgetContext, value: Any, start: Any, stop: Any, step: Any) -> Any:
    if isinstance(value, (str, *_SIZED)):
        context.budget.spend(1 + len(value) // 16)
    return value[start:stop:step]


@pass_context
def _turns(context: BudgetContext, value: Any, operations: int) -> Any:
    if isinstance(value, Sized):
        context.budget.spend(len(value) * operations)
        return value
    return context.budget.counted(value, operations) if isinstance(value, Iterable) else value
