"""YAML as a person would write it: a line per setting, comments above what they are about."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_WIDTH = 100


def comment(text: str, indent: str = "") -> Iterator[str]:
    """In lines of `# …`."""
    import textwrap

    for line in textwrap.wrap(_printable(text), _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False):
        yield f"{indent}# {line}"


def setting(name: str, value: Any, indent: str = "") -> Iterator[str]:
    """`name: value`; what is long takes a line per item."""
    line = f"{indent}{scalar(name)}: {inline(value)}"
    if len(line) <= _WIDTH or not isinstance(value, Mapping | list) or not value:
        yield line
    elif isinstance(value, Mapping):
        yield f"{indent}{scalar(name)}:"
        for key, each in value.items():
            yield from setting(key, each, f"{indent}  ")
    else:
        yield f"{indent}{scalar(name)}:"
        for each in value:
            yield f"{indent}  - {inline(each)}"


def item(settings: Mapping[str, Any], indent: str = "  ") -> Iterator[str]:
    """A mapping in a list."""
    lines = [line for name, value in settings.items() for line in setting(name, value, f"{indent}  ")]
    yield f"{indent}- {lines[0].lstrip()}"
    yield from lines[1:]


def inline(value: Any) -> str:
    """On one line."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{scalar(key)}: {inline(each)}" for key, each in value.items()) + "}"
        case str():
            return scalar(value)
        case Sequence():
            return "[" + ", ".join(map(inline, value)) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A value that reads as itself, without quotes where it needs none."""
    import yaml

    if isinstance(value, str):
        plain_text = value.replace("_", "").replace("-", "").replace("/", "").isalnum() and value.isascii()
        if plain_text and not value.startswith(("-", "/")) and yaml.safe_load(value) == value:
            return value
        quoted = yaml.safe_dump(value, default_style='"', allow_unicode=value.isprintable(), width=float("inf"))
        return str(quoted).strip()
    return str(yaml.safe_dump(value, default_flow_style=True)).removesuffix("...\n").strip()


def _printable(text: str) -> str:
    """A comment must not end where the name of a file has a line end."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
