"""Tables of a DuckDB database that show one row of each key; see destinations/merging.py."""

from file_cdk.core.errors import InternalError
from file_cdk.core.ports import TableName
from file_cdk.destinations.duckdb.layout import Layout
from file_cdk.destinations.duckdb.ledger.entries import Ledger
from file_cdk.destinations.duckdb.ledger.merges import DuckDBMerges
from file_cdk.destinations.merging import Merge, open_merge, rule_of
from file_cdk.destinations.names import ROWS_OF


def ledger_of(ledger: Ledger, table: TableName, *, as_it_is: bool = False) -> Ledger:
    """That of the table that has the stream's rows. as_it_is: whatever is to become of them. Raises what open_merge does."""
    rule = open_merge(DuckDBMerges(ledger.session), table, as_it_is=as_it_is)
    return ledger if rule is None else Ledger(ledger.session, ledger.run, ROWS_OF + ledger.stream)


def merge(ledger: Ledger, layout: Layout) -> int | None:
    """See core.merging.MergingTable. layout: of the table with all rows."""
    merges, session = DuckDBMerges(ledger.session), ledger.session
    rule = rule_of(merges, ledger.name) if ledger.merges else None
    if rule is None:
        raise InternalError(f"the rows of table {ledger.name!r} are not to be merged")
    with merges.transaction(), session.memory.shared_by_threads():
        return Merge(merges, ledger.name, rule, layout.types, layout.columns).run()
