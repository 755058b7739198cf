"""References of a manifest: `$ref: "#/definitions/x"`, and any plain text that begins with `#/`.

A part that many places refer to is resolved once and shared. The values are counted as if each reference were written out.
"""

from collections.abc import Iterator
from typing import Any

from file_cdk.core.errors import ManifestError
from file_cdk.declarative.language.reading import MAX_DEPTH, MAX_VALUES

REF = "$ref"
AS_WRITTEN = frozenset({"config_overrides"})
"""Fields whose values are a user's configuration: a text in there that looks like a reference is none."""


class ReferenceNotResolvedError(ManifestError):
    """reference: its text. within: that of the part which it is written in, where it closes a circle."""

    def __init__(self, message: str, *, reference: str = "", within: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.reference, self.within = reference, within


def is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("#/")


def without_references(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Shares parts with the document and within itself. Raises ReferenceNotResolvedError (to nothing, to outside, a circle), and
    ManifestError where it is too much."""
    made = _Resolving(document, name).mapping(document, 0)
    if not isinstance(made, dict):
        raise ManifestError("refers as a whole to what is no mapping", uri=name)
    return made


def target(document: Any, reference: str) -> Any:
    """What stands there, as it is written. At each step the whole rest of the path is tried as a key first, so that keys may have
    slashes. Raises LookupError."""
    at, rest = document, _path(reference)
    while rest:
        if isinstance(at, dict) and rest in at:
            return at[rest]
        step, _, rest = rest.partition("/")
        at = _step(at, step)
    return at


def nearest(document: Any, reference: str) -> str | None:
    """The reference that may have been meant, where its end alone is wrong."""
    head, _, last = reference.rpartition("/")
    try:
        beside = target(document, head + "/") if head == "#" else target(document, head)
    except LookupError:
        return None
    import difflib  # for a mistake alone

    found = difflib.get_close_matches(last, list(beside), 1) if isinstance(beside, dict) else []
    return f"{head}/{found[0]}" if found else None


def _path(reference: str) -> str:
    return reference.removeprefix("#/").partition("\n")[0]


def _step(at: Any, step: str) -> Any:
    if isinstance(at, dict):
        return at[step]
    if isinstance(at, list) and step.removeprefix("-").isdecimal():
        return at[int(step)]
    raise LookupError(step)


class _Resolving:
    """Sizes are of values written out, which is what a loop over the result would see."""

    def __init__(self, document: dict[str, Any], name: str) -> None:
        self.document, self.name = document, name
        self._size = 0
        self._deepest = 0
        self._done: dict[str, tuple[Any, int, int]] = {}
        self._inside: list[str] = []

    def value(self, value: Any, depth: int) -> Any:
        self._size += 1
        if type(value) is dict:
            return self.mapping(value, depth + 1)
        if type(value) is list:
            self._look(depth)
            return [self.value(each, depth + 1) for each in value]
        if is_reference(value):
            return self._referred(value, depth)
        return value

    def mapping(self, value: dict[str, Any], depth: int) -> Any:
        self._look(depth)
        own = {key: each if key in AS_WRITTEN else self.value(each, depth) for key, each in value.items() if key != REF}
        if REF not in value:
            return own
        referred = value[REF]
        if isinstance(referred, str) and not is_reference(referred):
            raise ReferenceNotResolvedError(
                f"the reference {referred!r} does not begin with '#/'",
                reference=referred,
                uri=self.name,
                remedy="Parts of other files cannot be referred to",
            )
        if not isinstance(referred, (str, dict)):
            raise ReferenceNotResolvedError("a `$ref` is a text", uri=self.name)
        whole = self.value(referred, depth)
        return {**whole, **own} if isinstance(whole, dict) else whole

    def _referred(self, reference: str, depth: int) -> Any:
        if reference in self._done:
            value, size, height = self._done[reference]
            self._size += size
            self._look(depth + height)
            return value
        if reference in self._inside:
            circle = " → ".join([*self._inside[self._inside.index(reference) :], reference])
            raise ReferenceNotResolvedError(
                f"references go in a circle: {circle}", reference=reference, within=self._inside[-1], uri=self.name
            )
        try:
            found = target(self.document, reference)
        except LookupError:
            near = nearest(self.document, reference)
            told = None if near is None else f"Was {near!r} meant?"
            raise ReferenceNotResolvedError(
                f"the reference {reference!r} is to nothing", reference=reference, uri=self.name, remedy=told
            ) from None
        size, deepest = self._size, self._deepest
        self._deepest = depth
        self._inside.append(reference)
        value = self.value(found, depth + 1)
        self._inside.pop()
        self._done[reference] = value, self._size - size, self._deepest - depth
        self._deepest = max(deepest, self._deepest)
        return value

    def _look(self, depth: int) -> None:
        self._deepest = max(self._deepest, depth)
        if depth > MAX_DEPTH:
            raise ManifestError(f"is nested more than {MAX_DEPTH} deep, references written out", uri=self.name)
        if self._size > MAX_VALUES:
            raise ManifestError(f"stands for more than {MAX_VALUES:,} values, references written out", uri=self.name)


def references_in(value: Any) -> Iterator[str]:
    """Each as often as it is written, in the order of the document."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in AS_WRITTEN:
                yield from references_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from references_in(each)
    elif is_reference(value):
        yield value
