"""One pass over a sheet's own bytes, for what the parsers do not tell: error cells, formulas without a value, the extent.

Parsers give an error cell and a formula that was never calculated as empty cells. And they lay a sheet out as a full
rectangle, so that two cells in opposite corners would take all the memory there is: its extent has to be known before.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from xml.parsers import expat

from file_cdk.core.dataclass import dataclass
from file_cdk.formats.excel import xlsb
from file_cdk.formats.excel.biff import biff_book
from file_cdk.formats.excel.container import Container, Part
from file_cdk.formats.excel.dates import date_styles, negative_styles
from file_cdk.formats.excel.xml import attributes, relations, resolved

_crc32: Any = import_module("isal.isal_zlib").crc32

_MAX_DIRECTORY_BYTES = 16 << 20
"""Maximum of the part that lists sheets, in bytes."""
_MAX_CARRY_BYTES = 4 << 20

_SHEET = re.compile(rb"<(?:\w+:)?sheet\s[^>]*>")

_WIDE = re.compile(
    rb' r="([A-Z]{2,3})'
)  # begins with plain bytes, which are searched for several times as fast as a class
_PLACE = re.compile(rb' r="[A-Z]{0,3}([0-9]{1,18})"')
_DIMENSION = re.compile(rb'<(?:\w+:)?dimension\s[^>]*?ref="(?:[A-Z]{1,3}[0-9]{1,7}:)?([A-Z]{1,3})([0-9]{1,7})"')
_CELL_ENDS = (b"</c>", b"</x:c>")
_HEAD_BYTES = 64 << 10
_TAIL_BYTES = 4096
_SEEN_THROUGH_BYTES = 4 << 20
"""All cells of a smaller sheet are looked at. A larger one is believed, or its last rows are looked at."""
_MIN_CELLS_PER_BYTE = 1 / 200
"""A sheet that declares fewer cells for its size does not tell the truth: some programs always say A1."""
_MAX_BELIEVED_CELLS = 16_000_000
"""Maximum number of cells that a sheet is believed to have: some programs declare all that there could be."""
_NARROW = 26
"""Columns with names of one letter."""
_BOOLEANS = ("0", "1", "true", "false")

_FORMULA_ALONE = re.compile(
    rb"<(?:\w+:)?c(\s[^>]*)?>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>\s*)?</(?:\w+:)?c>"
)
"""A cell with a formula and no value."""
_TEXT_RESULT = re.compile(rb"""\st=["']str["']""")
"""The formula's value is an empty text, then."""

_ERROR_CELL = re.compile(rb"""<(?:\w+:)?c\s[^<>]*?(?<=\s)t\s*=\s*["']e["']""")
_MISREAD_VALUE = re.compile(
    rb"""<(?:\w+:)?c(?![^<>]*\st=["']str["'])(?:\s[^<>]*)?>(?:\s|<(?:\w+:)?f[^<>]*/>|<(?:\w+:)?f[^<>]*>[^<]*</(?:\w+:)?f>)*<(?:\w+:)?v(?:\s[^<>]*)?>(?:\s|[^<]*&)"""
)
"""A number or a shared text's number with blanks around it or a reference in it."""
_ODD_VALUE = re.compile(rb"<v>(?:\s|[^<&]*&)")
_ODD_PREFIXED_VALUE = re.compile(rb":v>(?:\s|[^<&]*&)")
"""What may begin such a value; quick to search for, since these begin with plain bytes."""
_ODD_INDEX = re.compile(
    rb"""t="(?:s"[^<>]*><v>(?![0-9]+</v>)(?!</v>)|b"[^<>]*><v>(?!(?:[01]|true|false)</v>)(?!</v>)|inlineStr"[^<>]*><v>)"""
)
"""A shared text's number that is none, a boolean that is none, or a text where calamine does not look for it."""
_ODD_QUOTED_INDEX = re.compile(
    rb"""\st\s*=\s*["'](?:s["'][^<>]*>\s*<(?:\w+:)?v>(?![0-9]+</)(?!</)"""
    rb"""|b["'][^<>]*>\s*<(?:\w+:)?v>(?!(?:[01]|true|false)</)(?!</)|inlineStr["'][^<>]*>\s*<(?:\w+:)?v>)"""
)
_REPEATED = re.compile(rb"""-repeated=["']([0-9]{1,18})["']""")
_ODS_CELL = re.compile(rb"<table:(?:covered-)?table-cell([^>]*)>")
_ODS_FORMULA_ALONE = re.compile(rb"<table:table-cell(?=[^>]*\stable:formula=)(?![^>]*:value-type=)[^>]*>")
_ODS_NUMBERS = tuple(b' office:value-type="%b"' % kind for kind in (b"float", b"percentage", b"currency"))


@dataclass(frozen=True, slots=True)
class Extent:
    """The rectangle from A1 that holds all cells, in rows and columns. size_bytes: of the sheet's part, unpacked."""

    rows: int
    columns: int
    size_bytes: int


@dataclass(slots=True)
class Oddities:
    """Cells that parsers give as empty: with an error value; with a formula that was never calculated.

    misread: there are cells whose values calamine would not give as they are.
    """

    errors: int = 0
    uncalculated: int = 0
    misread: bool = False


def column_number(letters: str) -> int:
    """1 for A, 27 for AA."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - 64
    return number


def extent_of(container: Container, position: int) -> Extent | None:
    """position: of the sheet among all sheets of the workbook. As the sheet says itself, if that can be believed.

    None where it is not told: of .ods files (ods_extents tells it), of .xls (biff_book does), and where parts are not where
    they usually are.
    Raises MalformedFileError as Container.inflate does.
    """
    part = sheet_part(container, position)
    if part is None:
        return None
    declared = _declared(container, part) if part.file_size > _SEEN_THROUGH_BYTES else None
    if declared and _MIN_CELLS_PER_BYTE * part.file_size <= declared[0] * declared[1] <= _MAX_BELIEVED_CELLS:
        return Extent(*declared, part.file_size)
    return _cells_extent(container, part)


def oddities_of(container: Container, position: int) -> Oddities:
    """position: as for extent_of. Raises MalformedFileError as Container.inflate does."""
    if container.kind == "xls":
        sheets = biff_book(container.data).sheets
        if position >= len(sheets):
            return Oddities()
        return Oddities(errors=sheets[position].errors, misread=sheets[position].lost > 0)
    if container.kind == "ods":
        return _ods_oddities(container, container.parts["content.xml"], position)
    part = sheet_part(container, position)
    if part is None:
        return Oddities()
    if container.kind == "xlsb":
        errors, misread = xlsb.errors_and_misread(container, part)
        return Oddities(errors=errors, misread=misread)
    return _xml_oddities(container, part)


def sheet_part(container: Container, position: int) -> Part | None:
    if container.kind not in ("xlsx", "xlsb"):
        return None
    targets = {tag.get("Id", ""): tag.get("Target", "") for tag in relations(container)}
    ids = list(xlsb.sheet_ids(container) if container.kind == "xlsb" else _sheet_ids(container))
    target = targets.get(ids[position]) if position < len(ids) else None
    if target is None:
        return None
    return container.parts.get(resolved(target).lower())


def _sheet_ids(container: Container) -> Iterator[str]:
    """Ids of the relations of the sheets, in the workbook's order."""
    for tag in _SHEET.findall(container.read("xl/workbook.xml", _MAX_DIRECTORY_BYTES) or b""):
        yield next((value for name, value in attributes(tag).items() if name.endswith(":id")), "")


def _declared(container: Container, part: Part) -> tuple[int, int] | None:
    """Rows and columns, as the sheet's part says at its beginning."""
    head = next(container.inflate(part), b"")[:_HEAD_BYTES]
    if container.kind == "xlsb":
        return xlsb.dimension(head)
    match = _DIMENSION.search(head)
    return None if match is None else (int(match[2]), column_number(match[1].decode()))


def _cells_extent(container: Container, part: Part) -> Extent:
    """The extent of all cells or more; never less than 26 columns."""
    if container.kind == "xlsb":
        return Extent(*xlsb.extent(container, part), part.file_size)
    rows, columns = 1, _NARROW
    seen: set[bytes] = set()
    for text in _whole_tags(container.inflate(part), *_CELL_ENDS):
        for name in set(_WIDE.findall(text)) - seen:
            seen.add(name)
            columns = max(columns, column_number(name.decode()))
        tail = 0 if part.file_size <= _SEEN_THROUGH_BYTES else max(len(text) - _TAIL_BYTES, 0)
        if places := _PLACE.findall(text, tail):
            rows = max(rows, *map(int, places))
    return Extent(rows, columns, part.file_size)


def _xml_oddities(container: Container, part: Part) -> Oddities:
    found = Oddities()
    formula = b""
    plain = True
    bodies = 0
    negative: set[int] = set()
    crc = 0
    for text in _whole_tags(container.inflate(part), *_CELL_ENDS):
        crc = _crc32(text, crc)
        if not formula and text:
            plain = b"<worksheet" in text and b"='" not in text
            formula = b"<f" if b"<worksheet" in text else b":f"
        found.errors += _errors(text)
        if b"f" in text and formula in text:
            found.uncalculated += sum(not _TEXT_RESULT.search(cell) for cell in _FORMULA_ALONE.findall(text))
        bodies += text.count(b"sheetData>")
        negative |= negative_styles(text)
        found.misread = found.misread or bodies > 2 or _is_misread(text, plain=plain)
    found.misread = found.misread or (bool(negative) and not negative.isdisjoint(date_styles(container)))
    # Calamine does not look at the checksum where it ends with the rows; the other parser does.
    found.misread = found.misread or crc != part.CRC
    return found


def _errors(text: bytes) -> int:
    if b"#" not in text:
        return 0
    usual = text.count(b't="e"')
    return usual if text.count(b'"e"') + text.count(b"'e'") == usual else len(_ERROR_CELL.findall(text))


def _is_misread(text: bytes, *, plain: bool) -> bool:
    """plain: cells are written as nearly every program writes them, without a prefix and with double quotation marks.

    Single bytes are looked for first: that takes a tenth of the time of a search for two.
    """
    if b"!" in text and b"<!" in text:  # a comment or CDATA
        return True
    if b"?" in text and text.count(b"<?") > text.startswith((b"<?", b"\xef\xbb\xbf<?")):
        return True
    odd = (b"\n" in text or b"&" in text) and (_ODD_VALUE if plain else _ODD_PREFIXED_VALUE).search(text)
    if odd and _MISREAD_VALUE.search(text):
        return True
    return (_ODD_INDEX if plain else _ODD_QUOTED_INDEX).search(text) is not None


def _whole_tags(pieces: Iterator[bytes], *ends: bytes) -> Iterator[bytes]:
    """The same bytes, cut after an end tag."""
    carry = b""
    for piece in pieces:
        text = carry + piece
        cut = max(position + len(end) if (position := text.rfind(end)) >= 0 else 0 for end in ends)
        if not cut and len(text) > _MAX_CARRY_BYTES:
            cut = len(text)
        carry = text[cut:]
        yield text[:cut]
    yield carry


def ods_extents(container: Container) -> list[Extent]:
    """The extents of the tables in an .ods file's content, in their order, repeated rows and cells in full.

    A few bytes may repeat one value in all cells that there can be.
    """
    part = container.parts["content.xml"]
    extents: list[Extent] = []
    rows = columns = height = 0
    for text in _whole_tags(container.inflate(part), b"</table:table-row>"):
        for number, row in enumerate(text.split(b"<table:table-row")):
            if number and not row.startswith((b"s", b"-")):  # those are groups of rows
                repeated = _REPEATED.search(row, 0, row.find(b">"))
                times = 1 if repeated is None else int(repeated[1])
                if width := _ods_width(row):
                    rows, columns = height + times, max(columns, width)
                height += times
            if b"<table:table " in row:
                extents.append(Extent(rows, columns, part.file_size))
                rows = columns = height = 0
    return [*extents[1:], Extent(rows, columns, part.file_size)]


def _ods_width(row: bytes) -> int:
    """Columns up to the last cell with a value."""
    if b"value-type" not in row:
        return 0
    if b"columns-repeated" not in row:
        return row.count(b"table-cell")
    width = column = 0
    for cell in _ODS_CELL.finditer(row):
        repeated = _REPEATED.search(cell[1])
        column += 1 if repeated is None else int(repeated[1])
        if b"value-type" in cell[1]:
            width = column
    return width


def _ods_oddities(container: Container, part: Part, position: int) -> Oddities:
    found = Oddities()
    table = -1
    for text in _whole_tags(container.inflate(part), b">"):
        for number, piece in enumerate(text.split(b"<table:table ")):
            table += number > 0
            if table == position:
                found.errors += piece.count(b':value-type="error"')
                if b"table:formula=" in piece:
                    found.uncalculated += len(_ODS_FORMULA_ALONE.findall(piece))
                found.misread = found.misread or piece.count(b' office:value="') < sum(map(piece.count, _ODS_NUMBERS))
    return found


class _ValueCounter:
    """Counts what the XML parser alone finds, since openpyxl passes over cells that are not in order or stand twice."""

    def __init__(self) -> None:
        self.values = 0
        self.wrong = 0
        self._kind = ""
        self._text = ""
        self._listens = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match _local(name):
            case "c":
                self._kind, self._text = attributes.get("t", "n"), ""
            case "v" | "t":
                self._listens = True
            case "rPh" | "f":
                self._listens = False

    def end(self, name: str) -> None:
        match _local(name):
            case "v" | "t":
                self._listens = False
            case "c":
                self.values += bool(self._text)
                wrong = self._kind == "s" and not self._text.strip().isdecimal()
                wrong = wrong or (self._kind == "b" and self._text.strip() not in _BOOLEANS)
                self.wrong += wrong and bool(self._text)

    def text(self, text: str) -> None:
        if self._listens:
            self._text += text


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def cells_with_values(container: Container, part: Part) -> int | None:
    """How many cells of an .xlsx sheet hold a value, which what the slower parser gives is held against.

    None when a cell has a boolean or a shared text's number that is none, or the part is no well-formed XML.
    """
    counter = _ValueCounter()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = counter.start, counter.end
    parser.CharacterDataHandler = counter.text
    try:
        for piece in container.inflate(part):
            parser.Parse(piece)
        parser.Parse(b"", True)
    except expat.ExpatError:
        return None
    return None if counter.wrong else counter.values
