"""Names in SQL databases: quoting, and which column of a table holds which column of the files."""

from collections.abc import Iterable, Mapping

METADATA_COLUMNS = {"_file_url": "VARCHAR", "_file_modified_at": "TIMESTAMP", "_file_row": "BIGINT"}
"""Where each row came from: the file's uri, its version (UTC), and the record's number in it from 1. Types are DuckDB's."""

RESERVED_PREFIX = "_file_cdk"
"""No stream may have such a name: tables so named are file_cdk's own."""

BESIDE = f"{RESERVED_PREFIX}_refresh_"
"""How the names of tables begin that a full refresh builds."""

ROWS_OF = f"{RESERVED_PREFIX}_rows_of_"
"""How the name of a table begins that has all rows of a stream whose own table shows one of each key."""


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def folded(name: str) -> str:
    """DuckDB and SQLite take two names for the same when they differ in the case of ASCII letters only."""
    return name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def shortened_name(name: str, longest_bytes: int) -> str:
    """The name itself, or its beginning and a hash of it where it is longer."""
    data = name.encode("utf-8", "surrogatepass")
    if len(data) <= longest_bytes:
        return name
    import hashlib  # loads OpenSSL, for names that hardly anyone has

    end = "_" + hashlib.sha256(data).hexdigest()[:10]
    return data[: longest_bytes - len(end)].decode("utf-8", "ignore") + end


def column_names(
    wanted: Iterable[str], known: Mapping[str, str], *, longest_bytes: int | None = None, reserved: Iterable[str] = ()
) -> dict[str, str]:
    """The table column of each wanted column of the files, known ones first.

    A column keeps its name unless a database cannot tell it from one that is there already, a metadata column or a reserved one
    included; then it gets the suffix `_2`, or the next number that is free. A column without a name is called `column`. One whose
    name is longer than `longest_bytes` gets a shorter one.
    """
    columns = dict(known)
    taken = {folded(column) for column in (*known.values(), *METADATA_COLUMNS, *reserved)}
    for name in wanted:
        if name in columns:
            continue
        base = name.replace("\0", "") or "column"
        column, number = _within(base, longest_bytes), 1
        while folded(column) in taken:
            number += 1
            column = _within(f"{base}_{number}", longest_bytes)
        columns[name] = column
        taken.add(folded(column))
    return columns


def _within(name: str, longest_bytes: int | None) -> str:
    return name if longest_bytes is None else shortened_name(name, longest_bytes)
