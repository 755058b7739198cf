"""Whose types are believed before anything is loaded."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from file_cdk import RemoteFile
from file_cdk.pipeline.tables import columns as module
from file_cdk.pipeline.tables.columns import Sample, guess

INT, TEXT, DAY, NULL = pa.int64(), pa.string(), pa.date32(), pa.null()


def sample(uri: str, size_bytes: int = 10, **columns: pa.DataType) -> Sample:
    return Sample(RemoteFile(uri, size_bytes, datetime(2024, 1, 1, tzinfo=UTC)), pa.schema(list(columns.items())))


def guessed(samples: list[Sample], good: str, *, others: bool = False) -> tuple[Mapping[str, pa.DataType], str]:
    """Types by column, and who was read. good: the files that can be read."""
    asked: list[str] = []

    def is_readable(sample: Sample) -> bool:
        asked.append(sample.file.uri)
        return sample.file.uri in good

    found = guess(samples, is_readable, others=others)
    return {column.name: column.type for column in found}, "".join(asked)


def test_samples_that_agree_are_believed_and_nobody_is_read() -> None:
    samples = [sample("a", x=INT), sample("b", x=INT, y=TEXT)]
    assert guessed(samples, "") == ({"x": INT, "y": TEXT}, "")


def test_of_many_files_one_that_agrees_is_read() -> None:
    samples = [sample("a", 20, x=INT), sample("b", 10, x=INT), sample("c", 5, x=INT)]
    assert guessed(samples, "ab", others=True) == ({"x": INT}, "cb")
    assert guessed(samples, "", others=True) == ({}, "cba")


def test_of_many_files_each_is_read_whose_columns_none_has_that_was() -> None:
    samples = [sample("a", 1, x=INT), sample("b", 2, x=INT, y=TEXT), sample("c", 3, y=TEXT), sample("d", 4)]
    assert guessed(samples, "ab", others=True) == ({"x": INT, "y": TEXT}, "ab")
    assert guessed(samples, "ac", others=True) == ({"x": INT, "y": TEXT}, "abc")
    assert guessed(samples, "a", others=True) == ({"x": INT}, "abc")


def test_who_is_at_odds_has_a_say_once_it_was_read() -> None:
    samples = [sample("a", 1, x=INT), sample("b", 3, x=TEXT), sample("c", 2, x=INT, y=INT)]
    assert guessed(samples, "abc") == ({"x": TEXT, "y": INT}, "ab")
    assert guessed(samples, "ac") == ({"x": INT, "y": INT}, "ab")
    assert guessed(samples, "b") == ({"x": TEXT}, "acb")
    assert guessed(samples, "") == ({}, "acb")


def test_types_that_only_text_holds_are_both_in_doubt() -> None:
    samples = [sample("a", x=DAY), sample("b", x=INT)]
    assert guessed(samples, "a") == ({"x": DAY}, "ab")
    assert guessed(samples, "b") == ({"x": INT}, "ab")
    assert guessed(samples, "ab") == ({"x": TEXT}, "ab")


def test_a_column_without_values_gets_no_type_of_a_file_that_fails() -> None:
    samples = [sample("a", x=NULL), sample("b", x=INT)]
    assert guessed(samples, "a") == ({"x": NULL}, "ab")
    assert guessed(samples, "ab") == ({"x": INT}, "ab")


def test_no_more_is_read_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIED_BYTES", 25)
    samples = [sample("a", 10, x=INT), sample("b", 15, x=TEXT), sample("c", 1000, x=DAY)]
    assert guessed(samples, "abc") == ({"x": TEXT}, "ab")
    assert guessed([sample("a", 30, x=INT)], "", others=True) == ({"x": INT}, "")
