"""Expressions that are more than look-ups, by Jinja2 in a sandbox."""

from collections.abc import Mapping
from typing import Any

import jinja2
from jinja2 import meta
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from file_cdk.declarative.templates import plain
from file_cdk.declarative.templates.faults import NotThereError, RefusedError, UnfitError
from file_cdk.declarative.templates.filters import FILTERS
from file_cdk.declarative.templates.macros import MACROS


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment()
    environment.filters.update(FILTERS)
    environment.globals.update(MACROS)
    del environment.globals["range"], environment.globals["lipsum"]
    return environment


_ENVIRONMENT = _environment()


class Expression:
    """A text that Jinja2 renders. Its code is made when it is first used."""

    __slots__ = ("_program", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.names = frozenset(meta.find_undeclared_variables(_ENVIRONMENT.parse(text)))
        except jinja2.TemplateSyntaxError as error:
            raise RefusedError(f"is no template: {error.message}") from None
        self._program: jinja2.Template | None = None

    def __getstate__(self) -> tuple[str, frozenset[str]]:
        return self.text, self.names

    def __setstate__(self, state: tuple[str, frozenset[str]]) -> None:
        self.text, self.names = state
        self._program = None

    def render(self, scope: Mapping[str, Any]) -> str:
        values = {name: plain.in_scope(scope, name) for name in self.names}
        program = self._program
        if program is None:
            program = self._program = _ENVIRONMENT.from_string(self.text)
        try:
            return program.render(values)
        except jinja2.UndefinedError as error:
            raise NotThereError("something is looked up in what is not there") from error
        except TypeError:
            raise UnfitError("an operation does not fit the types of its values") from None
        except SecurityError:
            raise RefusedError("refused by the sandbox") from None
