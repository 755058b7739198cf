"""Bytes of one file, read forward in whole lines: a line ends at `\\n` only and belongs to the split its first byte lies in."""

from dataclasses import dataclass
from typing import IO

from file_cdk.core.files import Split
from file_cdk.core.ports import MAX_RAW_BYTES

PIECE_BYTES = 128 * 1024
"""Bytes read and checked at a time: large enough to make a call's cost small, small enough to stay in the CPU's cache."""

BOM = b"\xef\xbb\xbf"

_TAIL_BYTES = 64 * 1024
_MAX_SKIP = 16
"""A line longer than the limit is passed over up to this many times the limit."""


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line longer than the limit, its beginning kept. ends: whether its end was found, and the source stands after it."""

    beginning: bytes
    ends: bool


class LineSource:
    """A stream and the position of the byte that comes next; bytes may be put back to be read once more."""

    def __init__(self, stream: IO[bytes], max_line_bytes: int) -> None:
        self._stream = stream
        self._max_line_bytes = max_line_bytes
        self._ahead = b""
        self._ahead_from = 0
        self.position = 0

    def seek(self, position: int) -> None:
        self._stream.seek(position)
        self._ahead, self._ahead_from = b"", 0
        self.position = position

    def pull(self, size: int) -> bytes:
        """The next bytes, `size` or fewer; none at the file's end."""
        if self._ahead:
            data = self._ahead[self._ahead_from : self._ahead_from + size]
            self._ahead_from += len(data)
            if len(data) < size:
                data += self._stream.read(size - len(data))
                self._ahead, self._ahead_from = b"", 0
        else:
            data = self._stream.read(size)
        self.position += len(data)
        return data

    def put_back(self, data: bytes) -> None:
        """Has the bytes that were pulled last come again."""
        self.position -= len(data)
        if self._ahead_from >= len(data):
            self._ahead_from -= len(data)
        else:
            self._ahead, self._ahead_from = data + self._ahead[self._ahead_from :], 0

    def seek_first_line(self, split: Split) -> bool:
        """Goes to where the first line at or after the split's start begins; False if none does within the limit."""
        if split.is_first or split.at_record:
            self.seek(split.start)
            return True
        self.seek(split.start - 1)  # a line end just before the split makes its first byte the first of a line
        while block := self.pull(_TAIL_BYTES):
            if cut := block.find(b"\n") + 1:
                self.put_back(block[cut:])
                return True
            if self.position - split.start > self._max_line_bytes:
                return False
        return True

    def next_lines(self, end: int) -> bytes | LongLine:
        """Whole lines that begin before `end`, about PIECE_BYTES of them; the file's last line need not have an end.

        Empty when no line begins before `end`.
        """
        wanted = end - self.position
        if wanted <= 0:
            return b""
        block = self.pull(min(PIECE_BYTES, wanted))
        if len(block) < wanted and (cut := block.rfind(b"\n") + 1):
            self.put_back(block[cut:])
            return block[:cut]
        return block if block.endswith(b"\n") else self._to_line_end(block)

    def _to_line_end(self, block: bytes) -> bytes | LongLine:
        """The block, and what its last line lacks."""
        line_start = block.rfind(b"\n") + 1
        while more := self.pull(max(_TAIL_BYTES, len(block))):
            if cut := more.find(b"\n") + 1:
                self.put_back(more[cut:])
                return block + more[:cut]
            block += more
            limit = self._max_line_bytes
            if self.position == len(block) and block.startswith(BOM):
                limit += len(BOM)
            if len(block) - line_start > limit:
                if not line_start:
                    return self._pass_over(block)
                self.put_back(block[line_start:])
                return block[:line_start]
        return block

    def _pass_over(self, block: bytes) -> LongLine:
        beginning, passed = block[:MAX_RAW_BYTES], len(block)
        while passed <= _MAX_SKIP * self._max_line_bytes:
            block = self.pull(PIECE_BYTES)
            cut = block.find(b"\n") + 1
            if cut or not block:
                self.put_back(block[cut:])
                return LongLine(beginning, ends=True)
            passed += len(block)
        return LongLine(beginning, ends=False)


class Window:
    """Bytes pulled from a source and held, from where a reader works on to as far as it had to look ahead.

    offset: position in the file of the first byte of `data`. at_file_end: the file ends with `data`.
    """

    def __init__(self, source: LineSource, data: bytes) -> None:
        self._source = source
        self.offset = source.position - len(data)
        self.data = data
        self.at_file_end = False

    def reach(self, index: int) -> int:
        """Reads until `data` goes to `index`; returns `index`, or the end of `data` where the file ends before."""
        while len(self.data) < index and not self.at_file_end:
            more = self._source.pull(max(_TAIL_BYTES, index - len(self.data), len(self.data) // 2))
            self.data += more
            self.at_file_end = not more
        return min(index, len(self.data))

    def line_end(self, index: int, limit: int) -> int | None:
        """Behind the line end at or after `index`, or where the file ends; None if neither is within `limit` bytes."""
        searched = index
        while not (cut := self.data.find(b"\n", searched, index + limit + 1) + 1):
            searched = min(len(self.data), index + limit + 1)
            if searched - index > limit:
                return None
            if self.reach(2 * searched - index + 1) == searched:
                return searched
        return cut

    def drop(self, index: int) -> None:
        """Forgets what is before `index`, which becomes 0."""
        self.data = self.data[index:]
        self.offset += index

    def give_back(self, index: int) -> None:
        """Has the source go on at `index`."""
        self._source.put_back(self.data[index:])
