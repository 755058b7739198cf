"""Plain look-ups, `{{ config['a'].b }}` with text around them: what two thirds of templates are, followed without Jinja2.

They give what Jinja2 gives (a property test holds the two against each other). What only Jinja2 decides, such as a name
that is also that of a method, is left to it: `NotPlainError`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from file_cdk.declarative.templates.faults import LONGEST_TEXT, FaultError, NotThereError, too_long
from file_cdk.declarative.templates.macros import MACROS

Key = str | int
ALIASES: Final = {"stream_interval": "stream_slice", "stream_partition": "stream_slice"}

_MISSING: Final = object()
_OF_A_DICT = frozenset(dir(dict))
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_TEXT = r"'[^'\\\n\r{}]*'|\"[^\"\\\n\r{}]*\""
_ITEM = rf"\[(?:{_TEXT}|-?[0-9]{{1,9}})\]"
_GET = rf"\.get\((?:{_TEXT})(?:, ?(?:{_TEXT}))?\)"
_LOOKUP = re.compile(rf"\{{\{{[ \t\n]*({_NAME})((?:{_GET}|\.{_NAME}|{_ITEM})*)[ \t\n]*\}}\}}")
_STEP = re.compile(
    rf"\.get\((?P<got>{_TEXT})(?:, ?(?P<default>{_TEXT}))?\)|\.(?P<attribute>{_NAME})|\[(?P<item>{_TEXT}|-?\d+)\]"
)
# Names that Jinja2 takes for something else: constants, words of the language, functions.
_CONSTANTS = frozenset({"true", "false", "none", "True", "False", "None"})
_KEYWORDS = frozenset({"not", "and", "or", "if", "else", "elif", "in", "is", "for", "set", "recursive"})
_OTHERS = frozenset({"caller", "self", "super", "loop", "varargs", "kwargs", "dict", "namespace", *MACROS})


class NotPlainError(Exception):
    """Jinja2 has to evaluate the template."""


@dataclass(frozen=True, slots=True)
class Step:
    """key: looked up as an attribute first, where the manifest says `.key`; by `get`, with a default; or as an item."""

    key: Key
    is_attribute: bool = False
    is_got: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """`config.a['b'].get('c')`: the name of what is in scope, and what is looked up in it."""

    name: str
    steps: tuple[Step, ...]

    def found(self, scope: Mapping[str, Any]) -> Any:
        """What is there; an empty text where the last step finds nothing. Raises NotThereError where an earlier one does."""
        value = in_scope(scope, self.name)
        for step in self.steps:
            if type(value) is dict and not step.is_attribute:
                value = value.get(step.key, step.default) if step.is_got else _item(value, step.key)
            else:
                value = _looked_up(value, step)
        return "" if value is _MISSING else value


@dataclass(frozen=True, slots=True)
class Plain:
    """Texts and look-ups, one after the other."""

    parts: tuple[str | Lookup, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts if isinstance(part, Lookup))

    @property
    def only_lookup(self) -> Lookup | None:
        """Where there is nothing beside it."""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], Lookup) else None

    def render(self, scope: Mapping[str, Any]) -> str:
        try:
            text = "".join(part if isinstance(part, str) else str(part.found(scope)) for part in self.parts)
        except NotThereError:
            for name in self.names:  # one that is missing is the worse fault
                in_scope(scope, name)
            raise
        except (ValueError, RecursionError):
            raise FaultError("a value has too many digits, or is nested too deep") from None
        if len(text) > LONGEST_TEXT:
            raise too_long()
        return text


def in_scope(scope: Mapping[str, Any], name: str) -> Any:
    """Raises KeyError where the scope has neither the name nor what it is another name for."""
    value = scope.get(name, _MISSING)
    return scope[ALIASES[name]] if value is _MISSING else value


def parse(text: str) -> Plain | None:
    """None for a template that is not plain."""
    if not ("{{" in text or "{%" in text or "{#" in text):
        return Plain((_as_rendered(text),))
    parts: list[str | Lookup] = []
    end = 0
    text = _as_rendered(text)
    for match in _LOOKUP.finditer(text):
        if match[1] in _CONSTANTS | _KEYWORDS | _OTHERS:
            return None
        steps = tuple(map(_step, _STEP.finditer(match[2])))
        if any(step.is_attribute and step.key in _OF_A_DICT for step in steps):
            return None
        if match.start() and text[match.start() - 1] == "{":
            return None
        parts += [text[end : match.start()], Lookup(match[1], steps)]
        end = match.end()
    parts.append(text[end:])
    if any(isinstance(part, str) and re.search(r"\{[{%#]", part) for part in parts):
        return None
    return Plain(tuple(part for part in parts if part != ""))


def _as_rendered(text: str) -> str:
    """Jinja2 has one kind of line end, and takes the last one away."""
    return re.sub(r"\r\n|\r|\n", "\n", text).removesuffix("\n")


def _step(match: re.Match[str]) -> Step:
    if match["got"]:
        return Step(match["got"][1:-1], is_got=True, default=match["default"] and match["default"][1:-1])
    if match["attribute"]:
        return Step(match["attribute"], is_attribute=True)
    item = match["item"]
    return Step(item[1:-1] if item[0] in "'\"" else int(item))


def _item(value: dict[Any, Any], key: Key) -> Any:
    found = value.get(key, _MISSING)
    if found is _MISSING and key in _OF_A_DICT:
        raise NotPlainError
    return found


def _looked_up(value: Any, step: Step) -> Any:
    """The rest: attributes of a mapping, and anything in what is none."""
    if value is _MISSING:
        raise NotThereError(f"{step.key!r} is looked up in what is not there")
    if type(value) is dict:
        return value.get(step.key, _MISSING)
    if type(value) is list and isinstance(step.key, int) and not step.is_attribute:
        return value[step.key] if -len(value) <= step.key < len(value) else _MISSING
    if step.is_got or type(value) not in (str, int, float, bool, list, type(None)):
        raise NotPlainError
    if isinstance(step.key, int) or hasattr(value, step.key):
        raise NotPlainError
    return _MISSING
