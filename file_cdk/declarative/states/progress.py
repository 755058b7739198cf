"""What a stream's state is to a read of it."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from file_cdk.declarative.cursors.age import AgeRange
from file_cdk.declarative.slices import Slice


class StreamProgress(Protocol):
    """Partitions and slices end in the order in which they were begun."""

    def intervals(self, partition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """What of the partition is to be read; a single empty one without a cursor."""

    def ages(self, partition: Mapping[str, Any]) -> AgeRange | None:
        """Which records of it are neither too old nor too new. None without a cursor. From any thread."""

    def slice_ended(self, of: Slice, highest: Any) -> None:
        """highest: the cursor value of its records, or None."""

    def partition_ended(self, partition: Mapping[str, Any]) -> None:
        """All slices that it has ended, or it has none."""

    def ended(self, seconds: int) -> None:
        """All partitions did. seconds: how long the read took, rounded up."""

    def parent(self, name: str) -> "StreamProgress | None":
        """Of a parent that is read from where it ended last."""

    def value(self) -> dict[str, Any]:
        """As a state message has it."""
