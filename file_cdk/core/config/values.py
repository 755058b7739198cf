"""What a field accepts and what becomes of it: text, numbers, lists and the like, with what is said of anything else.

Configurations come from JSON, YAML and forms, so `"12"` is a number and `"yes"` a truth where one is wanted. The texts of faults
are those that users have always had; no value is in them but a tag that no variant has. Plain classes, as each start makes them:
dataclasses would cost it a millisecond each.
"""

import math
from collections.abc import Hashable, Mapping, Sequence, Set
from typing import Any, Final, NamedTuple

Place = tuple[int | str, ...]
"""Where in a configuration: keys, indices, and the variants that were chosen on the way."""


class Fault(NamedTuple):
    place: Place
    message: str


INVALID: Final[Any] = object()
"""In place of a value, where a fault was noted."""


class Bounds(NamedTuple):
    """Limits of a field. min_length: of a text, in characters, or of a list or mapping, in entries."""

    min_length: int | None = None
    ge: int | None = None
    gt: int | None = None
    le: int | None = None


_NO_BOUNDS = Bounds()
_TRUTHS = {
    **dict.fromkeys(("1", "on", "t", "true", "y", "yes"), True),
    **dict.fromkeys(("0", "off", "f", "false", "n", "no"), False),
}


class Kind:
    """What a field accepts."""

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        """The value as the field holds it; INVALID after it noted what is wrong."""
        raise NotImplementedError


class Anything(Kind):
    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:  # noqa: ARG002 - as all kinds
        return value


class Text(Kind):
    label = "str"

    def __init__(self, bounds: Bounds = _NO_BOUNDS) -> None:
        self.bounds = bounds

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        if not isinstance(value, str):
            return _fault(faults, at, "Input should be a valid string")
        least = self.bounds.min_length
        if least is not None and len(value) < least:
            plural = "" if least == 1 else "s"
            return _fault(faults, at, f"String should have at least {least} character{plural}")
        return value


class Truth(Kind):
    label = "bool"

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _TRUTHS:
            return _TRUTHS[value.lower()]
        if isinstance(value, int | float) and value in (0, 1):
            return value == 1
        is_read = isinstance(value, int | str) or (isinstance(value, float) and value.is_integer())
        reason = ", unable to interpret input" if is_read else ""
        return _fault(faults, at, f"Input should be a valid boolean{reason}")


class Number(Kind):
    """whole: no fractions."""

    def __init__(self, bounds: Bounds = _NO_BOUNDS, *, whole: bool) -> None:
        self.bounds, self.whole = bounds, whole
        self.label = "int" if whole else "float"

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        found = self._whole(value, at, faults) if self.whole else self._float(value, at, faults)
        if found is INVALID:
            return found
        ge, gt, le = self.bounds.ge, self.bounds.gt, self.bounds.le
        if le is not None and not found <= le:
            return _fault(faults, at, f"Input should be less than or equal to {le}")
        if ge is not None and not found >= ge:
            return _fault(faults, at, f"Input should be greater than or equal to {ge}")
        if gt is not None and not found > gt:
            return _fault(faults, at, f"Input should be greater than {gt}")
        return found

    @staticmethod
    def _whole(value: Any, at: Place, faults: list[Fault]) -> Any:
        match value:
            case int():
                return int(value)
            case float() if not math.isfinite(value):
                return _fault(faults, at, "Input should be a finite number")
            case float() if not value.is_integer():
                return _fault(faults, at, "Input should be a valid integer, got a number with a fractional part")
            case float():
                return int(value)
            case str():
                whole, point, zeros = value.strip().partition(".")
                try:
                    if value.isascii() and (not point or (zeros and not zeros.strip("0"))):
                        return int(whole)
                except ValueError:
                    pass
                return _fault(faults, at, "Input should be a valid integer, unable to parse string as an integer")
        return _fault(faults, at, "Input should be a valid integer")

    @staticmethod
    def _float(value: Any, at: Place, faults: list[Fault]) -> Any:
        if isinstance(value, int | float):
            return float(value)
        if not isinstance(value, str):
            return _fault(faults, at, "Input should be a valid number")
        try:
            return float(value)
        except ValueError:
            return _fault(faults, at, "Input should be a valid number, unable to parse string as a number")


class OneOf(Kind):
    """values: as a configuration writes each -> as the field holds it. enum: these are members of an enumeration."""

    def __init__(self, values: Mapping[Any, Any], label: str = "literal", *, enum: bool = False) -> None:
        self.values, self.label, self.enum = values, label, enum

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        if isinstance(value, Hashable) and value in self.values:
            return self.values[value]
        *others, last = map(repr, self.values)
        return _fault(faults, at, f"Input should be {' or '.join(filter(None, (', '.join(others), last)))}")


class Items(Kind):
    """A list, or a set of values; `holder` says which."""

    def __init__(
        self, item: Kind, bounds: Bounds = _NO_BOUNDS, *, holder: type[list[Any]] | type[frozenset[Any]]
    ) -> None:
        self.item, self.bounds, self.holder = item, bounds, holder
        self.label = f"{holder.__name__}[{getattr(item, 'label', 'Any')}]"

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        # An iterator, or a text, is no list of what it yields.
        if isinstance(value, str | bytes | bytearray) or not isinstance(value, Sequence | Set):
            return _fault(faults, at, f"Input should be a valid {self.holder.__name__}")
        read = [self.item.read(each, (*at, index), faults) for index, each in enumerate(value)]
        if any(each is INVALID for each in read):
            return INVALID
        held = self.holder(read)
        return _long_enough(held, self.holder.__name__.capitalize(), self.bounds, at, faults)


class Mappings(Kind):
    """Of texts to values."""

    label = "dict"

    def __init__(self, item: Kind, bounds: Bounds = _NO_BOUNDS) -> None:
        self.item, self.bounds = item, bounds

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        if not isinstance(value, Mapping):
            return _fault(faults, at, "Input should be a valid dictionary")
        held = {}
        for key, each in value.items():
            place = (*at, key if isinstance(key, int) else str(key))
            if not isinstance(key, str):
                _fault(faults, (*place, "[key]"), "Input should be a valid string")
            held[key] = self.item.read(each, place, faults)
        if any(not isinstance(key, str) or each is INVALID for key, each in held.items()):
            return INVALID
        return _long_enough(held, "Dictionary", self.bounds, at, faults)


class Optional(Kind):
    """What `inner` accepts, or null."""

    def __init__(self, inner: Kind) -> None:
        self.inner = inner

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        return None if value is None else self.inner.read(value, at, faults)


class Either(Kind):
    """The first of several kinds that accepts a value; what each says of it, where none does."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.kinds = kinds

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        found: list[Fault] = []
        for kind in self.kinds:
            read = kind.read(value, (*at, getattr(kind, "label", "any")), found)
            if read is not INVALID:
                return read
        faults.extend(found)
        return INVALID


def _fault(faults: list[Fault], at: Place, message: str) -> Any:
    faults.append(Fault(at, message))
    return INVALID


def _long_enough(held: Any, noun: str, bounds: Bounds, at: Place, faults: list[Fault]) -> Any:
    least = bounds.min_length
    if least is None or len(held) >= least:
        return held
    items = "item" if least == 1 else "items"
    return _fault(faults, at, f"{noun} should have at least {least} {items} after validation, not {len(held)}")
