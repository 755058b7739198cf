"""What is taken of an answer, piece by piece."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from file_cdk.core.errors import AnswerError
from file_cdk.declarative.page_records import RecordsInFile, RecordWriter, ValuesInFile
from file_cdk.declarative.pages import Rejected
from file_cdk.declarative.records.cutting import Cut
from file_cdk.declarative.records.selection import Selected, Selection, cursor_values

MAX_REJECTED = 100_000
"""Maximum number of records of an answer in pieces that may be rejected: what has more is written in something else."""


class Taken:
    """scope: of the page. found: records so far. members: of the answer, as the first piece with any has them; see Cut."""

    def __init__(self, selection: Selection, scope: Mapping[str, Any]) -> None:
        self._selection = selection
        self._scope = scope
        self._records = RecordWriter()
        self._values: list[Sequence[Any]] = []
        self._rejected: list[Rejected] = []
        self._filtered = 0
        self.found = 0
        self.members: Mapping[str, Any] | None = None

    def add(self, cut: Cut) -> None:
        """Raises AnswerError, SystemLimitError."""
        selected = self._selection.selected(cut, self._scope)
        rejected = selected.rejected
        if rejected and self.found:
            rejected = [Rejected(self.found + each.number, each.reason) for each in rejected]
            if len(self._rejected) + len(rejected) > MAX_REJECTED:
                first = (self._rejected or rejected)[0]
                raise AnswerError(
                    f"more than {MAX_REJECTED:,} records of the answer cannot be read: the first: record {first.number}: "
                    f"{first.reason}",
                    remedy="Name the decoder of what the API sends",
                )
        self._rejected += rejected
        self._records.add(selected.records)
        if not self._records.is_in_file:
            self._values.append(selected.cursor_values)
        self._filtered += selected.filtered
        self.found += cut.found
        if self.members is None:
            self.members = cut.members

    def selected(self) -> Selected:
        """All of it, once."""
        records = self._records.records()
        field = self._selection.cursor_field
        values: Sequence[Any]
        if field is not None and isinstance(records, RecordsInFile):
            values = ValuesInFile(records, partial(cursor_values, field))
        else:
            values = self._values[0] if len(self._values) == 1 else list(chain.from_iterable(self._values))
        return Selected(records, values, self._filtered, self._rejected or ())
