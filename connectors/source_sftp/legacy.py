"""Configurations and states of Airbyte's connector, whose paths of files are from the server's root on, and not from the
folder on.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from file_cdk import renamed_state


def adopted_state(folder: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state with uris relative to the folder, if that is given from the root on.

    Of a folder relative to the user's own it cannot be told whose state it is: `in/x.csv` may be ours, of `in/in/x.csv`.
    """
    return renamed_state(state, lambda uri: _below(folder, uri)) if folder.startswith("/") else state


def adopted_stream(folder: str, stream: Any) -> Any:
    """The raw configuration of a stream with globs relative to the folder; what is none stays as it is."""
    if not folder.startswith("/") or not isinstance(stream, Mapping) or not isinstance(stream.get("globs"), list):
        return stream
    relative = [_globs_below(folder, glob) if isinstance(glob, str) else [glob] for glob in stream["globs"]]
    return {**stream, "globs": [glob for each in relative for glob in each]}


def _below(folder: str, path: str) -> str:
    """The path from the folder on if it is in it: `//x.csv` and `/x.csv` of `/` are `x.csv`."""
    if not path.startswith("/"):
        return path
    above, segments = _segments(folder), _segments(path)
    inside = segments[: len(above)] == above and len(segments) > len(above)
    return "/".join(segments[len(above) :]) if inside else path


def _globs_below(folder: str, pattern: str) -> list[str]:
    """Patterns of paths from the folder on that match what `pattern`, if it begins with `/`, matches there.

    `/*/in/**/*.csv` is `in/**/*.csv` from `/data` on. A pattern that reaches nothing in the folder stays as it is.
    """
    negation = "!" if pattern.startswith("!") else ""
    bare = pattern.removeprefix("!")
    if not bare.startswith("/"):
        return [pattern]
    found = dict.fromkeys("/".join(rest) for rest in _rests(_segments(bare), _segments(folder)))
    return [negation + each for each in found] or [pattern]


def _rests(pattern: Sequence[str], folder: Sequence[str]) -> Iterator[Sequence[str]]:
    """What is left of the pattern once it has matched the folder, in each way that it can."""
    from file_cdk import GlobPatterns  # what it imports, `spec` does without

    if not pattern:
        return
    if not folder:
        yield pattern
    elif pattern[0] == "**":
        yield pattern
        for passed in range(len(folder)):
            yield from _rests(pattern[1:], folder[passed:])
    elif GlobPatterns([pattern[0]]).matches(folder[0]):
        yield from _rests(pattern[1:], folder[1:])


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]
