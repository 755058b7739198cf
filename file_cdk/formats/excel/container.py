"""What an Excel file really is, told from its bytes, and whether it may be unpacked: before any parser sees it.

An .xlsx, .xlsm, .xlsb or .ods file is a zip archive of parts, an .xls file an OLE container of streams. Names and endings are not
looked at: files are often named after what somebody hoped they were.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Literal, Protocol

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedFileError
from file_cdk.formats.excel.ole import holds_workbook

_inflating: Any = import_module("isal.isal_zlib")  # twice as fast as zlib; its types do not say that it has errors

Kind = Literal["xlsx", "xlsb", "xls", "ods"]

MAX_EXPANSION_RATIO = 200
"""Maximum size of an unpacked workbook, in sizes of the packed one, if it is larger than MIN_SUSPECT_BYTES."""
MIN_SUSPECT_BYTES = 64 << 20

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_SECTORS = (b"\x09\0\x06\0", b"\x0c\0\x06\0")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_LOCAL_HEADER = struct.Struct("<26xHH")
_READ_BYTES = 128 << 10
_MAX_DEFLATE_RATIO = 1032

_SAVE_AS_XLSX = "Open it in a spreadsheet program and save it as .xlsx"
_SAVE_UNLOCKED = "Save it without one"


Part = zipfile.ZipInfo
"""A member of the zip archive, as its directory describes it. Sizes in bytes."""


@dataclass(frozen=True, slots=True)
class Container:
    """A workbook's bytes and what they are. parts: by name in lower case with forward slashes; none in an OLE container."""

    data: bytes
    kind: Kind
    uri: str
    parts: Mapping[str, Part]

    def inflate(self, part: Part) -> Iterator[bytes]:
        """The part's bytes in pieces. Raises MalformedFileError when they are damaged, or more than the directory says."""
        left = part.file_size
        try:
            for piece in self._pieces(part, left + 1):
                left -= len(piece)
                if left < 0:
                    what = f"part {part.filename!r} of the workbook is larger than the archive's directory says"
                    raise MalformedFileError(what, uri=self.uri)
                yield piece
        except (_inflating.error, struct.error):
            raise MalformedFileError(f"part {part.filename!r} of the workbook is damaged", uri=self.uri) from None

    def read(self, name: str, at_most: int) -> bytes | None:
        """A whole part; None when there is none, or when it is larger than `at_most`."""
        part = self.parts.get(name)
        if part is None or part.file_size > at_most:
            return None
        return b"".join(self.inflate(part))

    def head(self, part: Part, size_bytes: int) -> bytes:
        """The part's first bytes; none when they are damaged, which is reported when the part is read."""
        try:
            return next(self._pieces(part, size_bytes), b"")[:size_bytes]
        except (_inflating.error, struct.error):
            return b""

    def check_size(self, part: Part) -> None:
        """Raises MalformedFileError when the part is larger than the directory says, as far as that could do harm."""
        if part.compress_size * _MAX_DEFLATE_RATIO > MIN_SUSPECT_BYTES:
            for _ in self.inflate(part):
                pass

    def _pieces(self, part: Part, at_most: int) -> Iterator[bytes]:
        start = data_start(self.data, part)
        packed = memoryview(self.data)[start : start + part.compress_size]
        if part.compress_type == zipfile.ZIP_STORED:
            yield bytes(packed)
            return
        inflater = _inflating.decompressobj(-zlib.MAX_WBITS)
        for position in range(0, len(packed), _READ_BYTES):
            piece = inflater.decompress(packed[position : position + _READ_BYTES], at_most)
            yield piece
            at_most -= len(piece)
            if inflater.eof or at_most <= 0:
                return


def data_start(data: bytes, part: Part) -> int:
    """Position of the part's packed data in the archive. Raises struct.error when its header is not there."""
    name_bytes, extra_bytes = _LOCAL_HEADER.unpack_from(data, part.header_offset)
    return int(part.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes)


def identify(data: bytes, uri: str, max_unpacked_bytes: int) -> Container:
    """Raises MalformedFileError when the bytes are no workbook, are encrypted, or would unpack to too much."""
    if not data:
        raise MalformedFileError("is empty: it has no bytes", uri=uri)
    if data.startswith(_OLE):
        return Container(data, _ole_kind(data, uri), uri, {})
    if data.startswith(_ZIP):
        parts = parts_of(data, uri)
        _refuse_bombs(parts, len(data), uri, max_unpacked_bytes)
        return Container(data, _zip_kind(parts, uri), uri, parts)
    seems, remedy = _seems(data[:2048])
    raise MalformedFileError(f"is no Excel workbook: it seems to be {seems}", uri=uri, remedy=remedy)


def encrypted(uri: str) -> MalformedFileError:
    return MalformedFileError("the workbook is encrypted with a password", uri=uri, remedy=_SAVE_UNLOCKED)


def _ole_kind(data: bytes, uri: str) -> Kind:
    if data[30:34] not in _OLE_SECTORS:
        raise MalformedFileError("the workbook is damaged: its container has no valid header", uri=uri)
    if _ole_name("EncryptedPackage") in data:
        raise encrypted(uri)
    if holds_workbook(data) or _ole_name("Workbook") in data or _ole_name("Book") in data:
        return "xls"  # in a damaged container it may be said so alone
    other = "a Word document" if _ole_name("WordDocument") in data else "another kind of Office document"
    raise MalformedFileError(f"is no Excel workbook: it seems to be {other}", uri=uri)


def _ole_name(name: str) -> bytes:
    """The name as a directory entry of the container spells it."""
    return name.encode("utf-16-le") + b"\0\0"


def parts_of(data: bytes, uri: str) -> dict[str, Part]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error):
        raise MalformedFileError("the workbook is damaged or cut off: it is no whole zip archive", uri=uri) from None
    return {info.filename.replace("\\", "/").lower(): info for info in infos}


def _refuse_bombs(parts: Mapping[str, Part], packed_bytes: int, uri: str, max_unpacked_bytes: int) -> None:
    total = sum(part.file_size for part in parts.values())
    if total > MIN_SUSPECT_BYTES and total > MAX_EXPANSION_RATIO * packed_bytes:
        raise MalformedFileError(
            f"the workbook would unpack to {total} bytes, more than {MAX_EXPANSION_RATIO} times its size", uri=uri
        )
    if total > max_unpacked_bytes:
        raise MalformedFileError(
            f"the workbook would unpack to {total} bytes; {max_unpacked_bytes} are the most that are read",
            uri=uri,
            remedy="Split it, or save it as CSV",
        )


def _zip_kind(parts: Mapping[str, Part], uri: str) -> Kind:
    if "xl/workbook.bin" in parts:
        return "xlsb"
    if "xl/workbook.xml" in parts:
        return "xlsx"
    if "content.xml" in parts and "[content_types].xml" not in parts:
        return "ods"
    if "encryptedpackage" in parts or "encrypted-package" in parts:
        raise encrypted(uri)
    if any(name.startswith("word/") for name in parts):
        raise MalformedFileError("is no Excel workbook: it seems to be a Word document", uri=uri)
    if "[content_types].xml" in parts:
        return "xlsx"  # some programs have other names for its parts
    raise MalformedFileError("is no Excel workbook: it seems to be an archive of other files", uri=uri)


class _Test(Protocol):
    def __call__(self, head: bytes, /) -> object: ...


_SEEMS: tuple[tuple[_Test, str, str | None], ...] = (
    (re.compile(rb"\s*<(?:!doctype html|html|head|body|table|meta|div|style)", re.I).match, "an HTML page", _SAVE_AS_XLSX),
    (re.compile(rb"\s*<\?xml.*(?:urn:schemas-microsoft-com:office:spreadsheet|<(?:ss:)?Workbook)", re.S).match,
     "an XML spreadsheet of 2003", _SAVE_AS_XLSX),
    (re.compile(rb"\s*<\?xml.*<html", re.I | re.S).match, "an HTML page", _SAVE_AS_XLSX),
    (re.compile(rb"\s*<\?xml").match, "an XML document", _SAVE_AS_XLSX),
    (re.compile(rb"\s*mime-version:", re.I).match, "a web page archive (MHTML)", _SAVE_AS_XLSX),
    (re.compile(rb"\s*[{\[]").match, "JSON", "Read it with the format jsonl"),
    (re.compile(rb"\x09[\x00\x02\x04\x08]").match, "a workbook of Excel 4 or older", _SAVE_AS_XLSX),
    (re.compile(rb"%PDF").match, "a PDF document", None),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd").match, "compressed", "Give it the ending of its compression"),
    (re.compile(rb"PAR1").match, "Parquet", "Read it with the format parquet"),
)  # fmt: skip


def _seems(head: bytes) -> tuple[str, str | None]:
    """What bytes that are no workbook are, and what to do about it."""
    text = head
    for mark, codec in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(mark):
            text = head[len(mark) :].decode(codec, "replace").encode()
    for test, seems, remedy in _SEEMS:
        if test(text):
            return seems, remedy
    if b"\0" in text or sum(byte < 9 or 13 < byte < 32 for byte in text):
        return "something else", None
    if text.count(b"\n") and any(text.count(delimiter) for delimiter in (b",", b";", b"\t", b"|")):
        return "delimited text", "Read it with the format csv"
    return "plain text", "Read it with the format csv if it is a table"
