"""The law of failed files: a table is what it would be had they never been there."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk import SyncOptions, sync

VALUES = {"a": ["1", "22", ""], "b": ["1.5", "2"], "c": ["x", "1"], "d": ["2024-01-01", "none"], "e": ["true", "7"]}


@dataclass(frozen=True)
class File:
    """A CSV file of some of the columns; one that is bad ends in a record of another length."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    bad: bool

    @property
    def text(self) -> str:
        records = [
            ",".join(VALUES[name][row[at] % len(VALUES[name])] for at, name in enumerate(self.columns))
            for row in self.rows
        ]
        return "\n".join([",".join(self.columns), *records, *["1,2,3,4,5,6,7,8,9"] * self.bad]) + "\n"


names = st.lists(st.sampled_from(list(VALUES)), min_size=2, max_size=4, unique=True).map(tuple)
rows = st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=1, max_size=4).map(tuple)
files = st.lists(st.builds(File, names, rows, st.booleans()), min_size=1, max_size=5)


def loaded(found: Sequence[tuple[int, File]], *, at_once: bool) -> tuple[Any, ...]:
    with tempfile.TemporaryDirectory() as scratch:
        folder, database = Path(scratch, "in"), Path(scratch, "x.duckdb")
        folder.mkdir()
        options = SyncOptions(workers=0, stream="t", dialect="default")
        for number, file in found:
            path = folder / f"{number}.csv"
            path.write_text(file.text)
            os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
            if not at_once:
                sync(folder, database, options)
        sync(folder, database, options)
        with duckdb.connect(str(database), read_only=True) as connection:
            columns = connection.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't' ORDER BY column_index"
            ).fetchall()
            content = connection.execute("SELECT * FROM t ORDER BY rowid").fetchall() if columns else []
    return columns, content


@settings(max_examples=25)
@given(files, st.booleans(), st.sampled_from([1, 10]))
def test_a_table_is_what_the_files_make_it_that_are_loaded(found: list[File], at_once: bool, sampled: int) -> None:
    numbered = list(enumerate(found))
    good = [(number, file) for number, file in numbered if not file.bad]
    if at_once and sampled == 1 and numbered[-1][1].bad:
        sampled = 10  # who has the first word depends on the one file that is looked at
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("file_cdk.engine.sampling.SAMPLE_FILES", sampled)
        with_bad = loaded(numbered, at_once=at_once)
        if not good:
            assert with_bad == ([], [])
            return
        assert with_bad == loaded(good, at_once=at_once)
