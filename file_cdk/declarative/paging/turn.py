"""A page that was read, as those see it who say what comes next."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec


class Turn(msgspec.Struct, frozen=True):
    """found: records in the answer. emitted: those that were neither left out nor rejected.

    response: decodes the answer, or the members of it that templates look at; {} for one without content. last_record: the last
    that was emitted, as it was emitted; None without one. Both are called where a template looks at them. scope: of the slice.
    """

    found: int
    emitted: int
    response: Callable[[], Any]
    headers: Callable[[], Mapping[str, Any]]
    last_record: Callable[[], Mapping[str, Any] | None]
    scope: Mapping[str, Any]

    def seen(self, names: Iterable[str], **more: Any) -> dict[str, Any]:
        """The scope of templates that look at these names."""
        scope = {**self.scope, "last_page_size": self.emitted, **more}
        for name in names:
            if name == "response":
                scope[name] = self.response()
            elif name == "headers":
                scope[name] = self.headers()
            elif name == "last_record":
                scope[name] = self.last_record()
        return scope
