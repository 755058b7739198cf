"""Tables of a DuckDB database that show one row of each key; see destinations/merging.py."""

from collections.abc import Sequence

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import InternalError
from file_cdk.destinations.duckdb.layout import Layout
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.destinations.merge_rules import rule_of
from file_cdk.destinations.merging import Merge
from file_cdk.destinations.sql.merging import SqlMerges

_SORTED_ROWS = 500_000
"""Maximum of rows that are sorted at once, as far as keys are spread evenly. Measured: a million rows took a third less CPU in
four parts than in one, which DuckDB sorts on disk."""


@dataclass(frozen=True, slots=True)
class DuckDBMerges(SqlMerges):
    def parts(self, keys: Sequence[str], rows: int) -> Sequence[str]:
        count = -(-rows // _SORTED_ROWS)
        return [f"hash({', '.join(keys)}) % {count} = {part}" for part in range(count)] if count > 1 else ["true"]


def merge(ledger: DuckDBLedger, layout: Layout) -> int | None:
    """See core.merging.MergingTable. layout: of the table with all rows."""
    merges, session = DuckDBMerges(ledger.session), ledger.session
    rule = rule_of(merges, ledger.name) if ledger.merges else None
    if rule is None:
        raise InternalError(f"the rows of table {ledger.name!r} are not to be merged")
    with merges.transaction(), session.memory.shared_by_threads():
        return Merge(merges, ledger.name, rule, layout.types, layout.columns).run()
