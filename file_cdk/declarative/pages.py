"""One page of a slice, as it comes from an API and goes into the output."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from file_cdk.declarative.slices import Slice


class Token(msgspec.Struct, frozen=True):
    """Where a page begins, as the paginator names it. number: of the page in its slice, from 0.

    value: a page number, an offset, a cursor or a URL; None for a first page that sends none.
    is_next_known: whether the token after it follows from this one alone, so that its page may be asked for ahead.
    anchor: the value of an earlier token, by which the paginator finds out that tokens go round in a circle.
    """

    number: int
    value: Any = None
    is_next_known: bool = False
    anchor: Any = None


class Rejected(msgspec.Struct, frozen=True):
    """A record that cannot be read, or made into JSON. number: in its page, from 0. reason: in words, without its values."""

    number: int
    reason: str


class Page(msgspec.Struct, frozen=True):
    """records found = emitted + filtered + rejected.

    records: the JSON text of each that is emitted, as it goes out; of a large answer in a file, to be gone through in order
    (see page_records). cursor_values: of each of them, as it stands in the record,
    None where it is missing; empty where the stream has no cursor.
    following: the next page; None after the last one. ended_early: why the slice ends here although more may be there (a
    response that was ignored, a page shorter than the page size), in words; None where its end was to be expected.
    """

    records: Sequence[bytes]
    cursor_values: Sequence[Any]
    found: int
    filtered: int
    rejected: Sequence[Rejected]
    following: Token | None
    ended_early: str | None = None


class PageReader(Protocol):
    """Asks for pages of one stream; any number of threads at once."""

    def first(self, of: Slice) -> Token: ...

    def page(self, of: Slice, token: Token) -> Page:
        """Sends the request, again where the error handler says so, and cuts the records out of the answer. Raises a FileCdkError
        where the answer is an error."""

    def ahead(self, of: Slice, token: Token) -> Token | None:
        """The token after this one where it follows from it alone; None where the answer decides."""
