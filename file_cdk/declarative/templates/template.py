"""One text of a manifest, compiled once and evaluated for each request, page or record."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

from file_cdk.core.errors import ConfigError, TemplateError
from file_cdk.declarative.templates import plain
from file_cdk.declarative.templates.faults import FaultError, NotThereError, UnfitError
from file_cdk.declarative.templates.literals import Types, begins_no_literal, literal, literal_of

# By name: config, parameters, stream_slice, record, response, …
_OF_CONFIGURATION = frozenset({"config", "parameters"})
Scope = Mapping[str, Any]
_REFUSED_NAME = "stream_state"
_MOMENT = re.compile(r"\{\{-?\s*(?:now_utc|today_utc|generate_uuid)\(\s*\)\s*-?\}\}")
"""Templates that come to what reads as no number, and as nothing else but text either."""
# Equal to what is false: 0 == False, 0.0 == False.
_FALSE: tuple[Any, ...] = ("False", "false", "{}", "[]", "()", "", "0", "0.0", {}, False, None, [], (), set())


class _Source(Protocol):
    """A text that was compiled. Picklable."""

    @property
    def names(self) -> frozenset[str]: ...

    def render(self, scope: Scope) -> str: ...


class Template:
    """expression: as in the manifest. where: its place there, for errors, such as `stream 'users', field 'path'`.
    types: those that a value may have other than text; None for any. Raises TemplateError where the text is no template.

    Picklable; what was compiled by Jinja2 is compiled again when it is next used.
    """

    __slots__ = ("_lookup", "_source", "expression", "names", "types", "where")

    def __init__(self, expression: str, where: str, types: Types | None = None) -> None:
        self.expression, self.where, self.types = expression, where, types
        if _REFUSED_NAME in expression:
            raise self._error("`stream_state` is no longer a name of templates", "Use stream_interval")
        try:
            self._source: _Source = plain.parse(expression) or _expression(expression)
        except FaultError as fault:
            raise self._error(fault.reason) from None
        self._lookup = self._source.only_lookup if isinstance(self._source, plain.Plain) else None
        self.names = self._source.names
        """Of what the template looks at in its scope."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self._written == other._written

    def __hash__(self) -> int:
        return hash(self._written)

    @property
    def _written(self) -> tuple[str, str, Types | None]:
        return self.expression, self.where, self.types

    @property
    def is_constant(self) -> bool:
        return isinstance(self._source, plain.Plain) and not self.names

    @property
    def is_of_configuration(self) -> bool:
        """Whether it comes to the same for each scope of one configuration."""
        return isinstance(self._source, plain.Plain) and self.names <= _OF_CONFIGURATION

    @property
    def is_always_text(self) -> bool:
        """Whether it has the same type for every scope: a text, because no literal begins as it does, or it is a moment."""
        if _MOMENT.fullmatch(self.expression):
            return True
        first = self._source.parts[0] if isinstance(self._source, plain.Plain) and self._source.parts else None
        return isinstance(first, str) and begins_no_literal(first)

    def text(self, scope: Scope) -> str:
        """Rendered. Raises TemplateError where a name is missing, or something is looked up in what is not there."""
        try:
            return self.evaluated(scope)
        except FaultError as fault:
            raise self._error(fault.reason) from None

    def value(self, scope: Scope) -> Any:
        """The text, and a value other than text where that reads as one: see `literals`. A list or mapping that is looked
        up is copied, without its text being made."""
        if self._lookup is None:
            return literal(self.text(scope), self.types)
        try:
            return literal_of(self._lookup.found(scope), self.types)
        except (plain.NotPlainError, FaultError, KeyError, ValueError, RecursionError):  # which `text` tells apart
            return literal(self.text(scope), self.types)

    def value_or_none(self, scope: Scope) -> Any:
        """The same; None for an empty text, and where something is looked up in what is not there."""
        try:
            text = self.evaluated(scope)
        except NotThereError:
            return None
        except FaultError as fault:
            raise self._error(fault.reason) from None
        return literal(text, self.types) if text else None

    def evaluated(self, scope: Scope) -> str:
        """The text. Raises FaultError."""
        try:
            return self._source.render(scope)
        except plain.NotPlainError:
            return _expression(self.expression).render(scope)
        except KeyError:
            missing = sorted(name for name in self.names if name not in scope and plain.ALIASES.get(name) not in scope)
            names = ", ".join(map(repr, missing))
            raise self._error(f"there is no {names} here", f"There are: {', '.join(sorted(scope))}") from None

    def _error(self, reason: str, remedy: str | None = None) -> TemplateError:
        return TemplateError(reason, expression=self.expression, place=self.where, remedy=remedy)


class Condition:
    """A text that comes to a truth.

    False are an empty text, `False`, `false`, 0, 0.0, `{}`, `[]`, `()`, `None`, and whatever looks something up in what is
    not there. Anything else holds, a comparison of values that cannot be compared among it.
    """

    __slots__ = ("_template", "condition")

    def __init__(self, condition: str | bool, where: str) -> None:
        self.condition = condition
        self._template = Template(condition, where) if isinstance(condition, str) else None

    @property
    def names(self) -> frozenset[str]:
        return self._template.names if self._template else frozenset()

    def holds(self, scope: Scope) -> bool:
        if self._template is None:
            return bool(self.condition)
        try:
            text = self._template.evaluated(scope)
        except NotThereError:
            return False
        except UnfitError:
            return True
        except FaultError as fault:
            raise self._template._error(fault.reason) from None
        return literal(text) not in _FALSE


def _expression(text: str) -> _Source:
    try:
        from file_cdk.declarative.templates.sandbox import Expression  # Jinja2 takes 60 ms to import
    except ModuleNotFoundError as exc:
        library = (exc.name or "").partition(".")[0]
        if library not in ("jinja2", "regex"):
            raise
        raise ConfigError(
            f"the manifest has templates that need {library}, which is not installed",
            remedy="Install it with: pip install 'file-cdk[manifests]'",
        ) from None
    return Expression(text)
