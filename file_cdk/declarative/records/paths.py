"""Values put at and taken from paths of records, whose containers may be raw. What matches, and what becomes of lists, is as in
dpath, the library in which the paths of manifests are written."""

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from file_cdk.declarative.records.record import Tree, UnfitRecordError, opened, opened_wholly

Path = tuple[str, ...]
Key = str | int


def put(tree: Tree, path: Path, value: Any) -> None:
    """Objects, and lists where a number is next, are made on the way; lists are filled up with null.

    Raises UnfitRecordError where the way leads through a value that holds none.
    """
    for depth, part in enumerate(path[:-1]):
        key = _key(tree, part)
        child = opened(_child(tree, key))
        if child is _MISSING:
            child = [] if path[depth + 1].isdecimal() else {}
        if not isinstance(child, dict | list):
            raise UnfitRecordError(f"has a value at {'.'.join(path[: depth + 1])!r} in which no field can be put")
        _set(tree, key, child)
        tree = child
    _set(tree, _key(tree, path[-1]), value)


_MISSING: Any = object()
_MOST_FILLED_UP = 10_000  # elements of a list


def _key(tree: Tree, part: str) -> Key:
    if isinstance(tree, dict):
        return part
    if part.isdecimal():
        return int(part)
    raise UnfitRecordError(f"has a list where an object with {part!r} is looked for")


def _child(tree: Tree, key: Key) -> Any:
    if isinstance(tree, dict):
        return tree.get(key, _MISSING)  # type: ignore[arg-type]
    assert isinstance(key, int)
    return tree[key] if key < len(tree) else _MISSING


def _set(tree: Tree, key: Key, value: Any) -> None:
    if isinstance(tree, list):
        assert isinstance(key, int)
        if key - len(tree) > _MOST_FILLED_UP:
            raise UnfitRecordError(f"would get a list of {key + 1:,} elements")
        tree.extend([None] * (key + 1 - len(tree)))
        tree[key] = value
        return
    assert isinstance(key, str)
    tree[key] = value


def remove(tree: Tree, path: Path) -> None:
    """Without wildcards. The last element of a list goes; any other becomes null, so that those behind it stay where they are."""
    for part in path[:-1]:
        if isinstance(tree, list) and not part.isdecimal():
            return
        key = _key(tree, part)
        child = opened(_child(tree, key))
        if not isinstance(child, dict | list):
            return
        _set(tree, key, child)
        tree = child
    if isinstance(tree, list) and not path[-1].isdecimal():
        return
    key = _key(tree, path[-1])
    if _child(tree, key) is not _MISSING:
        _delete(tree, key)


def remove_where(tree: dict[str, Any], is_chosen: Callable[[tuple[Key, ...], Any], bool]) -> None:
    """Whatever is chosen by its path and value, which is raw at the ends; each container before what is in it."""
    for name, value in list(tree.items()):
        tree[name] = opened_wholly(value)
    for path, value in list(_walk(tree, ())):
        parent = _at(tree, path[:-1])
        if parent is not None and _child_of(parent, path[-1]) is not _MISSING and is_chosen(path, value):
            _delete(parent, path[-1])


def _walk(tree: Any, above: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], Any]]:
    children: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    children = list(children)
    for key, value in children:
        yield (*above, key), value
    for key, value in children:
        yield from _walk(value, (*above, key))


def _at(tree: Any, path: tuple[Key, ...]) -> Tree | None:
    for key in path:
        tree = _child_of(tree, key)
        if not isinstance(tree, dict | list):
            return None
    found: Tree = tree
    return found


def _child_of(tree: Tree, key: Key) -> Any:
    return _MISSING if isinstance(tree, list) and not isinstance(key, int) else _child(tree, key)


def _delete(tree: Tree, key: Key) -> None:
    if isinstance(tree, list) and key != len(tree) - 1:
        assert isinstance(key, int)
        tree[key] = None
    else:
        del tree[key]  # type: ignore[arg-type]


def matches(path: tuple[Key, ...], pattern: Path) -> bool:
    """`**` stands for any number of parts, `*`, `?` and `[…]` for characters of one."""
    if "**" in pattern:
        at = pattern.index("**")
        more = len(path) - len(pattern) + 1
        if more < 0:
            return False
        pattern = (*pattern[:at], *["*"] * more, *pattern[at + 1 :])
    return len(path) == len(pattern) and all(map(_part_matches, path, pattern))


def _part_matches(key: Key, part: str) -> bool:
    if isinstance(key, int) and part.isdecimal():
        return key == int(part)
    return fnmatchcase(str(key), part)
