"""XML that the parsers of workbooks do not read as XML is read, found by a look at the parts and mended or refused.

Left alone, calamine gives an entity that a DTD declares as an empty cell, an .xlsx sheet in UTF-16 as no rows, numbers
whose digits are interrupted by a comment as other numbers, and of .ods texts loses CDATA, tabs and line breaks.
A container without any of that is handed on as it is: finding out costs the first bytes of each part, and of .ods one
search of the content.
"""

import codecs
import io
import posixpath
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import unescape
from urllib.parse import unquote

from file_cdk.core.errors import MalformedFileError
from file_cdk.formats.excel.container import Container, Part, encrypted, parts_of

_HEAD_BYTES = 4096
_LONGEST_PROLOG_BYTES = 1 << 20
_LONGEST_TAGS_BYTES = 64 << 10
MAX_MENDED_BYTES = 512 << 20
"""Maximum of the parts of a workbook that is written anew, together and unpacked, in bytes."""

_UNREAD = ("customxml/", "docprops/", "xl/media/", "xl/drawings/", "xl/charts/", "xl/embeddings/", "xl/theme/")
_ODS_READ = ("content.xml", "meta-inf/manifest.xml")
_BLANKS_AND_REMARKS = re.compile(r"(?>\s+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_ENCODING = re.compile(r"""<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
_AS_UTF_8 = frozenset({"utf-8", "ascii"})

_REMARK = re.compile(r"<!--.*?-->|<\?(?!xml\s).*?\?>", re.DOTALL)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_SHAPES = re.compile(r"<table:shapes>.*?</table:shapes>|<text:ruby-text(?:\s[^>]*)?>.*?</text:ruby-text>", re.DOTALL)
_TAB = re.compile(r"<text:tab(?:\s[^>]*)?(?:/>|></text:tab>)")
_LINE_BREAK = re.compile(r"<text:line-break(?:\s[^>]*)?(?:/>|></text:line-break>)")
_TEXT_OF_NO_TYPE = re.compile(r'(<table:table-cell(?: table:style-name="[^"]*")?)(?=><text:p)')

_ODS_ODD = re.compile(
    rb"<text:(?:tab|line-break|ruby-text)[ />]|<table:shapes>"
    rb'|<table:table-cell(?: table:style-name="[^"]*")?><text:p'
)
_TABLE_TAG = re.compile(rb"<(/?)table:table[ >]")
_TABLE_IN_TABLE = re.compile(r"<table:table[ >](?:(?!</table:table>).)*?<table:table[ >]", re.DOTALL)

_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s[^>]*>")
_ATTRIBUTE = re.compile(rb"""([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_USUAL = {"styles": "xl/styles.xml", "sharedStrings": "xl/sharedstrings.xml"}
_TEXTS = re.compile(r"""\suniqueCount\s*=\s*["'](\d{1,30})["']""")
_BEGIN_TEXTS = b"\x9f\x01\x08"
"""The record that begins the shared texts of an .xlsb file; the number of all, and of different ones, follow."""
_MAX_RELATIONS_BYTES = 16 << 20
SAVE_ANEW = "Open it in a spreadsheet program and save it again"


def readable(container: Container) -> Container:
    """The same workbook, with the parts that parsers do not read as they are written anew.

    Raises MalformedFileError for a DTD, an encoding that is not known, or too much to be written anew.
    """
    if container.kind == "ods" and b":encryption-data" in (
        container.read("meta-inf/manifest.xml", _MAX_RELATIONS_BYTES) or b""
    ):
        raise encrypted(container.uri)
    encodings = {name: found for name, part in _read_parts(container) if (found := _encoding(container, part))}
    changed = {name: _decoded(container, name, encoding) for name, encoding in encodings.items()}
    if _declares_too_many_texts(container):
        text = changed.get(_USUAL["sharedStrings"]) or _decoded(container, _USUAL["sharedStrings"], "utf-8")
        changed[_USUAL["sharedStrings"]] = _TEXTS.sub("", text, count=1)
    moved = _moved(container)
    if container.kind == "ods" and ("content.xml" in changed or _odd_content(container)):
        text = changed.get("content.xml") or _decoded(container, "content.xml", "utf-8")
        changed["content.xml"] = _plain(text)
        if _TABLE_IN_TABLE.search(changed["content.xml"]):
            raise _refusal(
                container, container.parts["content.xml"], "has a table in a cell, whose values would be lost"
            )
    if not changed and not moved:
        return container
    return written_anew(container, {name: text.encode() for name, text in changed.items()}, moved)


def _moved(container: Container) -> dict[str, str]:
    """Usual name → real one of the parts that calamine looks for by name, where the workbook's relations name others."""
    if container.kind != "xlsx" or "xl/workbook.xml" not in container.parts:
        return {}
    moved = {}
    for found in relations(container):
        usual = _USUAL.get(found.get("Type", "").rpartition("/")[2])
        real = resolved(found.get("Target", "")).lower()
        if usual is not None and real != usual and real in container.parts:
            moved[usual] = real
    return moved


def relations(container: Container) -> Iterator[dict[str, str]]:
    """The attributes of each relation of the part that lists sheets."""
    name = f"xl/_rels/workbook.{'bin' if container.kind == 'xlsb' else 'xml'}.rels"
    return map(attributes, _RELATION.findall(container.read(name, _MAX_RELATIONS_BYTES) or b""))


def attributes(tag: bytes) -> dict[str, str]:
    return {
        name.decode(): unescape((double or single).decode("utf-8", "replace"))
        for name, double, single in _ATTRIBUTE.findall(tag)
    }


def resolved(target: str) -> str:
    """Name of the part that a relation of `xl/workbook.xml` leads to."""
    path = unquote(target).replace("\\", "/")
    return posixpath.normpath(path[1:] if path.startswith("/") else f"xl/{path}")


def _declares_too_many_texts(container: Container) -> bool:
    """Whether calamine would make room for more shared texts than there can be, and end the process for lack of memory."""
    part = container.parts.get("xl/sharedstrings.bin" if container.kind == "xlsb" else _USUAL["sharedStrings"])
    if part is None:
        return False
    head = container.head(part, _HEAD_BYTES)
    if container.kind != "xlsb":
        declared = _TEXTS.search(head.replace(b"\0", b"").decode("latin-1"))
        return declared is not None and int(declared[1]) > part.file_size
    if head.startswith(_BEGIN_TEXTS) and len(head) >= 11 and struct.unpack_from("<4xI", head, 3)[0] > part.file_size:
        raise _refusal(container, part, "declares more texts than it can hold")
    return False


def _read_parts(container: Container) -> Iterator[tuple[str, Part]]:
    for name, part in container.parts.items():
        is_read_of_xlsx = name.endswith((".xml", ".rels")) and not name.startswith(_UNREAD)
        if name in _ODS_READ if container.kind == "ods" else is_read_of_xlsx:
            yield name, part


def _encoding(container: Container, part: Part) -> str | None:
    """None when it is UTF-8. Raises MalformedFileError for a DTD."""
    size = _HEAD_BYTES
    while True:
        head = container.head(part, size)
        utf_16 = _utf_16(head)
        text = (
            head[: len(head) // 2 * 2].decode(utf_16, "replace")
            if utf_16
            else head.decode("latin-1").removeprefix("\xef\xbb\xbf")
        )
        prolog = _BLANKS_AND_REMARKS.match(text)
        assert prolog is not None, "it matches nothing too"
        rest = text[prolog.end() : prolog.end() + 9]
        if (len(rest) == 9 and not rest.startswith(("<!--", "<?"))) or len(head) < size:
            break
        if size >= _LONGEST_PROLOG_BYTES:
            raise _refusal(container, part, f"begins with over {size} bytes that are no element")
        size *= 16
    if rest == "<!DOCTYPE":
        raise _refusal(container, part, "has a document type declaration (DTD), which a workbook may not have")
    if utf_16:
        return utf_16
    declared = _ENCODING.match(text)
    if declared is None:
        return None
    try:
        name = codecs.lookup(declared[1]).name
        "".encode(name)  # some are of bytes, not of text
    except LookupError:
        raise _refusal(container, part, f"is in an encoding that is not known, {declared[1]!r}") from None
    return None if name in _AS_UTF_8 else name


def _utf_16(head: bytes) -> str | None:
    """Which form of UTF-16 it is in, if in any."""
    if not head.startswith(_UTF_16_MARKS):
        return None
    return "utf-16" if head.startswith(_UTF_16_MARKS[:2]) else "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"


def _decoded(container: Container, name: str, encoding: str) -> str:
    part = container.parts[name]
    if part.file_size > MAX_MENDED_BYTES:
        raise _refusal(container, part, "is too large to be put into a form that can be read")
    try:
        text = b"".join(container.inflate(part)).decode(encoding)
    except UnicodeDecodeError:
        raise _refusal(container, part, f"is not in the encoding that it declares, {encoding}") from None
    return _ENCODING.sub('<?xml version="1.0"', text, count=1)


def _odd_content(container: Container) -> bool:
    """Whether calamine would lose something of an .ods file's content."""
    carry = b""
    depth = 0
    for piece in container.inflate(container.parts["content.xml"]):
        text = carry + piece
        cut = text.rfind(b"<", 0, max(text.rfind(b"<"), 0))  # so that two tags side by side are seen together
        if cut < 0 or len(text) - cut > _LONGEST_TAGS_BYTES:
            cut = len(text)
        carry, text = text[cut:], text[:cut]
        if (b"!" in text and b"<!" in text) or text.count(b"<?") > text.startswith(b"<?") or _ODS_ODD.search(text):
            return True
        for tag in _TABLE_TAG.finditer(text):
            depth += -1 if tag[1] else 1
            if depth > 1:
                return True
    return False


def _plain(text: str) -> str:
    """Content of an .ods file as calamine reads it whole."""
    from xml.sax.saxutils import escape  # takes 20 ms, with all that urllib.request imports

    for pattern, instead in (
        (_REMARK, ""), (_SHAPES, ""), (_TAB, "&#9;"), (_LINE_BREAK, "&#10;"),
        (_TEXT_OF_NO_TYPE, r'\1 office:value-type="string"'),
    ):  # fmt: skip
        text = pattern.sub(instead, text)
    return _CDATA.sub(lambda found: escape(found[1]), text)


def written_anew(container: Container, changed: Mapping[str, bytes], moved: Mapping[str, str]) -> Container:
    """The workbook with other content for some parts, and parts under other names."""
    kept = {
        name: part
        for name, part in container.parts.items()
        if name not in changed and name not in moved and not name.startswith(_UNREAD) and not name.endswith("/")
    }
    if sum(part.file_size for part in kept.values()) + sum(map(len, changed.values())) > MAX_MENDED_BYTES:
        raise MalformedFileError(
            "the workbook is too large to be put into a form that can be read", uri=container.uri, remedy=SAVE_ANEW
        )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for part in kept.values():
            archive.writestr(part.filename, b"".join(container.inflate(part)))
        for name, data in changed.items():
            archive.writestr(container.parts[name].filename, data)
        for usual, real in moved.items():
            data = changed[real] if real in changed else b"".join(container.inflate(container.parts[real]))
            archive.writestr(usual, data)
    return replace(container, data=content.getvalue(), parts=parts_of(content.getvalue(), container.uri))


def _refusal(container: Container, part: Part, what: str) -> MalformedFileError:
    return MalformedFileError(f"part {part.filename!r} of the workbook {what}", uri=container.uri, remedy=SAVE_ANEW)
