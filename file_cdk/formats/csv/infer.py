"""Types of a CSV file's columns for a catalog, by the widest of the values sampled."""

from collections.abc import Iterable

from file_cdk.core.config import CsvConfig
from file_cdk.formats.csv.cast import Cast, casts

_NARROWEST_FIRST = ("boolean", "integer", "number")


def json_types(width: int, rows: Iterable[list[str]], config: CsvConfig) -> list[str]:
    """Per column the narrowest of boolean, integer, number and string that every value but the null ones fits."""
    values: list[set[str]] = [set() for _ in range(width)]
    for row in rows:
        for column, value in zip(values, row, strict=True):
            column.add(value)
    by_name = casts(config)
    candidates = [(name, by_name[name]) for name in _NARROWEST_FIRST]
    return [_narrowest(column - config.null_values, candidates) for column in values]


def _narrowest(values: set[str], candidates: list[tuple[str, Cast]]) -> str:
    if values:
        for name, cast in candidates:
            if _all_cast(values, cast):
                return name
    return "string"


def _all_cast(values: set[str], cast: Cast) -> bool:
    try:
        for value in values:
            cast(value)
    except ValueError:
        return False
    return True
