"""What a destination's ledger has in place of a file: a batch of records of one stream, called a unit.

The name says in which generation and sync it came, and its number among the stream's units, which grows for as long as the table
is there. So what came after some unit can be found, and removed, whatever a run that was killed had committed.
"""

import re
from typing import Self

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ports import StreamTable

_URI = re.compile(r"airbyte:generation=(\d+|none)/sync=(?:\d+|none)/unit=(\d+)")


@dataclass(frozen=True, slots=True)
class Unit:
    generation: int | None
    sync: int | None
    number: int

    @property
    def uri(self) -> str:
        shown = ("none" if value is None else str(value) for value in (self.generation, self.sync))
        return "airbyte:generation={}/sync={}/unit={:012}".format(*shown, self.number)


@dataclass(slots=True)
class Units:
    """Those that a table has, by their generations, each by its number."""

    found: dict[int | None, dict[int, str]]

    @classmethod
    def of(cls, table: StreamTable) -> Self:
        units = cls({})
        for part in table.loaded():
            for uri in part:
                if (named := _URI.fullmatch(uri)) is not None:
                    generation = None if named[1] == "none" else int(named[1])
                    units.found.setdefault(generation, {})[int(named[2])] = uri
        return units

    @property
    def last(self) -> int:
        """0 where there is none."""
        return max((max(numbers) for numbers in self.found.values()), default=0)

    def of_other_generations(self, generation: int | None) -> list[str]:
        return [uri for each, numbers in self.found.items() if each != generation for _, uri in sorted(numbers.items())]
