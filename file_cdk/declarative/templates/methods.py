"""The attributes that values of templates have, and what a call of one may take. What is not named here is refused."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from datetime import date, datetime, time, timedelta, tzinfo
from types import BuiltinMethodType, MethodType
from typing import Any, Final

from jinja2.runtime import LoopContext, Macro
from jinja2.utils import Namespace

from file_cdk.declarative.durations import Duration
from file_cdk.declarative.templates.budget import Budget
from file_cdk.declarative.templates.faults import LONGEST_TEXT, RefusedError

_LONGEST_FORMAT = 256  # of a moment, in characters
OPERATIONS_OF_A_MOMENT = 100  # that is read or written: its format may have to be compiled first
_WIDEST = 1000  # of a field of a format


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OF_A_MAPPING = words("get items keys values copy")
_OF_A_DAY = words(
    "year month day ctime isocalendar isoformat isoweekday replace strftime timetuple toordinal weekday "
    "fromisoformat fromordinal fromtimestamp"
)
_OF_A_TIME = words("hour minute second microsecond tzinfo isoformat strftime replace utcoffset tzname dst")
# In the order of what is asked: a datetime is a date, a bool an int.
_ATTRIBUTES: Final[tuple[tuple[type, frozenset[str]], ...]] = (
    (
        str,
        words(
            "capitalize casefold center count endswith expandtabs find format index isalnum isalpha isascii "
            "isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip "
            "partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines "
            "startswith strip swapcase title upper zfill"
        ),
    ),
    (Mapping, _OF_A_MAPPING | {"partition", "cursor_slice", "extra_fields"}),
    (list, words("count index copy")),
    (tuple, words("count index grouper list")),  # of what groupby makes
    (datetime, _OF_A_DAY | _OF_A_TIME | words("date time timestamp astimezone strptime timetz utctimetuple")),
    (date, _OF_A_DAY),
    (time, _OF_A_TIME),
    (timedelta, words("days seconds microseconds total_seconds")),
    (tzinfo, words("utcoffset tzname")),
    (Duration, words("years months")),
    (int, words("real imag numerator denominator bit_length conjugate")),
    (float, words("real imag is_integer conjugate")),
    (set, words("copy union intersection difference symmetric_difference issubset issuperset")),
    (
        LoopContext,
        words("index index0 revindex revindex0 first last length depth depth0 previtem nextitem cycle changed"),
    ),
    (Macro, words("name arguments")),
)
# What comes after the percent sign and its key, to the letter that says of which kind it is, or a second percent sign.
_FORMAT_FIELD = re.compile(r"[-#0 +]*(\*|[0-9]*)(?:\.(\*|[0-9]*))?[hlL]?.?", re.DOTALL)
_PARENTHESIS = re.compile(r"[()]")


def check_attribute(value: Any, name: str) -> None:
    """Raises RefusedError where a value has such an attribute, and templates have no business with it."""
    if name.startswith("_"):
        raise RefusedError("private attributes are refused")
    if isinstance(value, Namespace):
        return
    for kind, names in _ATTRIBUTES:
        if isinstance(value, kind) and name in names:
            return
    raise RefusedError(f"the attribute {name!r} of a value is refused")


def check_call(budget: Budget, method: BuiltinMethodType | MethodType, arguments: tuple[Any, ...]) -> None:
    """Of a method that `check_attribute` let through. Spends what it takes, and on the text that it is about to make."""
    owner = method.__self__
    budget.spend(1 + len(arguments))
    if isinstance(owner, str):
        check = _TEXT_METHODS.get(method.__name__)
        budget.spend_on_text(len(owner))
        if check:
            check(budget, owner, arguments)
    elif method.__name__ in ("strftime", "strptime", "isoformat"):
        check_lengths(arguments)
        budget.spend(OPERATIONS_OF_A_MOMENT)
    elif isinstance(owner, list | tuple | set) or (isinstance(owner, Mapping) and method.__name__ == "copy"):
        budget.spend(len(owner) * (1 + budget.weight(arguments)))
    else:
        budget.spend_on_all(arguments)


def check_lengths(arguments: tuple[Any, ...]) -> None:
    """Of texts and formats of moments: some directives are repeated."""
    if any(isinstance(argument, str) and len(argument) > _LONGEST_FORMAT for argument in arguments):
        raise RefusedError(f"a format of a moment has more than {_LONGEST_FORMAT} characters")


def check_width(width: Any) -> None:
    """Of a field, an indentation, a tab."""
    if isinstance(width, int) and width > _WIDEST:
        raise RefusedError(f"makes a field of more than {_WIDEST:,} characters")


def check_percent(budget: Budget, text: str, values: Any) -> None:
    """`text % values`"""
    budget.spend_on_all(values)
    for width, precision in _fields(text):
        if "*" in (width, precision):
            raise RefusedError("a format with a width from its values is refused")
        for number in (width, precision):
            check_width(int(number[:9] or 0))
    fields = text.count("%")
    budget.spend_on_text(len(text) + (budget.weight(values) * 16 if isinstance(values, Mapping) else 1) * fields)


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Width and precision of each field, found as Python finds them: a key may have parentheses in it, and `%%` begins no key."""
    at = text.find("%") + 1
    while at:
        if text[at : at + 1] == "(":
            at = _after_key(text, at)
        field = _FORMAT_FIELD.match(text, at)
        if field is None:
            return
        yield field[1], field[2] or ""
        at = text.find("%", field.end()) + 1


def _after_key(text: str, at: int) -> int:
    depth = 0
    for sign in _PARENTHESIS.finditer(text, at):
        depth += 1 if sign[0] == "(" else -1
        if not depth:
            return sign.end()
    return len(text)


def check_replacing(budget: Budget, text: str, arguments: tuple[Any, ...]) -> None:
    old, new, *_ = (*map(str, arguments), "", "")
    budget.spend_on_text(len(text) + text.count(old) * max(0, len(new) - len(old)))


def check_joining(budget: Budget, text: str, arguments: tuple[Any, ...]) -> None:
    """arguments: one that can be gone through twice."""
    length = 0
    for part in (
        arguments[0] if arguments and isinstance(arguments[0], Sized) and isinstance(arguments[0], Iterable) else ()
    ):
        length += len(text) + (len(part) if isinstance(part, str) else 0)
        budget.spend(1)
        if length > LONGEST_TEXT:
            break
    budget.spend_on_text(length)


def _searching(budget: Budget, text: str, arguments: tuple[Any, ...]) -> None:
    """From the end, and for characters to strip: these take the product of both lengths."""
    for argument in arguments:
        if isinstance(argument, str):
            budget.spend(len(text) * len(argument) // 64)


def _filling(_budget: Budget, _text: str, arguments: tuple[Any, ...]) -> None:
    for argument in arguments:
        check_width(argument)


def _tabs(budget: Budget, text: str, arguments: tuple[Any, ...]) -> None:
    _filling(budget, text, arguments)
    size = next((argument for argument in arguments if isinstance(argument, int)), 8)
    budget.spend_on_text(len(text) + text.count("\t") * max(size, 0))


_TEXT_METHODS: Final[Mapping[str, Callable[[Budget, str, tuple[Any, ...]], None]]] = {
    "center": _filling,
    "ljust": _filling,
    "rjust": _filling,
    "zfill": _filling,
    "expandtabs": _tabs,
    "replace": check_replacing,
    "join": check_joining,
    "rfind": _searching,
    "rindex": _searching,
    "rpartition": _searching,
    "rsplit": _searching,
    "strip": _searching,
    "lstrip": _searching,
    "rstrip": _searching,
}
