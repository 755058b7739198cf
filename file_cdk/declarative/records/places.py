"""Where in a body the records are: a path of names, some of which may be wildcards."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from file_cdk.core.errors import AnswerError
from file_cdk.core.uris import shortened
from file_cdk.declarative.records.scanning import Scanner, Value, kind

Path = tuple[str, ...]

_EMPTY = (b"null", b'""', b"false")
_WORDS = {'"': "a text", "[": "a list", "{": "an object", "t": "true", "f": "false", "n": "null"}
_MOST_NAMES = 8


def has_wildcards(part: str) -> bool:
    return any(sign in part for sign in "*?[")


def places(body: Value, path: Path, scanner: Scanner) -> Iterator[Value]:
    """The records at the path, in the order of the body. An element of an outermost list is a body of its own.

    Raises AnswerError where the path is missing, and neither null, an empty text, list or object nor false stands on the way.
    """
    if kind(body) != "[":
        yield from _of_one(body, path, scanner)
        return
    for each in scanner.elements(body):
        if path or kind(each) in "[{":
            yield from _of_one(each, path, scanner)
        elif not _is_empty(each):
            yield each


def _of_one(body: Value, path: Path, scanner: Scanner) -> Iterator[Value]:
    globs = [depth for depth, part in enumerate(path) if has_wildcards(part)]
    if not globs:
        place = straight(body, path, path, scanner)
        if place is not None:
            yield from _records(place, path, scanner)
        return
    top = straight(body, path[: globs[0]], path, scanner)
    if top is None:
        return
    matches = _matches(top, path[globs[0] :], scanner)
    if "*" in path:
        yield from matches
        return
    found = list(matches)
    if len(found) > 1:
        raise AnswerError(f"the answer has {len(found)} places that {_spelled(path)} may mean")
    for place in found:
        yield from _records(place, path, scanner)


def straight(value: Value, path: Path, whole: Path, scanner: Scanner) -> Value | None:
    """What the path leads to; None where nothing is there, as it may be. whole: the path that it is a part of.

    Raises AnswerError where it is missing."""
    for depth, part in enumerate(path):
        children = _children(value, scanner)
        if part in children:
            value = children[part]
        elif children or not _is_empty(value):
            raise _missing(whole, depth, value, children)
        else:
            return None
    return value


def _matches(value: Value, path: Path, scanner: Scanner) -> Iterator[Value]:
    if not path:
        yield value
        return
    for name, child in _children(value, scanner).items():
        if path[0] == "*" or fnmatchcase(name, path[0]):
            yield from _matches(child, path[1:], scanner)


def _children(value: Value, scanner: Scanner) -> dict[str, Value]:
    if kind(value) == "{":
        return dict(scanner.members(value))
    if kind(value) == "[":
        return {str(index): each for index, each in enumerate(scanner.elements(value))}
    return {}


def _records(place: Value, path: Path, scanner: Scanner) -> Iterable[Value]:
    if kind(place) == "[":
        return scanner.elements(place)
    if kind(place) == "{":
        return [place] if scanner.members(place) else []
    if _is_empty(place):
        return []
    raise AnswerError(f"the answer has {_described(place)} at {_spelled(path)}, where records were expected")


def _is_empty(value: Value) -> bool:
    return kind(value) in "[{" or bytes(value) in _EMPTY


def _missing(path: Path, depth: int, value: Value, children: Iterable[str]) -> AnswerError:
    place = f"at {_spelled(path[:depth])}" if depth else "outermost"
    if kind(value) == "{":
        names = sorted(children)
        shown = ", ".join(repr(shortened(name, 60)) for name in names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        has = f"members {shown}{more}"
    else:
        has = _described(value)
    return AnswerError(
        f"the answer has no {_spelled(path)}: {place} it has {has}",
        remedy="Correct field_path, or tell the API's error apart by a response filter",
    )


def _described(value: Value) -> str:
    return _WORDS.get(kind(value), "a number")


def _spelled(path: Path) -> str:
    return repr(".".join(path))
