"""What streams of bytes that are made here have in common."""

import io


class ByteStream(io.RawIOBase):
    """A stream to read and to seek in; a subclass gives `read`, `seek` and `tell`."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)
