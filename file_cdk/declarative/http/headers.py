"""Header fields by name, whatever case they are asked for in."""

from collections.abc import Iterable
from typing import Any, TypeVar

_Default = TypeVar("_Default")


class Headers(dict[str, str]):
    """Names as they came, in their order; looked up in any case. Fields of one name are one value, joined with `, `."""

    __slots__ = ("_lower",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        fields = list(fields)
        self._lower = {name.lower(): name for name, _ in fields}
        if len(self._lower) == len(fields):
            super().__init__(fields)
            return
        super().__init__()
        self._lower.clear()
        for name, value in fields:
            known = self._lower.setdefault(name.lower(), name)
            super().__setitem__(known, f"{super().__getitem__(known)}, {value}" if known in self.keys() else value)

    def __missing__(self, name: str) -> str:
        return super().__getitem__(self._known(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._lower

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(self._lower.get(name.lower(), name), default)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self.items()),)

    def _known(self, name: str) -> str:
        known = self._lower.get(name.lower())
        if known is None:
            raise KeyError(name)
        return known
