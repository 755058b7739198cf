"""Texts as values: a text that reads as a literal of Python is its value, as those who write manifests count on."""

import ast
import re
from typing import Any

Types = tuple[type, ...]

# How a literal may begin: a number, a quote or its prefix, a bracket, None, True, False, set(), an ellipsis, white space.
_BEGINS = re.compile(r"[-+.0-9'\"\[({NTFbBrRuUs \t\n\f\\]")
_INT = re.compile(r"-?[1-9][0-9]{0,17}|0", re.ASCII)
_MAX_DIGITS = 4300  # of a whole number that can be written again


def literal(text: str, types: Types | None = None) -> Any:
    """`12` is a number, `[1, 2]` a list, `1,2` a tuple, `None` none; `007`, `2024-01-01` and a complex number stay texts.

    types: of the values that are wanted; where the literal is of none of them, the text stays.
    """
    if _BEGINS.match(text) is None:
        return text
    try:
        value = int(text) if _INT.fullmatch(text) else ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    if isinstance(value, types or object) and (types or not isinstance(value, complex)):
        return value
    return text
