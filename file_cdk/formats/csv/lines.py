"""Bytes in the order they lie, and the lines of text in them, with the offset of each."""

import codecs
import io
import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, ClassVar

from file_cdk.core.errors import MalformedFileError
from file_cdk.formats.csv.dialect import Dialect, marked_encoding

PIECE_BYTES = 512 << 10
"""Bytes of one read, and of one piece decoded: larger ones leave the processor's cache, smaller ones pay for each call."""


class ForwardReader:
    """A stream read forwards, from which bytes just read can be read again without asking the store a second time."""

    def __init__(self, stream: "IO[bytes] | ForwardReader", piece_bytes: int = PIECE_BYTES) -> None:
        self.piece_bytes = piece_bytes
        self._stream = stream
        self._stream_at: int | None = None
        self._kept = b""
        self._kept_at = 0
        self.position = 0

    def seek(self, offset: int) -> None:
        self.position = offset

    def read(self, size: int) -> bytes:
        """Between 1 and `size` bytes; none at the end of the file only."""
        if 0 <= (skip := self.position - self._kept_at) < len(self._kept):
            data = self._kept[skip : skip + size]
        else:
            data = self._kept = self._fetch(size)
            self._kept_at = self.position
            self._stream_at = self.position + len(data)
        self.position += len(data)
        return data

    def _fetch(self, size: int) -> bytes:
        """What the stream has at the position."""
        if self._stream_at != self.position:
            self._stream.seek(self.position)
        return self._stream.read(size)

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes, or as many as there are; all of them can be read again."""
        parts = []
        while size > 0 and (part := self.read(size)):
            parts.append(part)
            size -= len(part)
        data = b"".join(parts)
        self.push_back(data)
        self.position += len(data)
        return data

    def push_back(self, data: bytes) -> None:
        """`data`, which ends at the position, is read again next."""
        if self._stream_at == self.position and len(data) > len(self._kept):
            self._kept, self._kept_at = data, self.position - len(data)
        self.position -= len(data)


class FootlessReader(ForwardReader):
    """Reads a file without its last lines, as if it ended before them.

    Blank lines do not count as lines, wherever they stand. What may yet turn out to be among the last ones is held back.
    Raises MalformedFileError when that is more than `limit` bytes.
    """

    def __init__(self, source: ForwardReader, lines: int, limit: int, uri: str) -> None:
        super().__init__(source, source.piece_bytes)
        self._source = source
        self._lines = lines
        self._limit = limit
        self._uri = uri
        self._given = memoryview(b"")
        self._held = b""
        self._ended = False

    def _fetch(self, size: int) -> bytes:
        if self._stream_at != self.position:
            self._source.seek(self.position)
            self._given, self._held, self._ended = memoryview(b""), b"", False
        while not self._given and not self._ended:
            chunk = self._source.read(max(size, len(self._held)))
            self._ended = not chunk
            data = self._held + chunk
            start = _start_of_last_lines(data, self._lines)
            self._given, self._held = memoryview(data)[:start], data[start:]
            if len(self._held) > self._limit:
                raise MalformedFileError("the lines to skip at the end are too large", uri=self._uri)
        data, self._given = bytes(self._given[:size]), self._given[size:]
        return data

    def end(self) -> int:
        """Where the file really ends, once all was read."""
        return self._source.position


def _start_of_last_lines(data: bytes, count: int) -> int:
    start = len(data)
    for line in reversed(data.splitlines(keepends=True)):
        if not count:
            break
        start -= len(line)
        count -= not line.isspace()
    return start


class RecordTooLargeError(Exception):
    """Internal to the row reader, which knows the row and tells the user."""


class Lines(ABC):
    """One iteration over lines with their ends (LF, CR or CRLF).

    offset: where the next line begins. count: lines handed out. record: the lines since `begin_record`.
    is_text: whether all their bytes are text; those that are not are escaped as surrogates.
    exhausted: whether the end of the file was met; `offset` then is where it lies.
    goes_on: whether lines can be had after RecordTooLargeError.
    """

    goes_on: ClassVar[bool]

    def __init__(self, reader: ForwardReader, offset: int, encoding: str, max_record_bytes: int) -> None:
        self.offset = offset
        self.count = 0
        self.record: list[str] = []
        self.is_text = True
        self.exhausted = False
        self._reader = reader
        self._encoding = encoding
        self._limit = max_record_bytes
        self._record_at = offset
        self._raw: list[bytes] = []
        reader.seek(offset)

    @abstractmethod
    def __iter__(self) -> Iterator[str]: ...

    @abstractmethod
    def _put_back(self, count: int) -> None:
        """All but the first `count` lines of the record are handed out again next."""

    def begin_record(self) -> None:
        self._record_at = self.offset
        self.is_text = True
        self.record.clear()
        self._raw.clear()

    def back_to(self, count: int) -> None:
        """Puts back all but the first `count` lines of the record: who iterates anew gets them again."""
        self._put_back(count)
        self.count -= len(self.record) - count
        del self.record[count:], self._raw[count:]
        self.offset = self._record_at + sum(map(len, self._raw))
        self.exhausted = False

    def raw_record(self) -> bytes:
        """The record's bytes as the file has them, without the line end after it."""
        return b"".join(self._raw).removesuffix(self._encoded("\n")).removesuffix(self._encoded("\r"))

    def _encoded(self, text: str) -> bytes:
        return text.encode(self._encoding)

    def _hand_out(self, text: str, raw: bytes) -> str:
        self.offset += len(raw)
        self.count += 1
        self.record.append(text)
        self._raw.append(raw)
        return text


class ByteLines(Lines):
    """Lines cut as bytes and decoded one by one: for encodings in which a line end's bytes mean nothing else.

    Raises UnicodeDecodeError at the line in question, whose beginning `offset` then is; `lenient`, goes on instead.
    """

    goes_on = True

    def __init__(
        self,
        reader: ForwardReader,
        offset: int,
        encoding: str,
        max_record_bytes: int,
        *,
        lenient: bool = False,
        chunk_bytes: int | None = None,
    ) -> None:
        super().__init__(reader, offset, encoding, max_record_bytes)
        self._lenient = lenient
        self._chunk_bytes = chunk_bytes or reader.piece_bytes
        self._waiting: deque[bytes] = deque()
        self._pending = b""

    def _put_back(self, count: int) -> None:
        self._waiting.extendleft(reversed(self._raw[count:]))

    def __iter__(self) -> Iterator[str]:
        waiting = self._waiting
        while waiting or self._fetch():
            while waiting:
                line = waiting.popleft()
                if self.offset + len(line) - self._record_at > self._limit:
                    waiting.appendleft(line)
                    raise RecordTooLargeError
                try:
                    text = line.decode(self._encoding)
                except UnicodeDecodeError:
                    if not self._lenient:
                        raise
                    text = line.decode(self._encoding, "surrogateescape")
                    self.is_text = False
                yield self._hand_out(text, line)
        self.exhausted = True

    def _fetch(self) -> bool:
        if self.offset + len(self._pending) - self._record_at > self._limit:
            raise RecordTooLargeError
        chunk = self._reader.read(max(self._chunk_bytes, len(self._pending)))
        lines = (self._pending + chunk).splitlines(keepends=True)
        # A line may go on in the next chunk, and a CR may turn out to be a CRLF.
        self._pending = b"" if not chunk or lines[-1].endswith(b"\n") else lines.pop()
        self._waiting.extend(lines)
        return bool(chunk or lines)


class TextLines(Lines):
    """Lines cut after decoding: for encodings such as UTF-16, always from the beginning of the file.

    Raises UnicodeDecodeError after the last good line before the bytes in question, whose `start` then counts from `offset`;
    `lenient`, it goes on instead, as far as the codec can tell where text begins again.
    footer_lines: so many lines at the end, blank ones not counted, are left out, unless they are among the first
    `header_lines`.
    """

    goes_on = False

    def __init__(
        self,
        reader: ForwardReader,
        encoding: str,
        max_record_bytes: int,
        *,
        lenient: bool = False,
        header_lines: int = 0,
        footer_lines: int = 0,
    ) -> None:
        super().__init__(reader, 0, encoding, max_record_bytes)
        self._errors = _ESCAPES.get(encoding[:6], "surrogateescape") if lenient else "strict"
        self._decoder = codecs.getincrementaldecoder(encoding)(self._errors)
        self._mark_bytes = len("".encode(encoding))
        self._header_lines = header_lines
        self._footer_lines = footer_lines
        self._waiting: deque[str] = deque()
        self._iterator = self._lines()

    def _put_back(self, count: int) -> None:
        self._waiting.extendleft(reversed(self.record[count:]))

    def __iter__(self) -> Iterator[str]:
        while (line := self._waiting.popleft() if self._waiting else next(self._iterator, None)) is not None:
            if not line.isascii():
                self._check(line)
            yield self._hand_out(line, self._encoded(line))
        self.exhausted = True
        self.offset = self._reader.position

    def _lines(self) -> Iterator[str]:
        lines = self._all_lines()
        yield from itertools.islice(lines, self._header_lines)
        yield from self._but_the_last(lines) if self._footer_lines else lines

    def _all_lines(self) -> Iterator[str]:
        pending = ""
        fault: UnicodeDecodeError | None = None
        at_end = False
        while not fault and not at_end:
            chunk = self._reader.read(self._reader.piece_bytes)
            at_end = not chunk
            at_beginning = self._reader.position == len(chunk)
            text, fault = self._decode(chunk)
            if at_beginning:
                text = self._without_mark(text, chunk)
            lines = list(io.StringIO(pending + text, newline=""))
            pending = lines.pop() if lines and not at_end and not lines[-1].endswith("\n") else ""
            yield from lines
            if self._size(pending) + self.offset - self._record_at > self._limit:
                raise RecordTooLargeError
        if fault:
            fault.start += self._size(pending)
            raise fault

    def _but_the_last(self, lines: Iterable[str]) -> Iterator[str]:
        held: deque[str] = deque()
        count, characters = self._footer_lines, 0
        try:
            for line in lines:
                held.append(line)
                count -= not line.isspace()
                characters += len(line)
                while count < 0:
                    first = held.popleft()
                    count += not first.isspace()
                    characters -= len(first)
                    yield first
                if characters > self._limit:
                    raise RecordTooLargeError
        except UnicodeDecodeError:
            yield from held  # the error is to come after what is before it; where the file ends, nobody will know
            raise

    def _decode(self, chunk: bytes) -> tuple[str, UnicodeDecodeError | None]:
        """The text, as far as it is good, and what is wrong after it, with `start` counted from that text's end."""
        try:
            return self._decoder.decode(chunk, final=not chunk), None
        except UnicodeDecodeError as exc:
            held_back = len(exc.object) - len(chunk)
            good = chunk[: max(0, exc.start - held_back)]
            exc.start = exc.end = 0
            return (self._decoder.decode(good) if good else ""), exc

    def _without_mark(self, text: str, chunk: bytes) -> str:
        """A byte order mark is no text; some codecs take it for themselves."""
        if text.startswith("\ufeff"):
            self.offset = self._size("\ufeff")
            return text[1:]
        if self._mark_bytes and marked_encoding(chunk[:4], ""):
            self.offset = self._mark_bytes
        return text

    def _check(self, line: str) -> None:
        try:
            line.encode("utf-8")  # a lone surrogate, which some codecs let pass, is no text
        except UnicodeEncodeError:
            if self._errors == "strict":
                raise
            self.is_text = False

    def _size(self, text: str) -> int:
        return len(self._encoded(text))

    def _encoded(self, text: str) -> bytes:
        try:
            encoded = text.encode(self._encoding, self._errors)
        except UnicodeEncodeError:  # characters that a codec decodes to, but has no bytes for
            encoded = text.encode(self._encoding, "replace")
        return encoded[self._mark_bytes :]


_ESCAPES = {"utf-16": "surrogatepass", "utf-32": "surrogatepass"}
"""How bytes that are no text are decoded for the time being, where surrogateescape cannot: a byte below 128 is always text
to it."""


def lines_of_file(reader: ForwardReader, dialect: Dialect, max_record_bytes: int) -> Lines:
    """All lines, a byte order mark left out."""
    if not dialect.is_line_safe:
        return TextLines(reader, dialect.encoding, max_record_bytes)
    reader.seek(0)
    has_mark = dialect.encoding == "utf-8" and reader.read_exactly(3) == codecs.BOM_UTF8
    return ByteLines(reader, 3 if has_mark else 0, dialect.encoding, max_record_bytes)
