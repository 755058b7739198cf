"""Excel: each cell of 70 workbooks is what LibreOffice's own conversion to CSV has, in a table and in protocol records.

The workbooks are the fixtures, those that five writers make of eight tables, and LibreOffice's conversions of some of these.
A missing LibreOffice fails where CI is set, and skips elsewhere.
"""

import csv
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from workbooks import TABLES, WRITERS

from file_cdk import SyncOptions, sync

FIXTURES = Path(__file__).parents[2] / "fixtures" / "excel"
TO_CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false"
"""Comma, double quotes, UTF-8, from the first line, columns as they are, no language, full precision."""
CONVERTED = {"xls": "xls:MS Excel 97", "ods": "ods", "xlsx": "xlsx:Calc MS Excel 2007 XML"}

NAMES = [
    *(path.name for path in sorted(FIXTURES.iterdir())),
    *(f"{table}-{writer}" for table in TABLES for writer in WRITERS),
    *(f"{table}-libreoffice.{kind}" for table in TABLES for kind in CONVERTED),
]
EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - sheets know no time zones


class Corpus:
    """folder: the workbooks. csv: what LibreOffice makes of them. records: ours, by workbook. database: ours, a table each."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.folder, self.csv = scratch / "books", scratch / "csv"
        self.folder.mkdir()
        for path in FIXTURES.iterdir():
            shutil.copy(path, self.folder)
        for table, rows in TABLES.items():
            for name, write in WRITERS.items():
                (self.folder / f"{table}-{name}").write_bytes(write(rows))
            shutil.copy(self.folder / f"{table}-xlsxwriter.xlsx", scratch / f"{table}-libreoffice.xlsx")
        for kind, target in CONVERTED.items():
            self._soffice(target, self.folder, sorted(scratch.glob("*-libreoffice.xlsx")))
            assert len(list(self.folder.glob(f"*-libreoffice.{kind}"))) >= len(TABLES)
        self._soffice(TO_CSV, self.csv, sorted(self.folder.iterdir()))
        config = {"path": str(self.folder), "streams": [_stream(name) for name in NAMES]}
        self.config = scratch / "config.json"
        self.config.write_text(json.dumps(config))
        self.records = self._read()
        self.database = str(scratch / "corpus.duckdb")
        result = sync(self.config, self.database, SyncOptions(workers=0, connector="file"))
        assert [str(error) for error in result.failures] == []

    def _soffice(self, target: str, folder: Path, files: Sequence[Path]) -> None:
        """One start for all files: it takes a second. Files of one name but for the ending would become one."""
        profile = f"-env:UserInstallation={(self.scratch / 'profile').as_uri()}"
        command = ["soffice", profile, "--headless", "--convert-to", target, "--outdir", str(folder)]
        if target == TO_CSV:
            links = self.scratch / "links"
            links.mkdir()
            for file in files:
                (links / f"{file.name}{file.suffix}").symlink_to(file)
            files = sorted(links.iterdir())
        subprocess.run([*command, *map(str, files)], check=True, capture_output=True, timeout=120)

    def _read(self) -> dict[str, list[dict[str, Any]]]:
        streams = [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                "sync_mode": "full_refresh",
                "destination_sync_mode": "append",
            }
            for name in NAMES
        ]
        catalog = self.scratch / "catalog.json"
        catalog.write_text(json.dumps({"streams": streams}))
        arguments = ["read", "--config", str(self.config), "--catalog", str(catalog)]
        ran = subprocess.run(
            [sys.executable, "-m", "source_local", *arguments], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr[-3000:]
        records: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
        for line in ran.stdout.splitlines():
            message = json.loads(line)
            if message["type"] == "RECORD":
                records[message["record"]["stream"]].append(message["record"]["data"])
        return records


def _stream(name: str) -> dict[str, Any]:
    return {"name": name, "globs": [name], "format": {"filetype": "excel"}, "validation_policy": "Emit Record"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    if shutil.which("soffice") is None:
        message = "LibreOffice is not installed: apt-get install libreoffice-calc-nogui"
        if os.environ.get("CI") or os.environ.get("FILE_CDK_CI"):
            pytest.fail(message)
        pytest.skip(message)
    return Corpus(tmp_path_factory.mktemp("corpus"))


def reference(corpus: Corpus, name: str) -> list[dict[str, str]]:
    """LibreOffice's rows with something in them, by the names that columns get; empty cells left out."""
    with (corpus.csv / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if any(row)]
    header = [text.strip() or f"Unnamed: {column}" for column, text in enumerate(rows[0])]
    return [{name: text for name, text in zip(header, row, strict=True) if text} for row in rows[1:]]


@pytest.mark.parametrize("name", NAMES)
def test_protocol_records_are_what_libreoffice_has(corpus: Corpus, name: str) -> None:
    found = [
        {key: value for key, value in record.items() if not key.startswith("_ab_")} for record in corpus.records[name]
    ]
    assert differences(found, reference(corpus, name)) == []
    assert found


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_what_libreoffice_has(corpus: Corpus, name: str) -> None:
    with duckdb.connect(corpus.database, read_only=True) as connection:
        cursor = connection.execute(f'SELECT * FROM "{name}" ORDER BY _file_row')
        columns = [column[0] for column in cursor.description or []]
        found = [
            {key: value for key, value in zip(columns, row, strict=True) if value is not None and key[:6] != "_file_"}
            for row in cursor.fetchall()
        ]
    assert differences(found, reference(corpus, name)) == []


def differences(found: Sequence[dict[str, Any]], expected: Sequence[dict[str, str]]) -> list[str]:
    if len(found) != len(expected):
        return [f"{len(found)} rows, not {len(expected)}"]
    return [
        f"row {number}, {name}: {ours.get(name)!r:.60}, not {theirs.get(name)!r:.60}"
        for number, (ours, theirs) in enumerate(zip(found, expected, strict=True), 1)
        for name in ours.keys() | theirs.keys()
        if not is_same(ours.get(name), theirs.get(name))
    ]


def is_same(ours: Any, theirs: str | None) -> bool:
    """Whether a value of ours is what the text of a CSV file says. LibreOffice writes 15 digits, and no parts of a second."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if isinstance(ours, bool):
        return theirs == str(ours).upper() or theirs == str(int(ours))
    if ours in (0, 1) and theirs in ("FALSE", "TRUE"):
        return bool(ours) == (theirs == "TRUE")  # LibreOffice writes booleans of .xlsx as numbers that look so
    if isinstance(ours, int | float):
        return math.isclose(ours, _number(theirs) or 0, rel_tol=1e-14)
    if isinstance(ours, str) and ours == theirs:
        return True
    seconds, theirs_seconds = _seconds(ours), _seconds(theirs)
    return seconds is not None and theirs_seconds is not None and abs(seconds - theirs_seconds) < 0.6


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d)( AM| PM)?")
_PERIOD = re.compile(r"P(?:(\d+)D)?T(\d+)H(\d+)M([\d.]+)S")


def _seconds(value: Any) -> float | None:
    """Of an instant since the epoch, of a time since midnight, of a duration."""
    match value:
        case datetime():
            return (value - EPOCH).total_seconds()
        case date():
            return float((value - EPOCH.date()).days * 86_400)
        case time():
            return float(value.hour * 3600 + value.minute * 60 + value.second)
        case timedelta():
            return value.total_seconds()
        case str():
            return _text_seconds(value)
    return None


def _text_seconds(text: str) -> float | None:
    if clock := _CLOCK.fullmatch(text):
        hours = int(clock[1]) % 12 if clock[4] else int(clock[1])
        return hours * 3600 + int(clock[2]) * 60 + int(clock[3]) + (43_200 if clock[4] == " PM" else 0)
    if period := _PERIOD.fullmatch(text):
        return int(period[1] or 0) * 86_400 + int(period[2]) * 3600 + int(period[3]) * 60 + float(period[4])
    if (serial := _number(text)) is not None:
        return serial * 86_400
    try:
        return (datetime.fromisoformat(text) - EPOCH).total_seconds()
    except ValueError:
        return None
