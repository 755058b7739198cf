"""The pipe of each worker, on the parent's side: blocks of output in their order, moved on without a copy if the kernel can."""

import errno
import os
import select
from collections import deque
from dataclasses import field

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import InternalError, OutputClosedError
from file_cdk.core.system.output import write_all

_CANNOT_SPLICE = {errno.EINVAL, errno.ENOSYS, errno.EBADF}


@dataclass(slots=True, eq=False)
class PipeBlock:
    """A block of output in its worker's pipe, or `taken` out of it."""

    size_bytes: int
    rows: int
    pipe: "WorkerPipe"
    repeats: bool = False
    taken: bytes | bytearray | None = None

    def read(self) -> bytes | bytearray:
        if self.taken is None:
            self.pipe.advance_to(self)
            try:
                self.taken = self.pipe.read_exactly(self.size_bytes)
            except EOFError:
                self.pipe.unread.appendleft(self)  # for `bury` to find that it was never received
                raise
        return self.taken

    def copy_to(self, fd: int) -> None:
        if self.taken is None and self.size_bytes <= self.pipe.size_bytes and hasattr(os, "splice"):
            self.pipe.advance_to(self)
            self.taken = b""
            self.pipe.splice_exactly(self.size_bytes, fd)
        else:
            write_all(fd, self.read())

    def drop(self) -> None:
        self.read()
        self.taken = b""


@dataclass(slots=True, eq=False)
class WorkerPipe:
    """size_bytes: what it holds. unread: the blocks in it."""

    fd: int
    size_bytes: int
    unread: deque[PipeBlock] = field(default_factory=deque)

    def advance_to(self, block: PipeBlock) -> None:
        """Makes `block` the next in the pipe, dropping blocks in front of it that repeat earlier ones."""
        while (first := self.unread[0]) is not block:
            if not first.repeats:
                raise InternalError("blocks of output were taken out of order")
            first.drop()
        self.unread.popleft()

    def read_exactly(self, size: int) -> bytes | bytearray:
        """Raises EOFError when the worker died before it wrote all of it."""
        first = os.read(self.fd, min(size, self.size_bytes))
        if len(first) == size:  # most blocks: memory that is filled with zeros first takes longer
            return first
        if not first:
            raise EOFError
        data = bytearray(size)
        data[: len(first)] = first
        view = memoryview(data)[len(first) :]
        while view:
            count = os.readv(self.fd, [view])
            if not count:
                raise EOFError
            view = view[count:]
        return data

    def splice_exactly(self, size: int, fd: int) -> None:
        """Moves bytes that are in the pipe to `fd`, without copying them where the kernel can."""
        left = size
        while left:
            try:
                left -= os.splice(self.fd, fd, left)
            except BlockingIOError:
                select.select([], [fd], [])
            except BrokenPipeError as exc:
                raise OutputClosedError("whoever reads the output has closed it") from exc
            except OSError as exc:
                if exc.errno not in _CANNOT_SPLICE:  # a terminal, or a file opened for appending
                    raise
                write_all(fd, self.read_exactly(left))
                return
