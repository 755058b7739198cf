"""Plain look-ups, `{{ config['a'].b }}` with text around them, which two thirds of templates are, and plain questions,
`{{ not response.get('next', {}) }}`, which most pages end by: followed without Jinja2.

They give what Jinja2 gives (a property test holds the two against each other). What only Jinja2 decides, such as a name
that is also that of a method, is left to it: `NotPlainError`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from file_cdk.declarative.templates.faults import LONGEST_TEXT, FaultError, NotThereError, too_long
from file_cdk.declarative.templates.macros import MACROS

Key = str | int
ALIASES: Final = {"stream_interval": "stream_slice", "stream_partition": "stream_slice"}

_MISSING: Final = object()
_OF_A_DICT = frozenset(dir(dict))
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_TEXT = r"'[^'\\\n\r{}]*'|\"[^\"\\\n\r{}]*\""
_ITEM = rf"\[(?:{_TEXT}|-?[0-9]{{1,9}})\]"
_NUMBER = r"-?(?:0|[1-9][0-9]{0,8})"
_CONSTANT = rf"(?:{_TEXT}|{_NUMBER}|[Tt]rue|[Ff]alse|[Nn]one)"
_DEFAULT = rf"(?:{_CONSTANT}|\{{\}}|\[\])"
_GET = rf"\.get\((?:{_TEXT})(?:, ?{_DEFAULT})?\)"
_SPACE = r"[ \t\n]"
_QUESTION = (
    rf"(?:{_SPACE}+is{_SPACE}+(?P<is_not>not{_SPACE}+)?(?P<test>none|defined|undefined)"
    rf"|{_SPACE}*(?P<compared>[=!]=){_SPACE}*(?P<operand>{_CONSTANT}))"
)
_LOOKUP = re.compile(
    rf"\{{\{{{_SPACE}*(?P<not>not{_SPACE}+)?(?P<name>{_NAME})(?P<steps>(?:{_GET}|\.{_NAME}|{_ITEM})*)"
    rf"(?:{_QUESTION})?{_SPACE}*\}}\}}"
)
_STEP = re.compile(
    rf"\.get\((?P<got>{_TEXT})(?:, ?(?P<default>{_DEFAULT}))?\)|\.(?P<attribute>{_NAME})|\[(?P<item>{_TEXT}|-?\d+)\]"
)
_WORDS: Final[Mapping[str, Any]] = {"true": True, "false": False, "none": None, "{}": {}, "[]": []}
# Names that Jinja2 takes for something else: constants, words of the language, functions.
_CONSTANTS = frozenset({"true", "false", "none", "True", "False", "None"})
_KEYWORDS = frozenset({"not", "and", "or", "if", "else", "elif", "in", "is", "for", "set", "recursive"})
_OTHERS = frozenset({"caller", "self", "super", "loop", "varargs", "kwargs", "dict", "namespace", *MACROS})


class NotPlainError(Exception):
    """Jinja2 has to evaluate the template."""


class Step(msgspec.Struct, frozen=True):
    """key: looked up as an attribute first, where the manifest says `.key`; by `get`, with a default; or as an item."""

    key: Key
    is_attribute: bool = False
    is_got: bool = False
    default: Any = None
    """Not to be changed."""


class Question(msgspec.Struct, frozen=True):
    """Of what a look-up finds: whether it is true, `none` or `defined`, or equal to the operand; or, where it is denied, not."""

    about: str
    operand: str | int | None = None
    is_denied: bool = False

    def answer(self, value: Any) -> bool:
        """value: _MISSING where there is none."""
        is_there = value is not _MISSING
        match self.about:
            case "true":
                found = is_there and bool(value)
            case "none":
                found = value is None
            case "defined":
                found = is_there
            case _:
                found = is_there and bool(value == self.operand)
        return found is not self.is_denied


class Lookup(msgspec.Struct, frozen=True):
    """`config.a['b'].get('c')`: the name of what is in scope, what is looked up in it, and what is asked of that, if anything."""

    name: str
    steps: tuple[Step, ...]
    question: Question | None = None

    def found(self, scope: Mapping[str, Any]) -> Any:
        """What is there, an empty text where the last step finds nothing; or the answer. Raises NotThereError where an earlier
        step finds nothing."""
        value = in_scope(scope, self.name)
        for step in self.steps:
            if type(value) is dict and not step.is_attribute:
                value = value.get(step.key, step.default) if step.is_got else _item(value, step.key)
            else:
                value = _looked_up(value, step)
        if self.question is not None:
            return self.question.answer(value)
        return "" if value is _MISSING else value


class Plain(msgspec.Struct, frozen=True):
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
            text = "".join([part if isinstance(part, str) else str(part.found(scope)) for part in self.parts])
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
        if match["name"] in _CONSTANTS | _KEYWORDS | _OTHERS:
            return None
        steps = tuple(map(_step, _STEP.finditer(match["steps"])))
        if any(step.is_attribute and step.key in _OF_A_DICT for step in steps):
            return None
        if match.start() and text[match.start() - 1] == "{":
            return None
        parts += [text[end : match.start()], Lookup(match["name"], steps, _question(match))]
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
        return Step(match["got"][1:-1], is_got=True, default=match["default"] and _constant(match["default"]))
    if match["attribute"]:
        return Step(match["attribute"], is_attribute=True)
    item = match["item"]
    return Step(item[1:-1] if item[0] in "'\"" else int(item))


def _question(match: re.Match[str]) -> Question | None:
    is_denied = match["not"] is not None
    if match["test"]:
        is_denied ^= (match["is_not"] is not None) ^ (match["test"] == "undefined")
        return Question("none" if match["test"] == "none" else "defined", is_denied=is_denied)
    if match["compared"]:
        is_denied ^= match["compared"] == "!="
        return Question("operand", _constant(match["operand"]), is_denied)
    return Question("true", is_denied=True) if is_denied else None


def _constant(text: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1]
    return _WORDS[text.lower()] if text.lower() in _WORDS else int(text)


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
