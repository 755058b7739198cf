"""What a field accepts and what becomes of it: text, numbers, lists and the like, with what is said of anything else.

Configurations come from JSON, YAML and forms, so `"12"` is a number and `"yes"` a truth where one is wanted. The text of a fault
goes on after the place; no value is in it but a tag that no variant has. Plain classes, as each start makes them:
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
    """What a field accepts. noun: what that is called, after "must be"."""

    noun = "a value"

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        """The value as the field holds it; INVALID after it noted what is wrong."""
        raise NotImplementedError


class Anything(Kind):
    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:  # noqa: ARG002 - as all kinds
        return value


class Text(Kind):
    noun = "text"

    def __init__(self, bounds: Bounds = _NO_BOUNDS) -> None:
        self.bounds = bounds

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        if not isinstance(value, str):
            return _fault(faults, at, "must be text")
        least = self.bounds.min_length
        if least is not None and len(value) < least:
            plural = "" if least == 1 else "s"
            return _fault(faults, at, f"must have at least {least} character{plural}")
        return value


class Truth(Kind):
    noun = "true or false"

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _TRUTHS:
            return _TRUTHS[value.lower()]
        if isinstance(value, int | float) and value in (0, 1):
            return value == 1
        return _fault(faults, at, "must be true or false")


class Number(Kind):
    """whole: no fractions."""

    def __init__(self, bounds: Bounds = _NO_BOUNDS, *, whole: bool) -> None:
        self.bounds, self.whole = bounds, whole
        self.noun = "a whole number" if whole else "a number"

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        found = self._whole(value, at, faults) if self.whole else self._float(value, at, faults)
        if found is INVALID:
            return found
        ge, gt, le = self.bounds.ge, self.bounds.gt, self.bounds.le
        if le is not None and not found <= le:
            return _fault(faults, at, f"must be {le} or less")
        if ge is not None and not found >= ge:
            return _fault(faults, at, f"must be {ge} or more")
        if gt is not None and not found > gt:
            return _fault(faults, at, f"must be more than {gt}")
        return found

    @staticmethod
    def _whole(value: Any, at: Place, faults: list[Fault]) -> Any:
        match value:
            case int():
                return int(value)
            case float() if not math.isfinite(value):
                return _fault(faults, at, "must be a finite number")
            case float() if not value.is_integer():
                return _fault(faults, at, "must be a whole number, without a fraction")
            case float():
                return int(value)
            case str():
                whole, point, zeros = value.strip().partition(".")
                try:
                    if value.isascii() and (not point or (zeros and not zeros.strip("0"))):
                        return int(whole)
                except ValueError:
                    pass
                return _fault(faults, at, "must be a whole number")
        return _fault(faults, at, "must be a whole number")

    @staticmethod
    def _float(value: Any, at: Place, faults: list[Fault]) -> Any:
        if isinstance(value, int | float):
            return float(value)
        if not isinstance(value, str):
            return _fault(faults, at, "must be a number")
        try:
            return float(value)
        except ValueError:
            return _fault(faults, at, "must be a number")


class OneOf(Kind):
    """values: as a configuration writes each -> as the field holds it. enum: these are members of an enumeration."""

    def __init__(self, values: Mapping[Any, Any], label: str = "literal", *, enum: bool = False) -> None:
        self.values, self.label, self.enum = values, label, enum
        *others, last = map(repr, values)
        self.noun = " or ".join(filter(None, (", ".join(others), last)))

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        if isinstance(value, Hashable) and value in self.values:
            return self.values[value]
        return _fault(faults, at, f"must be {self.noun}")


class Items(Kind):
    """A list, or a set of values; `holder` says which."""

    def __init__(
        self, item: Kind, bounds: Bounds = _NO_BOUNDS, *, holder: type[list[Any]] | type[frozenset[Any]]
    ) -> None:
        self.item, self.bounds, self.holder = item, bounds, holder
        self.noun = "a list" if item.noun == Kind.noun else f"a list of {item.noun}"

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        # An iterator, or a text, is no list of what it yields.
        if isinstance(value, str | bytes | bytearray) or not isinstance(value, Sequence | Set):
            return _fault(faults, at, "must be a list")
        read = [self.item.read(each, (*at, index), faults) for index, each in enumerate(value)]
        if any(each is INVALID for each in read):
            return INVALID
        held = self.holder(read)
        return _long_enough(held, self.bounds, at, faults)


class Mappings(Kind):
    """Of texts to values."""

    noun = "a mapping"

    def __init__(self, item: Kind, bounds: Bounds = _NO_BOUNDS) -> None:
        self.item, self.bounds = item, bounds

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        if not isinstance(value, Mapping):
            return _fault(faults, at, "must be a mapping")
        held = {}
        for key, each in value.items():
            place = (*at, key if isinstance(key, int) else str(key))
            if not isinstance(key, str):
                _fault(faults, (*place, "[key]"), "must be text")
            held[key] = self.item.read(each, place, faults)
        if any(not isinstance(key, str) or each is INVALID for key, each in held.items()):
            return INVALID
        return _long_enough(held, self.bounds, at, faults)


class Optional(Kind):
    """What `inner` accepts, or null."""

    def __init__(self, inner: Kind) -> None:
        self.inner = inner

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        return None if value is None else self.inner.read(value, at, faults)


class Either(Kind):
    """The first of several kinds that accepts a value. Where none does, what is wrong inside of a list or mapping is told."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.kinds = kinds
        self.noun = " or ".join(kind.noun for kind in kinds)

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        found: list[Fault] = []
        for kind in self.kinds:
            read = kind.read(value, at, found)
            if read is not INVALID:
                return read
        faults.extend([fault for fault in found if len(fault.place) > len(at)] or [Fault(at, f"must be {self.noun}")])
        return INVALID


def _fault(faults: list[Fault], at: Place, message: str) -> Any:
    faults.append(Fault(at, message))
    return INVALID


def _long_enough(held: Any, bounds: Bounds, at: Place, faults: list[Fault]) -> Any:
    least = bounds.min_length
    if least is None or len(held) >= least:
        return held
    items = "item" if least == 1 else "items"
    return _fault(faults, at, f"must have at least {least} {items}, not {len(held)}")
