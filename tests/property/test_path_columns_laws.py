"""Laws of path columns: what was put into a path comes out of it, and no record changes in anything else."""

import io
import json
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from file_builders import whole
from hypothesis import example, given
from hypothesis import strategies as st

from file_cdk.core.config import JsonlConfig, ParquetConfig
from file_cdk.core.ports import Format, JsonLines, SplitReport
from file_cdk.formats.jsonl.format import JsonlFormat
from file_cdk.formats.parquet.format import ParquetFormat
from file_cdk.formats.path_columns import WithPathColumns, partition_values

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.sampled_from(["k", "é", "a/b", 'q"', "b\\", ""]) | TEXT
PATHS = st.dictionaries(NAMES, TEXT | st.just("__HIVE_DEFAULT_PARTITION__"), max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def uri_of(path: dict[str, str]) -> str:
    return "/".join(["data", *(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in path.items()), "f"])


def values_of(path: dict[str, str]) -> dict[str, str | None]:
    return {name: None if value == "__HIVE_DEFAULT_PARTITION__" else value for name, value in path.items()}


def expected(records: list[dict[str, Any]], path: dict[str, str]) -> list[dict[str, Any]]:
    present = {name: value for name, value in values_of(path).items() if value is not None}
    return [{name: value for name, value in record.items() if name not in path} | present for record in records]


def read(inner: Format, data: bytes, uri: str) -> list[Any]:
    fmt = WithPathColumns(inner, partitions=True, pattern=None)
    return list(fmt.read_records(io.BytesIO(data), whole(data, uri), None, SplitReport()))


@given(PATHS)
def test_what_was_put_into_a_path_comes_out(path: dict[str, str]) -> None:
    found = partition_values(uri_of(path))
    assert list(found.items()) == list(values_of(path).items())


@given(
    st.lists(st.dictionaries(NAMES, VALUES, max_size=4), min_size=1, max_size=6), PATHS, st.booleans(), st.booleans()
)
@example([{}], {"k": "v"}, False, False)
@example([{"k": 1}], {"k": "__HIVE_DEFAULT_PARTITION__"}, False, False)
def test_json_records_change_in_nothing_else(
    records: list[dict[str, Any]], path: dict[str, str], ascii_only: bool, blanks: bool
) -> None:
    separators = (", ", " : ") if blanks else (",", ":")
    data = "".join(json.dumps(r, ensure_ascii=ascii_only, separators=separators) + "\n" for r in records).encode()
    found = []
    for batch in read(JsonlFormat(JsonlConfig()), data, uri_of(path)):
        assert isinstance(batch, JsonLines)
        for line in batch.lines:
            pairs: list[tuple[str, Any]] = json.loads(line, object_pairs_hook=list)
            assert len(dict(pairs)) == len(pairs)
            found.append(json.loads(line))
    assert found == expected(records, path)


COLUMN = st.lists(st.none() | TEXT, min_size=3, max_size=3)


@given(st.dictionaries(NAMES.filter(lambda name: "\0" not in name), COLUMN, min_size=1, max_size=4), PATHS)
def test_batches_change_in_nothing_else(columns: dict[str, list[str | None]], path: dict[str, str]) -> None:
    sink = io.BytesIO()
    pq.write_table(
        pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()}), sink, row_group_size=2
    )
    batches = read(ParquetFormat(ParquetConfig()), sink.getvalue(), uri_of(path))
    assert [batch.num_rows for batch in batches] == [2, 1]
    if any(batch.num_columns for batch in batches):
        found = [record for batch in batches for record in batch.to_pylist()]
        records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        assert found == expected(records, path)
    else:
        assert columns.keys() <= path.keys()
