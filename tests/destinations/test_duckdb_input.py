"""Arrow columns built by hand are those that pyarrow builds."""

import subprocess
import sys
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from file_cdk.destinations.duckdb.arrow_columns import integers, reader, repeated, texts


@pytest.mark.parametrize(
    "values",
    [[], [None], ["a"], ["", None, "é☃🦆", "x" * 1000, None, "a\0b"], [None] * 9 + ["last"], ["same"] * 17],
)
def test_texts(values: list[str | None]) -> None:
    column = texts(values)
    column.validate(full=True)
    assert column.equals(pa.array(values, pa.string()))


@pytest.mark.parametrize("values", [[], [None], [0, None, 2**63 - 1, -(2**63)], list(range(20))])
def test_integers(values: list[int | None]) -> None:
    column = integers(values)
    column.validate(full=True)
    assert column.equals(pa.array(values, pa.int64()))


def test_times() -> None:
    assert integers([1_700_000_000_000_001, None], pa.timestamp("us", "UTC")).to_pylist() == [
        datetime(2023, 11, 14, 22, 13, 20, 1, UTC),
        None,
    ]


def test_repeated() -> None:
    column = repeated(texts(["a", None, "c"]), [3, 1, 2])
    column.validate(full=True)
    assert column.to_pylist() == ["a", "a", "a", None, "c", "c"]
    assert column.equals(pa.RunEndEncodedArray.from_arrays(pa.array([3, 4, 6], pa.int32()), pa.array(["a", None, "c"])))
    assert len(repeated(texts([]), [])) == 0


def test_half_a_surrogate_pair_is_escaped() -> None:
    assert texts(["caf\udce9"]).to_pylist() == ["caf\\udce9"]


def test_a_reader_has_the_columns_in_order() -> None:
    assert (
        reader({"b": texts(["x"]), "a": integers([1])})
        .read_all()
        .equals(pa.table({"b": ["x"], "a": pa.array([1], pa.int64())}))
    )


def test_no_pandas_is_imported_for_it() -> None:
    code = (
        "import sys\n"
        "from file_cdk.destinations.duckdb.arrow_columns import integers, repeated, texts\n"
        "texts(['a', None]), integers([1, None]), repeated(integers([1]), [2])\n"
        "assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
