"""The beginning of a file as text: its encoding by byte order mark, by validity, or by guess."""

import codecs
import io
import json
import re

from file_cdk.core.dataclass import dataclass
from file_cdk.formats.csv.dialect import marked_encoding

_NO_TEXT = "it holds bytes that no text has"
_OTHER_FORMATS = {
    b"PK\x03\x04": "it seems to be a zip archive or an Excel workbook",
    b"PAR1": "it seems to be a Parquet file",
    b"Obj\x01": "it seems to be an Avro file",
    b"%PDF": "it seems to be a PDF document",
    b"\xd0\xcf\x11\xe0": "it seems to be an old Excel workbook",
} | dict.fromkeys((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"), _NO_TEXT)
SINGLE_BYTE_GUESSES = ("cp1252", "latin-1")
_UNDEFINED_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_NOT_TEXT = re.compile("[\x00\x03-\x08\x0e-\x1a\x7f]")

_HTML = re.compile(r"\s*<(?:!doctype\s+html|html|head|body|table|script|meta|div)\b", re.I)
_XML = re.compile(r"\s*<(?:\?xml\b|!doctype\b|!--)", re.I)
_ELEMENT = re.compile(r"\s*<([A-Za-z][\w:.-]*)(?:\s[^<>]*)?>")

_SEARCHED_CHARS = 4096
_MAX_NOT_TEXT = 0.02
_ZEROS_OF_UTF16 = 0.4


@dataclass(frozen=True, slots=True)
class Text:
    """encoding: as the configuration spells it. guessed: no mark and no proof tells it. readable: looks like text at all."""

    text: str
    encoding: str = "utf8"
    guessed: bool = False
    readable: bool = True


def decode(sample: bytes) -> Text:
    """The sample's text without a byte order mark; bytes at its end that are part of a character are left out."""
    if sample.startswith(tuple(_OTHER_FORMATS)):
        return Text("", readable=False)
    if (marked := marked_encoding(sample[:4], "")) is not None:
        return _checked(_decoded(sample, marked).removeprefix("\ufeff"), "utf8" if marked == "utf-8" else marked)
    if (utf16 := _utf16_without_mark(sample)) is not None:
        return _checked(_decoded(sample, utf16), utf16)
    text = _decoded(sample, "utf8")
    bad = text.count("\ufffd")
    others = len(text) - bad - len(text.encode("ascii", "ignore"))
    # Hardly two characters of a single-byte encoding happen to be one in UTF-8.
    if bad <= others:
        return _checked(text, "utf8", guessed=bad > 0)
    encoding = SINGLE_BYTE_GUESSES[bool(_UNDEFINED_IN_CP1252.search(sample))]
    return _checked(_decoded(sample, encoding), encoding, guessed=True)


def what_it_seems(sample: bytes) -> str:
    """A guess at the format of bytes that are no text, for a person."""
    return next((told for mark, told in _OTHER_FORMATS.items() if sample.startswith(mark)), _NO_TEXT)


def _decoded(sample: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)("replace").decode(sample)


def _utf16_without_mark(sample: bytes) -> str | None:
    """Text in a western language has a zero in every other byte."""
    half = len(sample) // 2
    if not half or b"\0" not in sample:
        return None
    even, odd = sample[: 2 * half : 2].count(0), sample[1 : 2 * half : 2].count(0)
    if odd > _ZEROS_OF_UTF16 * half and even < odd / 10:
        return "utf-16-le"
    if even > _ZEROS_OF_UTF16 * half and odd < even / 10:
        return "utf-16-be"
    return None


def _checked(text: str, encoding: str, *, guessed: bool = False) -> Text:
    odd = len(_NOT_TEXT.findall(text.rstrip("\x1a")))  # what ends a file of old
    return Text(text, encoding, guessed, readable=odd <= _MAX_NOT_TEXT * len(text))


def whole_lines(text: str, *, complete: bool, limit: int, max_chars: int) -> list[str]:
    """The first lines with their ends; one that the sample cuts is left out, unless it is all there is."""
    lines = list(io.StringIO(text[:max_chars], newline=""))
    if len(lines) > 1 and (not complete or len(text) > max_chars) and not lines[-1].endswith(("\n", "\r")):
        lines.pop()
    return lines[:limit]


def markup_of(text: str) -> str | None:
    """`an HTML page`, `an XML document`, `a JSON document`; None for what may be a table."""
    if _HTML.match(text):
        return "an HTML page"
    if _XML.match(text):
        return "an HTML page" if re.search("<html", text[:_SEARCHED_CHARS], re.I) else "an XML document"
    if (element := _ELEMENT.match(text)) is not None and text.rstrip().endswith(f"</{element[1]}>"):
        return "an XML document"
    return "a JSON document" if _is_json(text) else None


def _is_json(text: str) -> bool:
    """An object or a list of such over all of the text, or objects line by line."""
    bare = text.strip()
    if bare[:1] not in ("{", "["):
        return False
    lines = [line for line in bare.splitlines() if line.strip()]
    if bare.startswith("{") and all(_loads(line) is dict for line in lines[: max(1, min(len(lines) - 1, 5))]):
        return True
    return _loads(bare) in (dict, list) and ("{" in bare or bare.startswith("{"))


def _loads(text: str) -> type | None:
    try:
        return type(json.loads(text))
    except (ValueError, RecursionError):
        return None
