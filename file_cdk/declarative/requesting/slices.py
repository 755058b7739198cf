"""What of a slice goes into its requests: ends of the interval, values of the partition."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from file_cdk.declarative.requesting.parts import Injection, Parts
from file_cdk.declarative.slices import Slice


@dataclass(frozen=True, slots=True)
class SliceOption:
    """key: of the partition or of the interval."""

    injection: Injection
    key: str


@dataclass(frozen=True, slots=True)
class SliceOptions:
    """routers: of each partition router. cursor: of the interval's ends."""

    routers: tuple[tuple[SliceOption, ...], ...] = ()
    cursor: tuple[SliceOption, ...] = ()

    def parts(self, of: Slice) -> Parts:
        """Where two put a value in the same place, that of the first router and that of the cursor counts."""
        parts = Parts()
        for options in reversed(self.routers):
            parts.update(_parts(options, of.partition, is_empty_sent=False))
        if self.cursor and of.interval:
            parts.update(_parts(self.cursor, of.interval, is_empty_sent=True))
        return parts


def _parts(options: tuple[SliceOption, ...], values: Mapping[str, Any], *, is_empty_sent: bool) -> Parts:
    parts = Parts()
    for option in options:
        value = values.get(option.key)
        if value or is_empty_sent:
            option.injection.put(value, parts)
    return parts
