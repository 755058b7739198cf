"""Pages by what the answer says of the next one."""

from collections.abc import Mapping
from typing import Any

import msgspec

from file_cdk.declarative.paging.turn import Turn
from file_cdk.declarative.templates import Condition, Template


class AnswerCursors(msgspec.Struct, frozen=True):
    """The first request sends no token."""

    cursor_value: Template
    stop_condition: Condition | None
    page_size: int | None
    parameters: Mapping[str, Any]

    first: None = None

    @property
    def names(self) -> frozenset[str]:
        return self.cursor_value.names | (self.stop_condition.names if self.stop_condition else frozenset())

    @property
    def texts(self) -> tuple[str, ...]:
        condition = self.stop_condition.condition if self.stop_condition else ""
        return (self.cursor_value.expression, str(condition))

    def next(self, _value: Any, turn: Turn) -> Any:
        scope = turn.seen(self.names, page_size=self.page_size, parameters=self.parameters)
        if self.stop_condition and self.stop_condition.holds(scope):
            return None
        return self.cursor_value.value(scope)

    def after(self, _value: Any) -> None:
        """Only the answer says."""
