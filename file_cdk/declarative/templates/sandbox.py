"""Expressions that are more than look-ups, by Jinja2 in a sandbox with a budget.

Hazard: a manifest is written by someone else, and one expression can ask for all time and memory there is. So nothing is
reached but what `methods` names, every operation spends from a budget (see `budget` for the bounds), texts that are about to
be made are measured before they are, and regular expressions end after a time. Whatever Jinja2 learns to do in a later
version is refused until it is named.
"""

import json
import re
from collections.abc import Iterator, Mapping
from types import BuiltinMethodType, MethodType
from typing import Any, Final

import jinja2
from jinja2 import meta, pass_context
from jinja2.runtime import Context, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter
from jinja2.utils import Namespace

from file_cdk.declarative.templates import bounded, methods, plain, rewriting
from file_cdk.declarative.templates.budget import Budget, BudgetContext
from file_cdk.declarative.templates.faults import (
    LONGEST_TEXT,
    FaultError,
    NotThereError,
    RefusedError,
    UnfitError,
    too_long,
)
from file_cdk.declarative.templates.macros import MACROS

LONGEST_TEMPLATE: Final = 1 << 16  # characters
_LONG_TEXTS: Final = frozenset({"sanitize_url", "camel_case_to_snake_case", "max", "min", "dict", "Namespace", "loads"})
_FUNCTIONS: Final = frozenset({*MACROS.values(), dict, Namespace, json.loads})
"""json.loads is what JwtAuthenticator gives its templates as `json_loads`; no others have it."""


# Of filters, by values that they are not for; Jinja2's `truncate` asserts what it is given.
_FAILURES: Final = (
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
    OSError,
    jinja2.TemplateError,
)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)
    context_class = BudgetContext

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002
        methods.check_attribute(obj, attr)
        return True

    def wrap_str_format(self, value: Any) -> None:
        """`call` does it."""

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(argument, tuple):  # whose hash may take any time
            raise RefusedError("a tuple is no key")
        return super().getitem(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        bounded.spend_on_operator(_budget(context), operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        budget = _budget(__context)
        given = (*args, *kwargs.values())
        if isinstance(__obj, Macro):
            budget.spend(__context.call_operations + len(given))  # type: ignore[attr-defined] # a BudgetContext
        elif isinstance(__obj, BuiltinMethodType | MethodType):
            owner = __obj.__self__
            if isinstance(owner, str) and __obj.__name__ == "format":
                return _formatted(budget, __self, owner, args, kwargs)
            if isinstance(owner, str) and __obj.__name__ == "join" and args and isinstance(args[0], Iterator):
                args = given = ([*budget.counted(args[0])], *args[1:])
            methods.check_call(budget, __obj, given)
        elif isinstance(__obj, Undefined) or __obj in _FUNCTIONS:
            args = tuple([*budget.counted(each)] if isinstance(each, Iterator) else each for each in args)
            given = (*args, *kwargs.values())
            _spend_on_call(budget, getattr(__obj, "__name__", ""), given)
        elif not callable(__obj):
            raise TypeError("no function")
        else:
            raise RefusedError("a call of something that is no function of templates is refused")
        result = super().call(__context, __obj, *args, **kwargs)
        if isinstance(result, str):
            budget.spend_on_text(len(result))
        elif isinstance(result, list | tuple):
            budget.spend(len(result))
        elif isinstance(result, dict):
            budget.spend(budget.weight(result))
        return result


def _budget(context: Context) -> Budget:
    assert isinstance(context, BudgetContext)
    return context.budget


def _spend_on_call(budget: Budget, name: str, given: tuple[Any, ...]) -> None:
    budget.spend(1 + len(given))
    if name not in _LONG_TEXTS:
        methods.check_lengths(given)
        budget.spend(methods.OPERATIONS_OF_A_MOMENT)
    for argument in given:
        if isinstance(argument, Undefined):
            continue
        if isinstance(argument, str):
            budget.spend(len(argument))
        elif isinstance(argument, list | tuple | Mapping):  # one large element may stand in many places
            budget.spend(budget.weight(argument))


class _Formatter(SandboxedFormatter):
    def __init__(self, environment: jinja2.Environment, budget: Budget) -> None:
        super().__init__(environment)
        self._budget = budget

    def convert_field(self, value: Any, conversion: Any) -> Any:
        if conversion and not isinstance(value, Undefined):
            self._budget.spend_on_all(value)
        return super().convert_field(value, conversion)

    def format_field(self, value: Any, format_spec: str) -> Any:
        methods.check_lengths((format_spec,))
        for number in re.findall(r"\d+", format_spec):
            methods.check_width(int(number[:9]))
        self._budget.spend(3)  # a field takes as long as several operations
        if not isinstance(value, Undefined):
            self._budget.spend_on_all(value)
        return super().format_field(value, format_spec)


def _formatted(budget: Budget, environment: _Environment, text: str, args: Any, kwargs: Any) -> str:
    """`text.format(…)`"""
    budget.spend_on_text(len(text))
    result = _Formatter(environment, budget).vformat(str(text), args, kwargs)
    budget.spend_on_text(len(result))
    return result


@pass_context
def _finalized(context: Context, value: Any) -> Any:
    """Of each expression in a template: its text."""
    budget = _budget(context)
    if not isinstance(value, str | Undefined):
        budget.spend_on_all(value)
    text = str(value)
    budget.spend_on_text(len(text))
    return text


def _made() -> _Environment:
    environment = _Environment(finalize=_finalized)
    for names, functions in ((environment.filters, bounded.filters()), (environment.tests, bounded.tests())):
        names.clear()
        names.update(functions)
    environment.globals.clear()
    environment.globals.update(MACROS, dict=dict, namespace=Namespace)
    return environment


_ENVIRONMENT: Final = _made()


class Expression:
    """A text that Jinja2 renders. Its code is made when it is first used."""

    __slots__ = ("_program", "names", "text")

    def __init__(self, text: str) -> None:
        parsed = _parsed(text)
        try:
            rewriting.check(parsed, _ENVIRONMENT)
            self.names = frozenset(meta.find_undeclared_variables(parsed))
        except RecursionError:
            raise RefusedError("is nested too deep") from None
        self.text = text
        self._program: jinja2.Template | None = None

    def __getstate__(self) -> tuple[str, frozenset[str]]:
        return self.text, self.names

    def __setstate__(self, state: tuple[str, frozenset[str]]) -> None:
        self.text, self.names = state
        self._program = None

    def render(self, scope: Mapping[str, Any]) -> str:
        """Raises FaultError; KeyError where a name is not in the scope."""
        values = {name: plain.in_scope(scope, name) for name in self.names}
        program = self._program = self._program or _program(self.text)
        context = program.new_context(values)
        assert isinstance(context, BudgetContext)
        context.call_operations = 4 + len(self.text) // 16
        try:
            return _joined(program, context)
        except FaultError:
            raise
        except jinja2.UndefinedError:
            raise NotThereError("something is looked up in what is not there") from None
        except TypeError:
            raise UnfitError("an operation is not for values of such types") from None
        except _FAILURES as error:
            raise FaultError(f"fails with a {type(error).__name__}") from None
        except RecursionError:
            raise RefusedError("is nested too deep") from None


def _joined(program: jinja2.Template, context: Context) -> str:
    pieces, length = [], 0
    for piece in program.root_render_func(context):
        pieces.append(piece)
        length += len(piece)
        if length > LONGEST_TEXT:
            raise too_long()
    return "".join(pieces)


def _parsed(text: str) -> jinja2.nodes.Template:
    if len(text) > LONGEST_TEMPLATE:
        raise RefusedError(f"has more than {LONGEST_TEMPLATE:,} characters")
    try:
        return _ENVIRONMENT.parse(text)
    except jinja2.TemplateSyntaxError as error:
        raise RefusedError(f"is no template: {error.message}") from None
    except RecursionError:
        raise RefusedError("is nested too deep") from None
    except ValueError:
        raise RefusedError("is no template: it has a number of too many digits") from None


def _program(text: str) -> jinja2.Template:
    template = rewriting.rewritten(_parsed(text))
    template.set_environment(_ENVIRONMENT)
    try:
        return _ENVIRONMENT.from_string(template)
    except (SyntaxError, RecursionError, MemoryError):
        raise RefusedError("is nested too deep") from None
    except jinja2.TemplateSyntaxError as error:
        raise RefusedError(f"is no template: {error.message}") from None
