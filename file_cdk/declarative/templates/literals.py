"""Texts as values: a text that reads as a literal of Python is its value, as those who write manifests count on."""

import ast
import math
import re
from collections.abc import Mapping
from typing import Any

Types = tuple[type, ...]

LONGEST_LITERAL = 1 << 17  # characters: the parser takes half a second and 70 MB for a list of numbers as long
_DEEPEST = 90  # containers in containers that the parser takes in any case
_MOST_BITS = 14_000  # of a whole number that can be written in digits
# How a literal may begin: a number, a quote or its prefix, a bracket, None, True, False, set(), an ellipsis, white space.
_BEGINS = re.compile(r"[-+.0-9'\"\[({NTFbBrRuUs \t\n\f\\]")
_INT = re.compile(r"-?[1-9][0-9]{0,17}|0")
# A number and then what is part of none: dates and names are told without the parser, which takes 5 µs to refuse them.
_IS_A_DATE = re.compile(r"[0-9]+(?:[-/:][0-9]+)+(?:[T :Z]|$)|[0-9]+[g-ik-np-wyzG-IK-NP-WYZ]")

# A word that is a literal has five letters at most, and is no operand of any operator.
_NO_LITERAL = re.compile(r"[^-+.0-9'\"\[({ \t\n\f\\A-Za-z]|[A-Za-z]\w*[:/@%&?$;-]|[A-Za-z]\w{5}")


_WORDS: Mapping[str, Any] = {"True": True, "False": False, "None": None}
"""What most conditions come to."""


class _NotWrittenError(Exception):
    """The value is none that its text would be read as again."""


def literal(text: str, types: Types | None = None) -> Any:
    """`12` is a number, `[1, 2]` a list, `1,2` a tuple, `None` none; `007`, `2024-01-01` and a complex number stay texts.

    types: of the values that are wanted; where the literal is of none of them, the text stays. So does one of more than
    131,072 characters.
    """
    if _BEGINS.match(text) is None or len(text) > LONGEST_LITERAL:
        return text
    value: Any
    if text in _WORDS:
        value = _WORDS[text]
    elif _INT.fullmatch(text):
        value = int(text)
    elif _IS_A_DATE.match(text):
        return text
    else:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return text
    if isinstance(value, types or object) and (types or not isinstance(value, complex)):
        return value
    return text


def begins_no_literal(text: str) -> bool:
    """Whether it stays a text, whatever comes after it."""
    return _NO_LITERAL.match(text) is not None


def literal_of(value: Any, types: Types | None = None) -> Any:
    """What the text of a value is read as: of JSON values the same value, made without a text."""
    kind = type(value)
    if kind is str:
        return literal(value, types)
    if kind in (bool, int, type(None), list, dict) and (types is None or kind in types):
        try:
            return _copy(value, 0)
        except _NotWrittenError:
            pass
    return literal(str(value), types)


def _copy(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int and value.bit_length() <= _MOST_BITS:
        return value
    if kind is float and math.isfinite(value):
        return value
    if depth < _DEEPEST:
        if kind is list:
            return [_copy(part, depth + 1) for part in value]
        if kind is dict and all(type(key) is str for key in value):
            return {key: _copy(part, depth + 1) for key, part in value.items()}
    raise _NotWrittenError
