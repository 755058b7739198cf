"""Files of JSON in every way that it is written, against Python's json module: equal values, or a reject that says why."""

import bz2
import gzip
import io
import itertools
import json
import lzma
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import IO, Any

import duckdb
import lz4.frame
import msgspec
import pytest
import zstandard

from file_cdk import MaxRejects, SyncOptions, sync
from file_cdk.core.config import JsonlConfig
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Format
from file_cdk.engine.executor import InlineExecutor
from file_cdk.engine.ordering import FileBlock, FileDone, OrderedRun
from file_cdk.engine.work import Job, RecordShape
from file_cdk.formats.jsonl.format import JsonlFormat
from file_cdk.formats.unpacking import Unpacking
from file_cdk.protocol.record_encoding import RecordEncoder

NAN = float("nan")
TEXTS = [
    "",
    "plain",
    'quoted "x" \\ back',
    "}{",
    "[{",
    "line\nend\r\n",
    "é ü ß",
    "\u2028 \U0001f600",
    "\x7f\t",
    "1",
    "null",
    "\\u0041",
]


def records(seed: int, count: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [record(chance, number) for number in range(count)]


def record(chance: random.Random, number: int) -> dict[str, Any]:
    mixed: list[Any] = [number, "text", [1, "b"], {"k": 1.5}, True, None]
    every = {
        "id": number,
        "text": chance.choice(TEXTS),
        "amount": chance.choice([0.1, -2.5e-7, 1e300, 3.0, None]),
        "big": chance.choice([2**63, -(10**30), 5]),
        "flag": chance.choice([True, False, None]),
        "nested": {"a": [number, None], "b": {"c": chance.choice(TEXTS)}},
        "tags": chance.sample(TEXTS, 2),
        "objects": [{"x": number}, {"y": "}\n{"}],
        "mixed": chance.choice(mixed),
    }
    return {name: value for name, value in every.items() if name in ("id", "text") or chance.random() < 0.8}


# Writers: records and a line end -> text

Writer = Callable[[list[Any], str], str]


def dumps(value: Any) -> str:
    return json.dumps(value)


def compact(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def wide(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(" , ", " : "))


def pretty(value: Any, line_end: str) -> str:
    return json.dumps(value, indent=2).replace("\n", line_end)


def twice(value: Any) -> str:
    return '{"id":"first",' + json.dumps({**value, "id": value["id"]})[1:]


WRITERS: dict[str, Writer] = {
    "lines": lambda found, end: "".join(dumps(value) + end for value in found),
    "lines without the last end": lambda found, end: end.join(map(compact, found)),
    "blank lines": lambda found, end: end + "".join(f" {wide(value)} {end}{end}" for value in found),
    "one line": lambda found, _: "".join(map(dumps, found)),
    "one line with blanks": lambda found, _: "  ".join(map(compact, found)),
    "one line with commas": lambda found, _: ", ".join(map(dumps, found)),
    "several on a line": lambda found, end: "".join(
        dumps(value) + (end if place % 3 == 2 else "") for place, value in enumerate(found)
    ),
    "commas at line ends": lambda found, end: f",{end}".join(map(dumps, found)) + end,
    "separators": lambda found, end: "".join(f"\x1e{dumps(value)}{end}" for value in found),
    "pretty": lambda found, end: end.join(pretty(value, end) for value in found),
    "pretty without ends": lambda found, end: "".join(pretty(value, end) for value in found),
    "pretty separators": lambda found, end: "".join(f"\x1e{pretty(value, end)}{end}" for value in found),
    "array": lambda found, _: compact(found),
    "array of lines": lambda found, end: f"[{end}" + f",{end}".join(map(dumps, found)) + f"{end}]{end}",
    "pretty array": lambda found, end: pretty(found, end),
    "comma too much": lambda found, end: "[" + "".join(dumps(value) + f",{end}" for value in found) + "]",
    "two arrays": lambda found, end: dumps(found[:5]) + end + dumps(found[5:]),
    "marks between": lambda found, end: "".join(f"\ufeff{dumps(value)}{end}" for value in found),
    "zeros behind": lambda found, end: end.join(map(dumps, found)) + end + "\0" * 100,
    "zeros between": lambda found, _: "\0\0".join(map(dumps, found)),
    "cut off": lambda found, end: end.join(map(dumps, found))[:-3],
    "cut off on one line": lambda found, _: "".join(map(dumps, found))[:-3],
    "cut off array": lambda found, end: (f"[{end}" + f",{end}".join(map(dumps, found)))[:-3],
    "a number that is none": lambda found, end: "".join(
        dumps(value) + end for value in [*found[:4], {"id": NAN}, *found[4:]]
    ),
    "infinity in an array": lambda found, end: pretty(
        [*found[:4], {"id": -float("inf"), "text": "x"}, *found[4:]], end
    ),
    "keys twice": lambda found, end: "".join(twice(value) + end for value in found),
    "plain lines": lambda found, end: "".join(dumps(value["text"]) + end for value in found),
    "plain array": lambda found, _: dumps([value["id"] for value in found]),
    "plain among objects": lambda found, end: "".join(
        dumps(value if value["id"] % 3 != 1 else [value["id"], value["text"]]) + end for value in found
    ),
}

ENCODINGS = {"utf-8": "utf-8", "mark": "utf-8-sig", "utf-16": "utf-16", "utf-16-be": "utf-16-be"}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]) + b"\0" * 512,
    ".bz2": lambda data: bz2.compress(data[:100]) + bz2.compress(data[100:]),
    ".xz": lambda data: lzma.compress(data, preset=0) + b"\0" * 4 + lzma.compress(b"", preset=0),
    ".zst": lambda data: (
        b"\x50\x2a\x4d\x18\x03\0\0\0xyz" + zstandard.compress(data[:50]) + zstandard.compress(data[50:])
    ),
    ".lz4": lambda data: lz4.frame.compress(data[:100]) + lz4.frame.compress(data[100:]),
}
LINE_ENDS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}


@dataclass(frozen=True)
class Made:
    """A file, and what is in it going by Python's json module."""

    name: str
    data: bytes
    stored: bytes
    values: list[Any] = field(default_factory=list)
    rejected: int = 0
    """How many records are no JSON by RFC 8259, of all that are there."""

    @property
    def objects(self) -> list[Any]:
        return [value for value in self.values if isinstance(value, dict)]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [value if isinstance(value, dict) else {"value": value} for value in self.values]


class NoNumber:
    """NaN or an infinity, which Python reads and JSON does not have."""


def reference(text: str) -> tuple[list[Any], int]:
    """Values one after the other, as Python's decoder finds where each one ends; and how many are none."""
    decoder = json.JSONDecoder(parse_constant=lambda _: NoNumber())
    skipped = " \t\r\n,\x1e\0\ufeff"
    values: list[Any] = []
    rejected = at = depth = 0
    while True:
        while at < len(text) and text[at] in skipped:
            at += 1
        if at == len(text):
            return values, rejected + depth
        if (
            text[at] in "[]"
            and (depth or at == 0 or text.startswith(("[{", "[\n", "[\r"), at))
            and depth != (text[at] == "[")
        ):
            depth += 1 if text[at] == "[" else -1
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            return values, rejected + 1
        if isinstance(value, dict) and any(isinstance(each, NoNumber) for each in value.values()):
            rejected += 1
        else:
            values.append(value)


def made() -> Iterator[Made]:
    """Every writer with every line end in UTF-8; with every encoding, and every compression."""
    for number, (style, writer) in enumerate(WRITERS.items()):
        kinds = {(end, "utf-8", "") for end in LINE_ENDS}
        kinds |= {("lf", encoding, "") for encoding in ENCODINGS} | {("crlf", "utf-16", ".gz")}
        kinds |= {("lf", "utf-8", compression) for compression in COMPRESSIONS}
        for end, encoding, compression in sorted(kinds):
            found = records(number, 12)
            if style == "plain lines" and end == "lf":
                found = found[:6]
            text = writer(found, LINE_ENDS[end])
            data = text.encode(ENCODINGS[encoding])
            values, rejected = reference(text)
            name = f"{style}-{end}-{encoding}.json{compression}".replace(" ", "_")
            yield Made(name, data, COMPRESSIONS[compression](data), values, rejected)


MADE = list(made())


def test_the_reference_finds_what_was_written() -> None:
    assert len(MADE) > 300
    for each in MADE:
        assert len(each.values) + each.rejected >= 11 or each.name.startswith("plain_lines")
        assert each.rejected == ("cut_off" in each.name or "none" in each.name or "infinity" in each.name)


def is_same(found: Any, wanted: Any) -> bool:
    """Whether a table's value is the record's. A struct has null for what is missing; text is what has several types."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(is_same(found.get(name), wanted.get(name)) for name in {*found, *wanted})
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(is_same, found, wanted))
    if isinstance(found, str) and not isinstance(wanted, str) and wanted is not None:
        return bool(json.loads(found) == wanted)
    if isinstance(found, bool) != isinstance(wanted, bool):
        return False
    return bool(found == wanted)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "files").mkdir()
    for each in [*MADE, *LARGE]:
        (folder / "files" / each.name).write_bytes(each.stored)
    options = SyncOptions(workers=0, stream="t", max_rejects=MaxRejects(records=20))
    (stream,) = sync(folder / "files", folder / "x.duckdb", options).streams
    assert stream.files_failed == 0
    with duckdb.connect(str(folder / "x.duckdb")) as connection:
        yield connection


def large(style: str, end: str, encoding: str = "utf-8") -> Made:
    """Of more than one split, and on one line longer than what is held."""
    text = WRITERS[style](records(99, 14_000), end)
    data = text.encode(encoding)
    return Made(f"large_{style}_{encoding}.json".replace(" ", "_"), data, data, *reference(text))


LARGE = [large("one line", ""), large("lines", "\r"), large("separators", "\n"), large("cut off array", "\n", "utf-16")]


def test_a_table_has_every_value(database: duckdb.DuckDBPyConnection) -> None:
    cursor = database.execute("select * from t order by _file_url, _file_row")
    names = [column[0] for column in cursor.description or ()]
    found: dict[str, list[dict[str, Any]]] = {}
    for fetched in cursor.fetchall():
        values = dict(zip(names, fetched, strict=True))
        found.setdefault(values["_file_url"], []).append(
            {name: value for name, value in values.items() if not name.startswith("_file_")}
        )
    for each in [*MADE, *LARGE]:
        rows = found.pop(each.name)
        assert len(rows) == len(each.rows), each.name
        for row, wanted in zip(rows, each.rows, strict=True):
            assert is_same(row, wanted), (each.name, row, wanted)
    assert found == {}


def test_a_table_has_the_other_records_as_rejects_with_reasons(database: duckdb.DuckDBPyConnection) -> None:
    found: dict[str, list[tuple[int, str]]] = {}
    for url, row, reason in database.execute("select url, row, reason from _file_cdk_rejects").fetchall():
        found.setdefault(url, []).append((row, reason))
    for each in [*MADE, *LARGE]:
        rejects = found.pop(each.name, [])
        assert len(rejects) == each.rejected, each.name
        for row, reason in rejects:
            assert row == (5 if "cut_off" not in each.name else len(each.values) + 1)
            assert reason
    assert found == {}


@dataclass(frozen=True, slots=True)
class InMemory:
    data: bytes

    def list_files(self, prefix: str) -> Any:
        raise NotImplementedError

    def open(self, file: RemoteFile) -> IO[bytes]:
        return io.BytesIO(self.data)


def sent(each: Made, split_bytes: int | None) -> tuple[list[Any], int]:
    """Data of the protocol's records, and how many were rejected."""
    decoder: Format = replace(JsonlFormat(JsonlConfig()), split_bytes=split_bytes)
    file = RemoteFile(each.name, len(each.stored), datetime(2024, 1, 1, tzinfo=UTC))
    job = Job(InMemory(each.stored), Unpacking(decoder), RecordEncoder("s"), RecordShape(None))
    lines, rejected = b"", -1
    for event in OrderedRun(InlineExecutor(), job, [file]):
        match event:
            case FileBlock(block=block):
                lines += block.read()
            case FileDone(tally):
                rejected = tally.rejects.total()
    data = [json.loads(line)["record"]["data"] for line in lines.splitlines()]
    return [{name: value for name, value in each.items() if not name.startswith("_ab_")} for each in data], rejected


@pytest.mark.parametrize("split_bytes", [None, 23, 700])
def test_the_protocol_has_every_object_however_the_file_is_split(split_bytes: int | None) -> None:
    for each in itertools.chain(MADE, LARGE if split_bytes is None else ()):
        if split_bytes is not None and not each.name.endswith(".json"):
            continue  # compressed: one split, however small
        objects, rejected = sent(each, split_bytes)
        assert objects == each.objects, each.name
        if each.objects:  # else the file fails as a whole
            assert rejected == each.rejected + len(each.values) - len(each.objects), each.name
