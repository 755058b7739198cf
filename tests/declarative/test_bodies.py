"""Answers in CSV, JSON Lines, gzip and zip, and those too large to hold: what is read of them, and what is said of damage."""

import codecs
import gzip
import io
import json
import os
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from file_cdk.core.errors import AnswerError, ConfigError, SystemLimitError
from file_cdk.core.system.run_folder import run_folder
from file_cdk.declarative import page_records
from file_cdk.declarative.components.cursors import DatetimeBasedCursor
from file_cdk.declarative.components.requesters import SimpleRetriever
from file_cdk.declarative.http import Answer, Request, Response, Spilled, holding
from file_cdk.declarative.http.headers import Headers
from file_cdk.declarative.page_records import RecordsInFile, in_pieces
from file_cdk.declarative.pages import Page, Token
from file_cdk.declarative.records import taken
from file_cdk.declarative.retriever import About, Retriever, page_plan
from file_cdk.declarative.scheduling import Bounds, KeptPages
from file_cdk.declarative.scheduling.waiting import HeldPages, size_bytes
from file_cdk.declarative.slices import Slice
from file_cdk.pipeline.apis.formats import FileFormats

CSV = {"type": "CsvDecoder"}
JSONL = {"type": "JsonlDecoder"}
BY_NEXT = {
    "type": "DefaultPaginator",
    "pagination_strategy": {"type": "CursorPagination", "cursor_value": "{{ response.next }}"},
    "page_token_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "t"},
}
CURSOR = {"type": "DatetimeBasedCursor", "cursor_field": "at", "datetime_format": "%Y", "start_datetime": "2020"}


def page_of(
    body: bytes | Spilled, decoder: Mapping[str, Any] | None = None, path: tuple[str, ...] = (), **written: Any
) -> Page:
    """The first page of a stream whose API answers so."""
    selector = {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": list(path)}}
    component = {
        "type": "SimpleRetriever",
        "requester": {"type": "HttpRequester", "url": "https://api.example.com"},
        "record_selector": selector | written.pop("selector", {}),
        **({"decoder": decoder} if decoder else {}),
    }
    cursor = msgspec.convert(CURSOR, DatetimeBasedCursor) if written.pop("cursor", False) else None
    about = About("things", {}, incremental_sync=cursor, formats=FileFormats())
    plan = page_plan(msgspec.convert(component | written, SimpleRetriever), about)

    def send(request: Request, scope: Mapping[str, Any]) -> Answer:
        return Answer(Response(200, Headers(), body, request.url), "SUCCESS")

    return Retriever(pickle.loads(pickle.dumps(plan)), send).page(Slice(), Token(0))


class OnePage:
    """A reader of a page that came before."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def first(self, of: Slice) -> Token:
        return Token(0)

    def ahead(self, of: Slice, token: Token) -> Token | None:
        return None

    def page(self, of: Slice, token: Token) -> Page:
        return self._page


def spilled(folder: Path, body: bytes) -> Spilled:
    path = folder / "body"
    path.write_bytes(body)
    return Spilled(path, len(body))


def values(page: Page) -> list[Any]:
    return [json.loads(record) for record in page.records]


def reasons(page: Page) -> list[tuple[int, str]]:
    return [(each.number, each.reason) for each in page.rejected]


def following(page: Page) -> Any:
    return None if page.following is None else page.following.value


def packed(data: bytes) -> bytes:
    """The same at any time."""
    return gzip.compress(data, mtime=0)


def zipped(**members: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, data in members.items():
            writer.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # of the same time always
    return archive.getvalue()


@pytest.mark.parametrize(
    ("decoder", "body", "records"),
    [
        (CSV, b"a,b\n1,x\n\n2,\n", [{"a": "1", "b": "x"}, {"a": "2", "b": ""}]),
        (CSV, b'a,b\r\n"1\n2","x,""y"""\r\n3\r\n', [{"a": "1\n2", "b": 'x,"y"'}, {"a": "3", "b": None}]),
        (CSV, b"a,b\n1,2,\n", [{"a": "1", "b": "2"}]),
        (CSV, b"a,b\n", []),
        (CSV, b"", []),
        (CSV | {"delimiter": "\\t", "encoding": "latin-1"}, b"a\tb\n\xe9\t2", [{"a": "é", "b": "2"}]),
        (CSV | {"delimiter": ";", "encoding": "utf-16"}, "a;b\nü;2\n".encode("utf-16"), [{"a": "ü", "b": "2"}]),
        (CSV, codecs.BOM_UTF16_LE + "a,b\nü,2\n".encode("utf-16-le"), [{"a": "ü", "b": "2"}]),
        (CSV | {"set_values_to_none": ["NA", ""]}, b'a,b,c\nNA,"NA",\n', [{"a": None, "b": None, "c": None}]),
        (JSONL, b'{"a":1.10}\n\n{"a":"\\u00e9"}\r\n{"a":3}', [{"a": 1.1}, {"a": "é"}, {"a": 3}]),
        (JSONL, b'{"_ab_source_file_url":1}\n', [{"_ab_source_file_url": 1}]),
        ({"type": "GzipDecoder", "decoder": JSONL}, packed(b'{"a":1}\n') * 2, [{"a": 1}, {"a": 1}]),
        ({"type": "GzipDecoder", "decoder": JSONL}, b'{"a":1}\n', [{"a": 1}]),
        ({"type": "GzipDecoder", "decoder": JSONL}, b"", []),
        ({"type": "GzipDecoder", "decoder": {"type": "GzipDecoder", "decoder": CSV}},
         packed(packed(b"a\n1\n")), [{"a": "1"}]),
        ({"type": "GzipDecoder", "decoder": {"type": "JsonDecoder"}}, packed(b'[{"a":1},{"a":2}]'),
         [{"a": 1}, {"a": 2}]),
        ({"type": "ZipfileDecoder", "decoder": CSV}, zipped(b=b"a\n1\n", a=b"a,b\n2,3\n"), [{"a": "1"}, {"a": "2", "b": "3"}]),
        ({"type": "ZipfileDecoder", "decoder": {"type": "GzipDecoder", "decoder": JSONL}},
         zipped(one=packed(b'{"a":1}'), two=b'{"a":2}'), [{"a": 1}, {"a": 2}]),
        ({"type": "JsonItemsDecoder", "items_path": "data.users"}, b'{"data":{"users":[{"a":1}]}}', [{"a": 1}]),
    ],
)  # fmt: skip
def test_bodies(decoder: dict[str, Any], body: bytes, records: list[Any]) -> None:
    page = page_of(body, decoder)
    assert values(page) == records
    assert (page.found, reasons(page), page.following) == (len(records), [], None)


def test_records_keep_their_bytes() -> None:
    assert page_of(b'{"a": 1.10, "a": 1e3}\n', JSONL).records == [b'{"a": 1.10, "a": 1e3}']


def test_each_line_is_an_answer_for_a_path() -> None:
    body = b'{"data":[{"a":1},2]}\n{"data":{"a":3}}\n{bad\n{"data":[]}\n'
    page = page_of(body, JSONL, ("data",))
    assert values(page) == [{"a": 1}, {"a": 3}]
    assert (page.found, len(page.rejected)) == (4, 2)


def test_templates_see_what_a_packed_answer_says() -> None:
    body = packed(b'{"next":"t","data":[{"a":1}]}')
    decoder = {"type": "GzipDecoder", "decoder": {"type": "JsonDecoder"}}
    page = page_of(body, decoder, ("data",), paginator=BY_NEXT)
    assert following(page) == "t"
    strategy = {"type": "CursorPagination", "cursor_value": "{{ (response | length) ~ 'members' }}"}
    page = page_of(body, decoder, ("data",), paginator=BY_NEXT | {"pagination_strategy": strategy})
    assert following(page) == "2members"
    assert following(page_of(b"next\nt\n", CSV, paginator=BY_NEXT)) is None


@pytest.mark.parametrize(
    ("decoder", "body", "rejected"),
    [
        (CSV, b'a,b\n"x\ny",1\n1,2,3\n4,5\n6,\xff\n', [(1, "record has too many values (line 4)"),
                                                       (3, "not valid utf-8 (line 6)")]),
        (JSONL, b'{"a":1}\n\n{bad\n{"a":2}\n5\n', [(1, "(line 3)"), (3, "(line 5)")]),
    ],
)  # fmt: skip
def test_a_record_at_fault_is_rejected_with_its_line(
    decoder: dict[str, Any], body: bytes, rejected: list[tuple[int, str]]
) -> None:
    page = page_of(body, decoder)
    assert len(page.records) == 2
    assert page.found == 4
    assert [number for number, _ in reasons(page)] == [number for number, _ in rejected]
    assert all(said.endswith(end) for (_, said), (_, end) in zip(reasons(page), rejected, strict=True))


@pytest.mark.parametrize(
    ("decoder", "body", "said"),
    [
        (CSV, b'a,b\n1,2\n3,"4\n5,6\n', r"a quote opened in this record is never closed \(line 3\)"),
        (CSV, b"a,,b\n1,2,3\n", "column 2 has no name in the header row"),
        ({"type": "GzipDecoder", "decoder": CSV}, packed(b"a\n1\n")[:-3], "its gzip data ends too early"),
        ({"type": "GzipDecoder", "decoder": CSV}, packed(b"a\n1\n")[:-8] + bytes(8), "its gzip data is damaged"),
        ({"type": "ZipfileDecoder", "decoder": CSV}, b"a\n1\n", "no directory at its end"),
({"type": "ZipfileDecoder", "decoder": CSV}, zipped(x=b"a\n1\n")[:-30], "directory"),
        ({"type": "ZipfileDecoder", "decoder": CSV}, zipped(**{"x.zip": b""}), "'x.zip' is an archive itself"),
    ],
)  # fmt: skip
def test_damage_ends_the_stream_and_says_where(decoder: dict[str, Any], body: bytes, said: str) -> None:
    with pytest.raises(AnswerError, match=rf"^stream 'things', page 0: the answer.*{said}"):
        page_of(body, decoder)


def test_a_damaged_member_of_an_archive_is_named() -> None:
    archive = bytearray(zipped(first=b"a\n1\n", second=b"a\n" + b"12345\n" * 50))
    at = archive.rfind(b"second", 0, archive.index(b"PK\1\2")) + len("second") + 8
    archive[at] ^= 0xFF
    with pytest.raises(AnswerError, match="in its member 'second': its zip data"):
        page_of(bytes(archive), {"type": "ZipfileDecoder", "decoder": CSV})


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"decoder": CSV | {"delimiter": "\n"}}, r"retriever\.decoder: .*delimiter"),
        ({"decoder": CSV | {"encoding": "nothing-8"}}, r"retriever\.decoder: .*encoding"),
        ({"decoder": {"type": "XmlDecoder"}}, "XmlDecoder is not supported yet"),
        ({"decoder": {"type": "IterableDecoder"}}, "IterableDecoder is not supported yet"),
        ({"decoder": {"type": "JsonItemsDecoder", "items_path": "a", "encoding": "latin-1"}}, "as 'latin-1'"),
        ({"decoder": {"type": "JsonItemsDecoder", "items_path": "a"}, "path": ("b",)}, "Leave field_path empty"),
    ],
)
def test_decoders_that_cannot_be_are_refused(written: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=f"stream 'things', .*{said}"):
        page_of(b"", **written)


def test_what_is_written_in_something_else_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taken, "MAX_REJECTED", 10)
    body = b'{"a":1}\n' * 20_000 + b"<tr>\n" * 40
    with pytest.raises(AnswerError, match=r"more than 10 records of the answer cannot be read: .*\(line 20001\)"):
        page_of(body, JSONL)
    with pytest.raises(AnswerError, match=r"more than 10,000 records of the answer.*\(line 2\)"):
        page_of(b"a,b\n" + b"1,2,3\n" * 30_000, CSV)


# Bodies that are too large to hold


@pytest.mark.parametrize(
    ("body", "path", "records"),
    [
        (b'{"x":[1],"data":[{"a":1},\n {"a":2}],"next":"t"}', ("data",), [{"a": 1}, {"a": 2}]),
        (b'\xef\xbb\xbf [{"a":1},{"a":[{}]}]\n', (), [{"a": 1}, {"a": [{}]}]),
        (b'{"d":{"e":[]},"next":"t"}', ("d", "e"), []),
        (b'{"d":{"e":{"a":1}},"next":"t"}', ("d", "e"), [{"a": 1}]),
        (b'{"d":null,"next":"t"}', ("d", "e"), []),
        (b'{"d":{"x":{"a":1},"y":{"a":\n2}},"next":"t"}', ("d", "*"), [{"a": 1}, {"a": 2}]),
        (b'[{"d":[{"a":1}]},{"d":[{"a":2}]}]', ("d",), [{"a": 1}, {"a": 2}]),
        (b" \n", ("d",), []),
    ],
)  # fmt: skip
def test_a_large_body_is_cut_as_one_that_is_held(
    tmp_path: Path, body: bytes, path: tuple[str, ...], records: list[Any]
) -> None:
    large, held = spilled(tmp_path, body), page_of(body, path=path, paginator=BY_NEXT)
    page = page_of(large, path=path, paginator=BY_NEXT)
    assert values(page) == values(held) == records
    assert (page.found, page.following, page.rejected) == (held.found, held.following, held.rejected)
    assert not large.path.exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"other":[]}', "the answer has no 'data'"),
        (b'{"data":[{"a":NaN}]}', r"not JSON of the strict kind: .*byte 14"),
        (b'{"data":[{"a":1}', "not JSON of the strict kind"),
    ],
)
def test_what_is_wrong_with_a_large_body(tmp_path: Path, body: bytes, said: str) -> None:
    large = spilled(tmp_path, body)
    with pytest.raises(AnswerError, match=f"page 0: .*{said}"):
        page_of(large, path=("data",))
    assert not large.path.exists()


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(holding, "MAX_HELD_BYTES", 1 << 16)
    monkeypatch.setattr(page_records, "MAX_HELD_BYTES", 1 << 16)
    before = set(run_folder().glob("answer-*"))
    yield
    assert set(run_folder().glob("answer-*")) <= before


LARGE = [{"id": n, "at": str(2020 + n % 7), "text": "x" * (n % 80)} for n in range(12_000)]


@pytest.mark.usefixtures("small_bounds")
@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "gzip", "zip"])
def test_records_of_a_large_body_go_through_a_file(tmp_path: Path, kind: str) -> None:
    lines = b"\n".join(msgspec.json.encode(each) for each in LARGE)
    rows = "".join(f"{each['id']},{each['at']},{each['text']}\n" for each in LARGE)
    bodies: dict[str, tuple[bytes, dict[str, Any]]] = {
        "json": (msgspec.json.encode(LARGE), {"type": "JsonDecoder"}),
        "jsonl": (lines, JSONL),
        "csv": (f"id,at,text\n{rows}".encode(), CSV),
        "gzip": (packed(lines), {"type": "GzipDecoder", "decoder": JSONL}),
        "zip": (zipped(x=lines), {"type": "ZipfileDecoder", "decoder": JSONL}),
    }
    body, decoder = bodies[kind]
    page = page_of(spilled(tmp_path, body), decoder, cursor=True)
    expected = [{name: str(value) for name, value in each.items()} for each in LARGE] if kind == "csv" else LARGE
    assert isinstance(page.records, RecordsInFile)
    assert values(page) == expected
    assert [value for piece in in_pieces(page.cursor_values) for value in piece] == [each["at"] for each in LARGE]
    assert (page.found, len(page.records), len(page.cursor_values)) == (12_000, 12_000, 12_000)
    assert json.loads(page.records[-1]) == expected[-1]
    assert list(map(json.loads, page.records[1023:1026])) == expected[1023:1026]
    assert page.cursor_values[1025] == LARGE[1025]["at"]


@pytest.mark.usefixtures("small_bounds")
def test_records_of_a_large_body_are_changed_and_left_out(tmp_path: Path) -> None:
    condition = {"record_filter": {"type": "RecordFilter", "condition": "{{ record.id % 2 == 0 }}"}}
    page = page_of(spilled(tmp_path, msgspec.json.encode(LARGE)), selector=condition)
    assert values(page) == LARGE[::2]
    assert (page.found, page.filtered) == (12_000, 6_000)


@pytest.mark.usefixtures("small_bounds")
def test_what_is_packed_twice_leaves_no_file_behind(tmp_path: Path) -> None:
    lines = b"\n".join(msgspec.json.encode({"text": os.urandom(20).hex()}) for _ in range(3_000))
    decoder = {"type": "GzipDecoder", "decoder": {"type": "GzipDecoder", "decoder": JSONL}}
    page = page_of(spilled(tmp_path, packed(packed(lines))), decoder)
    assert page.found == 3_000


@pytest.mark.usefixtures("small_bounds")
def test_pages_in_files_of_their_own_wait_there(tmp_path: Path) -> None:
    page = page_of(spilled(tmp_path, msgspec.json.encode(LARGE)), cursor=True)
    held = HeldPages(Bounds(waiting_bytes=1000, spilled_bytes=1000))
    for _ in range(2):
        in_memory = held.reserve(page, size_bytes(page), False)
        waiting = held.held(page, size_bytes(page), None, in_memory)
        held.arrived(waiting, in_memory)
        assert in_memory
        assert not held.takes_more(True)
        assert held.take(waiting) is page
        assert held.takes_more(True)
    kept, token = KeptPages(), Token(0)
    reader = kept.reader("s", OnePage(page))
    assert reader.page(Slice(), token) is reader.page(Slice(), token) is page
    assert (kept.kept, kept.taken) == (1, 1)
    kept.close()


@pytest.mark.usefixtures("small_bounds")
def test_a_full_disk_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    body = packed(msgspec.json.encode(LARGE))
    decoder = {"type": "GzipDecoder", "decoder": {"type": "JsonDecoder"}}
    monkeypatch.setattr(holding, "run_folder", lambda: tmp_path / "missing")
    with pytest.raises(SystemLimitError, match=r"cannot be held in a temporary file: No such file.*TMPDIR"):
        page_of(body, decoder)
