"""The columns of a stream's table, as the ledger has them."""

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError
from file_cdk.destinations.names import METADATA_COLUMNS
from file_cdk.destinations.sql.ledger import Ledger

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Layout:
    """exists: whether there is a table. types, columns: types of the data columns and their names in the table, by their names
    in the files, in the table's order."""

    exists: bool = False
    types: "Mapping[str, pa.DataType]" = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


def check_table(ledger: Ledger) -> bool:
    """Whether there is a table. Raises DestinationError when what has the stream's name is not a table that file_cdk made."""
    db = ledger.database
    name = db.table_name(ledger.stream)
    with db.translating("looking for tables"):
        kind = db.tables().get(name)
        if kind is None:
            return False
        present = set(db.columns(name))
    if kind != "table" or not METADATA_COLUMNS.keys() | {column for _, column, _ in ledger.columns()} <= present:
        raise DestinationError(
            f"{db.kind} database {db.name!r} has a {kind} {name!r} that file_cdk did not make",
            remedy="Give the stream another name, or load into another database; nothing was changed",
        )
    return True
