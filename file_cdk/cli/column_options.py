"""The options of `file-cdk sync` for columns."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from file_cdk.core.errors import ConfigError
from file_cdk.core.system.variables import SALT_VARIABLE

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.core.config import ColumnRules, SchemaContract


def add_columns(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "columns",
        "applied in this order, by the names in the files: select and drop, cast, hash, rename. Each may be given several "
        "times (docs/guide/columns.md)",
    )
    group.add_argument("--select", metavar="COLUMN,…", action="append", default=[], help="load these columns only")
    group.add_argument("--drop", metavar="COLUMN,…", action="append", default=[], help="do not load these columns")
    group.add_argument(
        "--cast",
        metavar="COLUMN=TYPE",
        action="append",
        default=[],
        help="integer, float, decimal(p,s), text, boolean, date, time, timestamp, timestamptz or json; a record with a value "
        "that is not exactly of that type is rejected",
    )
    group.add_argument(
        "--hash",
        metavar="COLUMN,…",
        action="append",
        default=[],
        help=f"load the SHA-256 of the salt, which the environment variable {SALT_VARIABLE} has, and the value",
    )
    group.add_argument("--salt", metavar="${NAME}", help="the environment variable that has the salt instead")
    group.add_argument("--rename", metavar="COLUMN=NAME", action="append", default=[], help="call it NAME in the table")
    group.add_argument(
        "--optional", metavar="COLUMN,…", action="append", default=[], help="columns above that no file needs to have"
    )
    group.add_argument(
        "--schema-contract",
        metavar="CONTRACT",
        action="append",
        default=[],
        help="evolve: the table grows by what new files have; freeze: a file for which it would have to fails; discard: what "
        "does not fit is left out, records as rejects. Of both columns and types, or of one: columns=freeze, types=discard, or "
        "of a column of the table: column:amount=freeze (default: evolve)",
    )


def column_rules(arguments: argparse.Namespace) -> "ColumnRules | None":
    """Raises ConfigError."""
    given = {
        "select": _names(arguments.select) or None,
        "drop": _names(arguments.drop),
        "cast": _pairs("--cast", arguments.cast, "COLUMN=TYPE"),
        "hash": _names(arguments.hash),
        "salt": arguments.salt,
        "rename": _pairs("--rename", arguments.rename, "COLUMN=NAME"),
        "optional": _names(arguments.optional),
    }
    if not any(given.values()):
        return None
    from file_cdk.core.config import ColumnRules, parse_config

    return parse_config(ColumnRules, given)


def schema_contract(arguments: argparse.Namespace) -> "SchemaContract | None":
    """Raises ConfigError."""
    if not arguments.schema_contract:
        return None
    from file_cdk.core.config import SchemaContract, parse_config
    from file_cdk.core.config.columns import contract_of

    given: dict[str, object] = {}
    by_column: dict[str, str] = {}
    for text in arguments.schema_contract:
        place, equals, contract = text.rpartition("=")
        if not equals:
            given.update(contract_of(text))
        elif place.startswith("column:"):
            by_column[place.removeprefix("column:")] = contract
        elif place in ("columns", "types"):
            given[place] = contract
        else:
            raise ConfigError(
                "--schema-contract is of columns, types, or a column",
                remedy="Give freeze, columns=freeze, types=discard or column:amount=freeze",
            )
    return parse_config(SchemaContract, {**given, "by_column": by_column})


def _names(given: Sequence[str]) -> list[str]:
    return [name for each in given for name in each.split(",") if name]


def _pairs(option: str, given: Sequence[str], form: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for each in given:
        column, equals, value = each.partition("=")
        if not (column and equals and value):
            raise ConfigError(f"{option} {each!r} is not {form}")
        if column in pairs:
            raise ConfigError(f"{option} names column {column!r} twice")
        pairs[column] = value
    return pairs
