"""How a CSV file's characters are to be read: delimiter, quotes, escapes and encoding, and what that allows."""

import codecs
import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from encodings import normalize_encoding
from functools import lru_cache
from importlib import import_module

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import ConfigError

FIELD_SIZE_LIMIT = 256 << 20
"""Characters that Python's csv module accepts in one value; its own default of 128 K is too few for documents in a cell."""

UTF8_BOM = codecs.BOM_UTF8


@dataclass(frozen=True, slots=True)
class Dialect:
    """The reference semantics are those of Python's `csv.reader` with these settings, not strict: a quote inside an
    unquoted value is text, and text after a closing quote belongs to the value."""

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    double_quote: bool = True
    encoding: str = "utf-8"

    @classmethod
    def of(cls, config: CsvConfig) -> "Dialect":
        """Raises ConfigError for a codec that does not decode text."""
        return cls(
            config.delimiter,
            config.quote_char,
            config.escape_char,
            config.double_quote,
            _encoding_name(config.encoding or "utf-8"),
        )

    @property
    def is_columnar(self) -> bool:
        """Whether Arrow's CSV reader, which takes one-byte marks and reads an escape character its own way, can read it."""
        return (
            self.escape is None
            and self.delimiter.isascii()
            and self.quote.isascii()
            and self.quote not in "\r\n"
            and self.is_line_safe
        )

    @property
    def is_line_safe(self) -> bool:
        """Whether the bytes of line ends, delimiters and quotes mean just that wherever they occur.

        Only then can a file be read from the middle.
        """
        return self.encoding == "utf-8" or _is_single_byte(self.encoding)

    @property
    def quote_bytes(self) -> bytes:
        return self.quote.encode(self.encoding)

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Rows as lists of values; lines keep their ends, a blank line gives an empty list."""
        if csv.field_size_limit() < FIELD_SIZE_LIMIT:
            csv.field_size_limit(FIELD_SIZE_LIMIT)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.double_quote,
        )

    def quoting(self, record: str) -> "Quoting":
        """Which values of one record's text stand in quotes: what `csv.reader` does not tell."""
        quoted = [False]
        at_start, inside, position = True, False, 0
        while position < len(record):
            char = record[position]
            position += 1
            if char == self.escape:
                position += 1
            elif inside:
                if char == self.quote:
                    if self.double_quote and record[position : position + 1] == self.quote:
                        position += 1
                    else:
                        inside = False
            elif char == self.quote and at_start:
                quoted[-1] = inside = True
            elif char == self.delimiter:
                quoted.append(False)
                at_start = True
                continue
            elif char in "\r\n":
                break
            at_start = False
        return Quoting(quoted, inside)


@dataclass(frozen=True, slots=True)
class Quoting:
    """quoted: per value. unclosed: the text ends inside quotes."""

    quoted: list[bool]
    unclosed: bool


CANONICAL = Dialect()
"""RFC 4180 in UTF-8: what rows read one by one are written in, to be typed by the reader that types whole pieces."""


@lru_cache(maxsize=64)
def _encoding_name(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    try:
        "-".encode(name)
    except LookupError:
        raise ConfigError(f"encoding {encoding!r} is not one of text") from None
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
