"""How large a mirror is, how slow, and how often it fails."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Faults:
    """rate: share of the requests that fail, once to `in_a_row` times each. kinds: equally likely. A `reset` closes the
    connection; the others are answers. Which requests fail, and how, depends on the seed and on what is asked, not on when."""

    rate: float = 0.0
    seed: int = 0
    kinds: tuple[str, ...] = ("500", "503", "429", "reset")
    in_a_row: int = 2
    retry_after_s: int = 1


@dataclass(frozen=True, slots=True)
class MirrorOptions:
    """records: of every stream in each partition; None for a bit more than one page of those that are nobody's parent.
    parents: the same for streams that have children. page_size: where neither manifest nor request tells one.
    days: over how many the records are spread, up to `until`, an aware instant. latency_s: before each answer.
    fields: by stream, values that its records have in turn, by field.
    """

    records: int | None = None
    parents: int = 3
    page_size: int = 3
    days: int = 10
    until: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    )
    latency_s: float = 0.0
    faults: Faults = Faults()
    fields: Mapping[str, Mapping[str, tuple[object, ...]]] = field(default_factory=dict)

    @property
    def begin(self) -> datetime:
        return self.until - timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Growth:
    """Records that came later: how many in each partition, and when. parents: in streams that have children as well."""

    records: int
    at: datetime
    parents: bool
