"""How a CSV file's characters are to be read: delimiter, quotes, escapes and encoding, and what that allows."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from encodings import normalize_encoding
from functools import lru_cache
from importlib import import_module

from file_cdk.core.config import CsvConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError

_FIELD_SIZE_LIMIT = 256 << 20
"""Characters that Python's csv module accepts in one value; its own default of 128 K is too few for documents in a cell."""

UTF8_BOM = codecs.BOM_UTF8

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as the one of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_NOT_OF_FILES = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Codecs that decode to text, but of names and of source code."""

_STAND_INS = "".join(map(chr, [*range(0x1F, 0x0D, -1), *range(0x08, 0x00, -1)]))
"""The likeliest to be free first: one byte each in UTF-8, and neither text nor line ends nor NUL."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """What stands for a delimiter in text for a reader whose delimiters are one character, and the way back.

    It stands for the delimiter inside quotes too. Lines come one by one, and nobody knows what the next ones have in them:
    hence an escape, so that no text is lost on the way, even one that has the stand-in itself.
    """

    delimiter: str
    mark: str
    escape: str

    @classmethod
    def of(cls, delimiter: str, taken: str) -> "StandIn":
        mark, escape = [char for char in _STAND_INS if char not in delimiter + taken][:2]
        return cls(delimiter, mark, escape)

    @staticmethod
    def free_in(piece: bytes, taken: str) -> str | None:
        """One that needs no escape, for a piece that is all there: it is not in there, nor among those `taken`."""
        return next((char for char in _STAND_INS if char not in taken and ord(char) not in piece), None)

    def into(self, text: str) -> str:
        """An occurrence of the delimiter is what is found first from the left: `a|||b` with `||` is `a` and `|b`."""
        if self._is_not_in(text):
            return text.replace(self.delimiter, self.mark)
        return self.mark.join(
            part.replace(self.escape, self.escape + "0").replace(self.mark, self.escape + "1")
            for part in text.split(self.delimiter)
        )

    def back(self, row: list[str]) -> list[str]:
        """The values of what `into` gave, as they were."""
        if self._is_not_in("".join(row)):
            return row
        originals = {self.mark: self.delimiter, self.escape + "0": self.escape, self.escape + "1": self.mark}
        marks = re.compile(f"{self.mark}|{self.escape}[01]")
        return [marks.sub(lambda found: originals[found[0]], value) for value in row]

    def _is_not_in(self, text: str) -> bool:
        return self.mark not in text and self.escape not in text


@dataclass(frozen=True, slots=True)
class Dialect:
    """The reference semantics are those of Python's `csv.reader` with these settings, not strict: a quote inside an
    unquoted value is text, and text after a closing quote belongs to the value. A delimiter of several characters is one
    wherever it stands outside quotes, found from the left; an escape character before it makes all of it text.

    quote: None where files have none. comment: a line that begins with it, where a record might begin, is none.
    skips_blanks: those before a value, of which the quote after them is the first character."""

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    double_quote: bool = True
    encoding: str = "utf-8"
    comment: str | None = None
    skips_blanks: bool = False

    @classmethod
    def of(cls, config: CsvConfig) -> "Dialect":
        """Raises ConfigError for a codec that does not decode files of text, or marks that contain one another."""
        if any(mark and mark in config.delimiter for mark in (config.quote_char, config.escape_char)):
            raise ConfigError("delimiter must not contain quote_char or escape_char")
        return cls(
            config.delimiter,
            config.quote_char or None,
            config.escape_char,
            config.double_quote,
            _encoding_name(config.encoding or "utf-8"),
            config.comment_char,
            config.skip_initial_space,
        )

    @property
    def is_columnar(self) -> bool:
        """Whether Arrow's CSV reader, which takes a one-byte quote and reads an escape character its own way, can read it.

        Delimiters of several bytes get a stand-in, blanks before values are taken out, and pieces with comments cut around them.
        """
        if self.escape is not None or not self.is_line_safe:
            return False
        return self.quote is None or (self.quote.isascii() and self.quote not in "\r\n")

    @property
    def has_plain_delimiter(self) -> bool:
        """Whether the delimiter is one byte in UTF-8."""
        return len(self.delimiter) == 1 and self.delimiter.isascii()

    @property
    def is_line_safe(self) -> bool:
        """Whether the bytes of line ends, delimiters and quotes mean just that wherever they occur.

        Only then can a file be read from the middle.
        """
        return self.encoding == "utf-8" or _is_single_byte(self.encoding)

    @property
    def quote_bytes(self) -> bytes | None:
        return None if self.quote is None else self.quote.encode(self.encoding)

    def reader(self, lines: Iterable[str], *, strict: bool = False) -> Iterator[list[str]]:
        """Rows as lists of values; lines keep their ends, a blank line gives an empty list, and so does a comment.

        strict: raises csv.Error for text after a closing quote (where quotes can be doubled) and for one that never closes.
        """
        if csv.field_size_limit() < _FIELD_SIZE_LIMIT:
            csv.field_size_limit(_FIELD_SIZE_LIMIT)
        if self.comment is not None:
            blanked = _CommentsBlanked(lines, self.comment)
            return blanked.between(replace(self, comment=None).reader(blanked, strict=strict))
        if len(self.delimiter) > 1:
            stand_in, marked = self._marked()
            return map(stand_in.back, marked.reader(map(stand_in.into, lines), strict=strict))
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.double_quote,
            skipinitialspace=self.skips_blanks,
            quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            strict=strict,
        )

    def _marked(self) -> tuple[StandIn, "Dialect"]:
        stand_in = StandIn.of(self.delimiter, (self.quote or "") + (self.escape or ""))
        return stand_in, replace(self, delimiter=stand_in.mark)

    def quoting(self, record: str) -> "Quoting":
        """Which values of one record's text stand in quotes: what `csv.reader` does not tell."""
        if len(self.delimiter) > 1:
            stand_in, marked = self._marked()
            return marked.quoting(stand_in.into(record))
        quoted = [False]
        at_start, inside, closed, text_after, position = True, False, False, False, 0
        while position < len(record):
            char = record[position]
            position += 1
            if char == " " and at_start and self.skips_blanks:
                continue
            if char == self.escape:
                position += 1
                text_after |= closed
            elif inside:
                if char == self.quote:
                    if self.double_quote and record[position : position + 1] == self.quote:
                        position += 1
                    else:
                        inside, closed = False, True
            elif char == self.quote and at_start:
                quoted[-1] = inside = True
            elif char == self.delimiter:
                quoted.append(False)
                at_start, closed = True, False
                continue
            elif char in "\r\n":
                break
            else:
                text_after |= closed and char != " "
            at_start = False
        return Quoting(quoted, inside, text_after)


class _CommentsBlanked:
    """Lines, with a blank one in place of a comment; whether a record begins at a line is known from the rows read so far,
    for the reader takes no line before it needs it."""

    def __init__(self, lines: Iterable[str], comment: str) -> None:
        self._lines = iter(lines)
        self._comment = comment
        self._at_record = True

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            at_record, self._at_record = self._at_record, False
            yield "\n" if at_record and line.startswith(self._comment) else line

    def between(self, rows: Iterator[list[str]]) -> Iterator[list[str]]:
        """The rows that are read of these lines."""
        for row in rows:
            self._at_record = True
            yield row


@dataclass(frozen=True, slots=True)
class Quoting:
    """quoted: per value. unclosed: the text ends inside quotes. text_after: more than blanks stand between a closing quote and
    the delimiter after it."""

    quoted: list[bool]
    unclosed: bool
    text_after: bool = False


CANONICAL = Dialect()
"""RFC 4180 in UTF-8: what rows read one by one are written in, to be typed by the reader that types whole pieces."""


def marked_encoding(beginning: bytes, configured: str) -> str | None:
    """The encoding that a byte order mark at the beginning of a file says it has; None without one, or when it is the one
    `configured` anyhow."""
    for mark, encoding in _MARKS:
        if beginning.startswith(mark) and not (mark == codecs.BOM_UTF32_LE and configured.startswith("utf-16")):
            return None if configured.startswith(encoding) and _takes(configured, mark) else encoding
    return None


def _takes(encoding: str, mark: bytes) -> bool:
    """Whether a codec of the family reads what begins with `mark`: one of a fixed byte order may not."""
    return mark.decode(encoding, "replace") in ("", "\ufeff")


@lru_cache(maxsize=64)
def _encoding_name(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    try:
        if name in _NOT_OF_FILES:
            raise LookupError
        "-".encode(name)
        codecs.getincrementaldecoder(name)
    except LookupError:
        raise ConfigError(f"encoding {encoding!r} is not one of text files") from None
    # The mark at the beginning is skipped in any case.
    return "utf-8" if name == "utf-8-sig" else name


@lru_cache(maxsize=64)
def _is_single_byte(encoding: str) -> bool:
    """Whether every byte is one character on its own, the ASCII bytes are the ASCII characters, and no others are."""
    if encoding == "ascii":
        return True
    try:
        # Trying bytes out would not tell: ISO 2022 looks like ASCII until an escape sequence comes.
        codec = import_module(f"encodings.{normalize_encoding(encoding)}")
    except ImportError:
        return False
    table: str = getattr(codec, "decoding_table", "")
    return table[:128] == bytes(range(128)).decode("ascii") and not any(char.isascii() for char in table[128:])
