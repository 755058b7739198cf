import pickle

import pyarrow as pa
import pytest

from file_cdk.core import errors
from file_cdk.core.errors import (
    DialectRefutedError,
    FileCdkError,
    InternalError,
    MalformedRecordError,
    TypeMismatchError,
)

ERRORS = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, FileCdkError)]


@pytest.mark.parametrize("cls", [cls for cls in ERRORS if cls not in (TypeMismatchError, DialectRefutedError)])
def test_errors_survive_pickling_with_their_facts(cls: type[FileCdkError]) -> None:
    error = cls("is wrong", uri="a.csv", row=3, byte=120, column="x", remedy="Mend it")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert vars(copy) == vars(error)
    assert str(copy) == "is wrong (file 'a.csv', row 3, column 'x', byte 120). Mend it"


def test_a_type_mismatch_keeps_its_columns() -> None:
    copy = pickle.loads(pickle.dumps(TypeMismatchError(uri="a", row=2, columns={"x": pa.string()})))
    assert copy.columns == {"x": pa.string()}
    assert "'x'" in str(copy)


def test_a_refuted_dialect_is_kept_and_described() -> None:
    error = DialectRefutedError(uri="a", byte=5, dialect={"delimiter": ";"}, described="delimiter ';'")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.dialect, copy.described, copy.byte) == ({"delimiter": ";"}, "delimiter ';'", 5)
    assert "but with delimiter ';'" in str(copy)


def test_rows_are_counted_from_the_file_after_shifting() -> None:
    assert MalformedRecordError("bad", uri="a", row=2).shifted(10).row == 12
    assert MalformedRecordError("bad", uri="a").shifted(10).row is None


def test_an_internal_error_names_the_place_and_not_the_value() -> None:
    try:
        int("secret")
    except ValueError as exc:
        error = InternalError.wrap(exc, uri="a")
    assert "ValueError at test_errors.py:" in str(error)
    assert "secret" not in str(error)
