"""Delimiters that a CSV reader of one-character marks cannot take: a character that stands in for them, and the way back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NO_CHARACTERS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
"""Code points that Unicode promises never to make characters."""

_CONTROL_BYTES = bytes([*range(0x1F, 0x0D, -1), *range(0x08, 0x00, -1)])
"""Bytes for a stand-in in UTF-8, the likeliest to be free first: neither text nor line ends nor NUL."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """Text in which one character stands for the delimiter, inside quotes too, and back: no text is lost on the way, even
    one that has the stand-in itself."""

    delimiter: str
    mark: str
    escape: str

    @classmethod
    def of(cls, delimiter: str) -> "StandIn":
        mark, escape = [char for char in _NO_CHARACTERS if char not in delimiter][:2]
        return cls(delimiter, mark, escape)

    def into(self, text: str) -> str:
        """An occurrence of the delimiter is what is found first from the left: `a|||b` with `||` is `a` and `|b`."""
        if text.isascii() or not (self.mark in text or self.escape in text):
            return text.replace(self.delimiter, self.mark)
        return self.mark.join(
            part.replace(self.escape, self.escape + "0").replace(self.mark, self.escape + "1")
            for part in text.split(self.delimiter)
        )

    def back(self, value: str) -> str:
        """A value of what `into` gave, as it was."""
        if value.isascii() or not (self.mark in value or self.escape in value):
            return value
        originals = {self.mark: self.delimiter, self.escape + "0": self.escape, self.escape + "1": self.mark}
        return re.sub(f"{self.mark}|{self.escape}[01]", lambda found: originals[found[0]], value)

    def rows_back(self, rows: Iterator[list[str]]) -> Iterator[list[str]]:
        for row in rows:
            yield [self.back(value) for value in row]


def free_byte(text: bytes, taken: bytes) -> bytes | None:
    """A control character that is neither in `text` nor among those `taken`; None when there is none."""
    for code in _CONTROL_BYTES:
        if code not in taken and code not in text:
            return bytes([code])
    return None
