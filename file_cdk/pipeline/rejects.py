"""How many records of a file may be rejected, and what is said of those that are."""

import re
from itertools import islice
from typing import TYPE_CHECKING

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, FileCdkError, TooManyRejectsError
from file_cdk.core.ports import Reject, Rejects

if TYPE_CHECKING:
    from file_cdk.engine.ordering import FileTally

_LIMIT = re.compile(r"([0-9]{1,18})|([0-9]{1,3}(?:\.[0-9]+)?)%")
_PLACES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class MaxRejects:
    """How many records of a file may be rejected before it fails whole: so many, or a percentage of all its records."""

    records: int = 0
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> "MaxRejects":
        """From `10` or `0.5%`. Raises ConfigError."""
        return cls(*parsed_limit(text, "rejected records", "0.5%"))

    def allow(self, tally: "FileTally") -> bool:
        rejected = tally.rejects.total()
        if self.percent is None:
            return rejected <= self.records
        from fractions import Fraction  # takes long to import, and most runs do without

        # By what is written: 0.57 as a double times 10,000 is a little less than 5,700.
        return rejected * 100 <= Fraction(str(self.percent)) * tally.rows_present

    def __str__(self) -> str:
        return str(self.records) if self.percent is None else f"{self.percent:g}%"


def parsed_limit(text: str, what: str, example: str) -> tuple[int, float | None]:
    """A number, or 0 and a percentage. what: is limited; example: of a percentage. Raises ConfigError for what is neither."""
    match = _LIMIT.fullmatch(text.strip())
    if match is None or (match[2] and float(match[2]) > 100):
        raise ConfigError(f"the limit of {what} must be a number such as 10, or a percentage such as {example}")
    return (int(match[1]), None) if match[1] else (0, float(match[2]))


def too_many(tally: "FileTally", limit: MaxRejects) -> FileCdkError:
    first = tally.rejects.first[0]
    correct = "Set the file's encoding" if first.reason.startswith("not valid ") else "Correct the file"
    return TooManyRejectsError(
        f"{rejected_facts(tally.rejects)}; the limit is {limit}, so none of its rows is loaded",
        rejected=tally.rejects.total(),
        uri=tally.file.uri,
        row=first.row,
        byte=first.byte,
        remedy=f"{correct}, or allow more with --max-rejects",
    )


def rejected_facts(rejects: Rejects) -> str:
    """`3 records rejected: line is not valid JSON (2: row 4 at byte 120, row 9 at byte 410), …`"""
    count = rejects.total()
    reasons = ", ".join(f"{reason} ({times}: {_places(rejects, reason)})" for reason, times in rejects.counts.items())
    return f"{count} {'record' if count == 1 else 'records'} rejected: {reasons}"


def _places(rejects: Rejects, reason: str) -> str:
    first = [_place(reject) for reject in islice((r for r in rejects.first if r.reason == reason), _PLACES_SHOWN)]
    if rejects.counts[reason] > len(first):
        first.append("…")
    return ", ".join(first)


def _place(reject: Reject) -> str:
    row = "" if reject.row is None else f"row {reject.row}"
    byte = "" if reject.byte is None else f"byte {reject.byte}"
    return f"{row} at {byte}" if row and byte else row or byte or "place unknown"
