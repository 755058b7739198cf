"""What one evaluation of an expression may take: counted in operations, so that the same expression always ends the same way.

A thousand operations take one to two milliseconds. An operation is a call, a filter, a turn of a loop, an operator, an element
of a list that is gone through, or 16 characters of text.
"""

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from jinja2.runtime import Context
from jinja2.utils import Namespace

from file_cdk.declarative.templates.faults import LONGEST_TEXT, RefusedError, too_long

MOST_OPERATIONS = 500_000
LARGEST_BITS = 1 << 16  # of a whole number
_CHARACTERS_AN_OPERATION = 16


class Budget:
    """left: operations."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_OPERATIONS

    def spend(self, operations: int) -> None:
        self.left -= operations
        if self.left < 0:
            raise RefusedError(f"takes more than {MOST_OPERATIONS:,} operations")

    def spend_on_text(self, characters: int) -> None:
        """Before or after a text of this length is made."""
        if characters > LONGEST_TEXT:
            raise too_long()
        self.spend(1 + characters // _CHARACTERS_AN_OPERATION)

    def spend_on_all(self, value: Any) -> None:
        """For an operation that goes through a value to its leaves."""
        if isinstance(value, str):
            return self.spend_on_text(len(value))
        self.spend(self.weight(value))
        return None

    def weight(self, value: Any) -> int:
        """Operations that it takes to go through a value to its leaves. What a template nests in itself is walked as often
        as it is there: a list of a list twice, forty deep, is a million million elements."""
        total = 0
        pending = [value]
        while pending:
            part = pending.pop()
            total += 1
            if isinstance(part, str | bytes):
                total += len(part) // _CHARACTERS_AN_OPERATION
            elif isinstance(part, int):
                total += part.bit_length() // 64
            elif isinstance(part, Mapping):
                pending += part.keys()
                pending += part.values()
            elif isinstance(part, list | tuple | set | frozenset | KeysView | ValuesView | ItemsView):
                pending += part
            elif isinstance(part, Namespace):
                raise RefusedError("a namespace is part of no value")
            if total + len(pending) > self.left:
                self.spend(total + len(pending))
        return total

    def counted(self, elements: Iterable[Any], operations: int = 1) -> Iterator[Any]:
        """operations: of each element."""
        for element in elements:
            self.spend(operations)
            yield element


class BudgetContext(Context):
    """The context of one evaluation, which is where hooks of Jinja2 find its budget.

    call_operations: what a call of one of the template's own macros takes at most, but for what is in it.
    """

    budget: Budget
    call_operations: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.budget = Budget()
        self.call_operations = 1

    def derived(self, locals: dict[str, Any] | None = None) -> Context:
        context = super().derived(locals)
        if isinstance(context, BudgetContext):
            context.budget, context.call_operations = self.budget, self.call_operations
        return context
