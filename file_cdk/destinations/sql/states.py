"""States of sources in a SQL database, beside the rows that they stand for.

`_file_cdk_states` has a row for each state of a source: `about` says which, `state` is JSON as the source wrote it, and `units` a
JSON object with the number of the last unit that it stands for, by the streams' tables. It is made when the first is kept.
"""

# ruff: noqa: S608 - names are constant, and values are parameters

import json
from collections.abc import Sequence

from file_cdk.core.ledger import KeptState
from file_cdk.destinations.names import RESERVED_PREFIX
from file_cdk.destinations.sql.database import Database, transaction
from file_cdk.destinations.sql.ledger import now

STATES = f"{RESERVED_PREFIX}_states"

_CREATE = (
    f"CREATE TABLE IF NOT EXISTS {STATES} "
    "(source TEXT, about TEXT, state TEXT, units TEXT, kept_at TEXT, run TEXT)"  # times as in the ledger's other tables
)
_DOING = "keeping the states of a source"


def read_states(database: Database, source: str) -> list[KeptState]:
    with database.translating("reading the states of a source"):
        if not database.declared(STATES):
            return []
        found = database.execute(
            f"SELECT about, state, units FROM {STATES} WHERE source = ? ORDER BY {database.by_bytes('about')}", [source]
        ).fetchall()
    return [KeptState(about, state, json.loads(units)) for about, state, units in found]


def write_states(
    database: Database, run: str, source: str, states: Sequence[KeptState], forgotten: Sequence[str]
) -> None:
    at = now()
    with transaction(database, _DOING), database.translating(_DOING):
        if (states or forgotten) and not database.declared(STATES):
            database.execute(_CREATE)
        for about in (*forgotten, *(state.about for state in states)):
            database.execute(f"DELETE FROM {STATES} WHERE source = ? AND about = ?", [source, about])
        for state in states:
            values = [source, state.about, state.state, json.dumps(state.units), at, run]
            database.execute(f"INSERT INTO {STATES} VALUES (?, ?, ?, ?, ?, ?)", values)
