"""What answers consist of besides one JSON value: what is asked of the formats of files, and of those who unpack."""

from collections.abc import Callable, Iterator
from typing import IO, Protocol

from file_cdk.declarative.components.selection import CsvDecoder, JsonlDecoder
from file_cdk.declarative.records.cutting import Cut

Opened = Callable[[], IO[bytes]]
"""Opens a body at its beginning, as often as it is called; whoever calls it closes it."""


class BodyReader(Protocol):
    """Reads bodies of one format, any number at once. Picklable."""

    def pieces(self, body: Opened, size_bytes: int) -> Iterator[Cut]:
        """The records of a body in its order; never more of it in memory than a few pieces of some 100 KB. Rejected ones are
        numbered from the beginning of their piece. Raises AnswerError, with the line where it has one, for what cannot be read on
        from."""


class BodyFormats(Protocol):
    """All that a body may be but one JSON value. Picklable."""

    def reader(self, decoder: CsvDecoder | JsonlDecoder, where: str) -> BodyReader:
        """Raises ConfigError for a decoder that is none."""

    def elements(self) -> BodyReader:
        """Of bodies that are a JSON array."""

    def unpacked(self, body: IO[bytes]) -> Iterator[bytes]:
        """What gzip data unpacks to, in pieces; a body that is none as it is. Raises AnswerError for a damaged one."""

    def members(self, body: Opened, size_bytes: int) -> Iterator[Iterator[bytes]]:
        """Of a zip archive, in its order, each in pieces, to be taken one after the other. Raises AnswerError."""
