"""What a cell of a table looks like: what it holds, and how likely it is to be one whole value."""

import re
from enum import Enum
from functools import lru_cache


class Kind(Enum):
    EMPTY = "empty"
    NUMBER = "number"
    INSTANT = "instant"
    TRUTH = "truth"
    TEXT = "text"


_NUMBER = re.compile(
    r"[-+]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]{1,3}(?:[.,' ][0-9]{3})+(?:[.,][0-9]+)?"
)
_MONEY = re.compile(r"[-+]?[$€£¥] ?[-+]?|(?: ?[%€$£]|(?: (?:EUR|USD|GBP|CHF)))$")
_INSTANT = re.compile(
    r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?:[T ][0-9:.,]+ ?(?:Z|UTC|[-+][0-9:]{2,6})?)?"
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2})(?: [0-9:.,]+(?: ?[AaPp][Mm])?)?"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[AaPp][Mm])?"
    r"|[0-9]{1,2}[- ][A-Za-z]{3}[- ][0-9]{2,4}"
)
_TRUTH = frozenset({"true", "false", "yes", "no"})
_NOTHING = frozenset({"", "na", "n/a", "null", "none", "nan", "-", r"\n"})

_WHOLE = re.compile(
    r"https?://\S+|[^\s@,;|]+@[^\s@,;|]+\.[a-z]+"  # addresses
    r"|[\[{].*[\]}]"  # JSON
    r"|[-0-9a-fA-F]{32,36}",  # ids
    re.DOTALL,
)
_MARKS_OF_OTHERS = re.compile(r"[;|^~,]|::")
_SEPARATORS = re.compile("[\t\x01\x1f]")


@lru_cache(maxsize=1 << 14)
def kind_of(cell: str) -> Kind:
    cell = cell.strip()
    if cell.lower() in _NOTHING:
        return Kind.EMPTY
    if _NUMBER.fullmatch(cell) or _NUMBER.fullmatch(_MONEY.sub("", cell)):
        return Kind.NUMBER
    if _INSTANT.fullmatch(cell):
        return Kind.INSTANT
    return Kind.TRUTH if cell.lower() in _TRUTH else Kind.TEXT


@lru_cache(maxsize=1 << 14)
def cleanness(cell: str) -> float:
    """From 0 for what no table means as a value, such as half of a quoted one, to 1 for a number or a plain word."""
    if kind_of(cell) is not Kind.TEXT:
        return 1.0
    bare = cell.strip()
    if bare[0] in "\"'" and (len(bare) == 1 or bare[-1] == bare[0]):
        return 0.0
    if _WHOLE.fullmatch(bare):
        return 1.0
    if "'" in (bare[0], bare[-1]) and bare.count("'") == 1:
        return 0.5
    if _SEPARATORS.search(bare):
        return 0.1
    if bare[0] == '"' or (bare[-1] == '"' and bare.count('"') % 2):
        return 0.3
    if _MARKS_OF_OTHERS.search(bare):
        # Prose has marks followed by a blank; lists and pieces of rows do not.
        return 0.8 if not _MARKS_OF_OTHERS.search(bare.replace(", ", "").replace("; ", "")) else 0.5
    return 1.0
