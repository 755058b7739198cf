"""How columns are called in a table."""

import pytest

from file_cdk.destinations.names import column_names, folded, literal, quoted


@pytest.mark.parametrize(
    ("wanted", "known", "columns"),
    [
        (["a", "b"], {}, {"a": "a", "b": "b"}),
        (["Name", "name", "NAME"], {}, {"Name": "Name", "name": "name_2", "NAME": "NAME_3"}),
        (["_file_row", "_FILE_URL"], {}, {"_file_row": "_file_row_2", "_FILE_URL": "_FILE_URL_2"}),
        (["a", "A", "a_2"], {}, {"a": "a", "A": "A_2", "a_2": "a_2_2"}),
        (["é", "É"], {}, {"é": "é", "É": "É"}),
        (["", "column"], {}, {"": "column", "column": "column_2"}),
        (["x\0y", "xy"], {}, {"x\0y": "xy", "xy": "xy_2"}),
        (["a", "c"], {"A": "a", "a": "a_2"}, {"A": "a", "a": "a_2", "c": "c"}),
    ],
)
def test_columns_keep_their_names_unless_duckdb_cannot_tell_them_apart(
    wanted: list[str], known: dict[str, str], columns: dict[str, str]
) -> None:
    assert column_names(wanted, known) == columns


def test_quoting() -> None:
    assert quoted('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"


def test_only_ascii_letters_fold() -> None:
    assert folded("ÀB-ßK") == "Àb-ßk"
