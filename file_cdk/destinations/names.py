"""Names in SQL databases: quoting, and which column of a table holds which column of the files."""

from collections.abc import Iterable, Mapping

METADATA_COLUMNS = {"_file_url": "VARCHAR", "_file_modified_at": "TIMESTAMP", "_file_row": "BIGINT"}
"""Where each row came from: the file's uri, its version (UTC), and the record's number in it from 1. Types are DuckDB's."""

RESERVED_PREFIX = "_file_cdk"
"""No stream may have such a name: tables so named are file_cdk's own."""

BESIDE = f"{RESERVED_PREFIX}_refresh_"
"""How the names of tables begin that a full refresh builds."""


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def folded(name: str) -> str:
    """DuckDB and SQLite take two names for the same when they differ in the case of ASCII letters only."""
    return name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def column_names(wanted: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """The table column of each wanted column of the files, known ones first.

    A column keeps its name unless a database cannot tell it from one that is there already, a metadata column included; then
    it gets the suffix `_2`, or the next number that is free. A column without a name is called `column`.
    """
    columns = dict(known)
    taken = {folded(column) for column in (*known.values(), *METADATA_COLUMNS)}
    for name in wanted:
        if name in columns:
            continue
        base = name.replace("\0", "") or "column"
        column, number = base, 1
        while folded(column) in taken:
            number += 1
            column = f"{base}_{number}"
        columns[name] = column
        taken.add(folded(column))
    return columns
