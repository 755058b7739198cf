"""How many records a full page has."""

from collections.abc import Mapping
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.paging.turn import Turn
from file_cdk.declarative.templates import Template


class PageSize(msgspec.Struct, frozen=True):
    """number: None where the manifest has none, or where the answer says it. said: the template for that."""

    number: int | None = None
    said: Template | None = None
    parameters: Mapping[str, Any] | None = None

    @property
    def names(self) -> frozenset[str]:
        return self.said.names if self.said else frozenset()

    def is_last(self, turn: Turn) -> bool:
        """Whether no page comes after one with so many records. Those that a filter leaves out count: the API gave them."""
        number = self.number
        if self.said is not None:
            number = _number(self.said, turn.seen(self.said.names, parameters=self.parameters or {}))
        return turn.found == 0 or bool(number and turn.found < number)


def page_size(
    written: int | str | None, config: Mapping[str, Any], parameters: Mapping[str, Any], where: str
) -> PageSize:
    """Raises ConfigError for a template that comes to no whole number."""
    if written is None or written == "":
        return PageSize()
    if isinstance(written, int):
        return PageSize(written)
    template = Template(written, f"{where}.page_size")
    if "response" in template.names:
        return PageSize(said=template, parameters=parameters)
    return PageSize(_number(template, {"config": config, "parameters": parameters}))


def _number(template: Template, scope: Mapping[str, Any]) -> int:
    number = template.value(scope)
    if isinstance(number, int):
        return number
    raise ConfigError(f"{template.where}: the template {template.expression!r} comes to no whole number")
