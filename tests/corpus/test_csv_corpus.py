"""Files in many dialects, written by Python's csv module, and through detection and reading: cell by cell what that module
reads when it is told the dialect."""

import csv
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import DialectRefutedError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv.sniff.detect import MIN_CONFIDENCE, detect
from file_cdk.formats.csv.sniff.format import DetectingCsvFormat, header_of

FILES = 160
PIECES = 3
"""Splits that the longer files are read in, besides as a whole."""

WORDS = ["river", "Köln", "naïve", "tree", "O'Shea", "x-ray", "smörgås", "delta", "Ωmega", "plain", "New York", "№ 5"]


@dataclass(frozen=True)
class Written:
    text: str
    encoding: str
    dialect: dict[str, Any]
    above: int

    @property
    def data(self) -> bytes:
        return self.text.encode(self.encoding)

    @property
    def rows(self) -> list[list[str]]:
        lines = list(io.StringIO(self.text, newline=""))[self.above :]
        return [row for row in csv.reader(lines, **self.dialect) if row]


def _makers(rng: random.Random) -> list[Callable[[], str]]:
    def word() -> str:
        return rng.choice(WORDS)

    return [
        lambda: str(rng.randrange(10**6)),
        lambda: f"{rng.uniform(-50, 5000):.3f}",
        lambda: f"{rng.randint(1990, 2030)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
        lambda: f"2023-05-{rng.randint(1, 28):02}T{rng.randrange(24):02}:00:00Z",
        lambda: f"{rng.randrange(24):02}:{rng.randrange(60):02}",
        word,
        lambda: f"{word()}, {word()}; {word()}",
        lambda: f'the "{word()}" of {word()}',
        lambda: f"{word()}\n{word()}\r\n{word()}",
        lambda: rng.choice(["", "", word()]),
        lambda: rng.choice(["true", "false"]),
        lambda: f"D:\\{word()}\\{word()}",
        lambda: f"https://{rng.randint(1, 99)}.example/{word()}?q={word()}|x",
        lambda: f'{{"k": "{word()}", "n": [1, 2]}}',
        lambda: f" {word()} ",
        lambda: f"00{rng.randint(1, 999)}",
        lambda: f"'{word()}' and {word()}",
        lambda: f"{rng.randint(1, 99)} %",
    ]


def written(seed: int) -> Written:
    rng = random.Random(seed)
    names = rng.sample(
        ["id", "name", "Total (€)", "größe", "when", "a b", "x_1", "note", "URL", "k"], rng.randint(2, 9)
    )
    makers = [rng.choice(_makers(rng)) for _ in names]
    rows = [[make() for make in makers] for _ in range(rng.choice([5, 12, 40, 300]))]
    for number, row in enumerate(rows):
        row[0] = str(number)
    dialect: dict[str, Any] = {
        "delimiter": rng.choice(",,,;;\t\t||~^\x01\x1f"),
        "quotechar": rng.choice('"""\''),
        "quoting": rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "lineterminator": rng.choice(["\n", "\r\n"]),
    }
    if dialect["quoting"] == csv.QUOTE_ALL and rng.random() < 0.3:
        dialect |= {"escapechar": "\\", "doublequote": False}
    above = rng.choice(["", "", "", "Report of the year\n", "Report\nby nobody\n\n"])
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows([names, *rows])
    encoding = rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"])
    whole = above + text.getvalue()
    if encoding == "cp1252":
        whole = whole.replace("Ω", "O").replace("№", "N")
    return Written(whole, encoding, dialect, above.count("\n"))


def load(data: bytes, size_bytes: int | None = None) -> tuple[list[str], list[list[str]], int]:
    """Names, rows of text, and how many records were rejected; in splits of about `size_bytes`, as the engine would."""
    sniffed = detect(data, complete=True)
    usual = sniffed.config if sniffed.confidence >= MIN_CONFIDENCE else CsvConfig()
    fmt = DetectingCsvFormat(usual, header_of(data, usual), sniffed.seen)
    file = RemoteFile(f"{id(data)}.csv", len(data), datetime(2024, 1, 1, tzinfo=UTC))
    while True:
        schema = pa.schema([(name, pa.string()) for name in fmt.infer_table_schema(io.BytesIO(data), file).names])
        rows: list[list[str]] = []
        rejected = position = 0
        try:
            while position < len(data):
                end = len(data) if size_bytes is None else min(len(data), position + size_bytes)
                split = Split(file, 0, 0, end) if not position else Split(file, 1, position, end, at_record=True)
                report = SplitReport()
                for batch in fmt.read_table(io.BytesIO(data), split, schema, report):
                    rows += [[value or "" for value in row.values()] for row in batch.to_pylist()]
                rejected += report.rejects.total()
                assert report.end > position
                position = report.end
        except DialectRefutedError as exc:
            fmt = fmt.with_dialect(exc)
            continue
        return schema.names, rows, rejected


@pytest.mark.parametrize("seed", range(FILES))
def test_every_cell_is_what_the_csv_module_reads(seed: int) -> None:
    made = written(seed)
    names, *rows = made.rows
    assert load(made.data) == ([name.strip() for name in names], rows, 0), detect(made.data, complete=True).describe()


@pytest.mark.parametrize("seed", range(0, FILES, 4))
def test_in_parts_as_well(seed: int) -> None:
    made = written(seed)
    if made.encoding == "utf-16":
        return  # cannot be cut
    _, *rows = made.rows
    assert load(made.data, max(1, len(made.data) // PIECES))[1:] == (rows, 0)
