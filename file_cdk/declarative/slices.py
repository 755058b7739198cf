"""The unit of a stream of an API: a partition in an interval of time."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Slice(msgspec.Struct, frozen=True):
    """A chain of pages that is read from its first to its last, and committed as one.

    partition: which part of the stream, by field: a value of a list, a parent's key, `parent_slice`.
    interval: its ends by field, as texts in the cursor's format; empty without a cursor.
    extra: fields of the parent's record that requests may use. They do not tell one slice from another.
    """

    partition: Mapping[str, Any] = msgspec.field(default_factory=dict)
    interval: Mapping[str, Any] = msgspec.field(default_factory=dict)
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)
