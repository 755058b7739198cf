"""Bytes of one file, read forward in whole lines: a line ends at `\\n` only and belongs to the split its first byte lies in."""

from typing import IO

from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import Split
from file_cdk.core.ports import MAX_RAW_BYTES

PIECE_BYTES = 128 * 1024
"""Size of what is read and checked at a time, in bytes: large against the cost of a call, small enough for the CPU's cache."""

BOM = b"\xef\xbb\xbf"

LONG_LINE_BYTES = 1024 * 1024
"""Maximum length of a line that is held as a whole, in bytes: a longer one may be the file's only line, with all its records."""

_TAIL_BYTES = 64 * 1024
_MAX_SKIP = 16
"""Maximum length of a line that is passed over for a record that is too long, as a multiple of the limit on records."""


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line longer than LONG_LINE_BYTES, or than a record may be: its beginning, behind which the source stands."""

    beginning: bytes


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

    def peek(self, size: int) -> bytes:
        """The next bytes, which come again; fewer than `size` at the file's end only."""
        data = self.pull(max(size, _TAIL_BYTES))
        self.put_back(data)
        return data[:size]

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

    def next_lines(self, end: int, size_bytes: int = PIECE_BYTES) -> bytes | LongLine:
        """Whole lines that begin before `end`, about `size_bytes` of them; the file's last line need not have an end.

        Empty when no line begins before `end`.
        """
        wanted = end - self.position
        if wanted <= 0:
            return b""
        block = self.pull(min(size_bytes, wanted))
        if len(block) < wanted and (cut := block.rfind(b"\n") + 1):
            self.put_back(block[cut:])
            return block[:cut]
        return block if block.endswith(b"\n") else self._to_line_end(block)

    def _to_line_end(self, block: bytes) -> bytes | LongLine:
        """The block, and what its last line lacks; without its last line, if that is long and not alone in it."""
        line_start = block.rfind(b"\n") + 1
        wanted = _TAIL_BYTES  # as much as is fetched with a split
        while more := self.pull(wanted):
            if cut := more.find(b"\n") + 1:
                self.put_back(more[cut:])
                return block + more[:cut]
            block += more
            wanted = max(_TAIL_BYTES, len(block))
            if len(block) - line_start > min(LONG_LINE_BYTES, self._max_line_bytes):
                if not line_start:
                    return LongLine(block)
                self.put_back(block[line_start:])
                return block[:line_start]
        return block

    def pass_over_line(self) -> tuple[bytes, bool]:
        """The beginning of what is left of the line; and whether it ends, and the source stands behind it."""
        beginning = self.pull(MAX_RAW_BYTES)
        if cut := beginning.find(b"\n") + 1:
            self.put_back(beginning[cut:])
            return beginning[: cut - 1], True
        passed = len(beginning)
        while passed <= _MAX_SKIP * self._max_line_bytes:
            block = self.pull(PIECE_BYTES)
            cut = block.find(b"\n") + 1
            if cut or not block:
                self.put_back(block[cut:] if cut else b"")
                return beginning, True
            passed += len(block)
        return beginning, False


class HeldText:
    """Bytes pulled from a source and held: from the place where a reader works to the place to which it had to look ahead.

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

    def drop(self, index: int) -> None:
        """Forgets what is before `index`, which becomes 0."""
        self.data = self.data[index:]
        self.offset += index

    def give_back(self, index: int) -> None:
        """Has the source go on at `index`."""
        self._source.put_back(self.data[index:])
