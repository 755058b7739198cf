"""Writing to a descriptor that others read."""

import os
import select

from file_cdk.core.errors import OutputClosedError


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Writes all of it, waiting where the descriptor does not block by itself.

    Raises OutputClosedError when the reading side has gone, OSError for anything else.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except BrokenPipeError as exc:
            raise OutputClosedError("whoever reads the output has closed it") from exc
