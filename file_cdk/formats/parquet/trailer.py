"""How a Parquet file ends, which tells where its footer is. Without pyarrow, for those who do not read by it.

Layout: https://parquet.apache.org/docs/file-format/
"""

from typing import IO

from file_cdk.core.errors import MalformedFileError
from file_cdk.core.files import RemoteFile

MAGIC = b"PAR1"
_MAGIC_ENCRYPTED = b"PARE"
TRAILER_BYTES = 8
"""Length of the footer (4 bytes, little endian), then the magic bytes."""
_SMALLEST_BYTES = len(MAGIC) + TRAILER_BYTES
DAMAGED = "is not a whole Parquet file: its footer is damaged or truncated"


def footer_bytes_of(stream: IO[bytes], file: RemoteFile, size_bytes: int) -> int:
    """Length of the footer, from the file's last bytes. Raises MalformedFileError."""
    if size_bytes < _SMALLEST_BYTES:
        raise MalformedFileError(f"is not a Parquet file: it has only {size_bytes} bytes", uri=file.uri)
    trailer = bytes_at(stream, size_bytes - TRAILER_BYTES, TRAILER_BYTES)
    if trailer.endswith(_MAGIC_ENCRYPTED):
        raise MalformedFileError("is an encrypted Parquet file, which this version cannot read", uri=file.uri)
    if not trailer.endswith(MAGIC):
        stream.seek(0)
        what = "is truncated" if stream.read(len(MAGIC)) == MAGIC else "is not a Parquet file"
        raise MalformedFileError(f"{what}: it does not end with the Parquet magic bytes", uri=file.uri)
    footer_bytes = int.from_bytes(trailer[:4], "little")
    if footer_bytes > size_bytes - _SMALLEST_BYTES:
        raise MalformedFileError(DAMAGED, uri=file.uri)
    return footer_bytes


def bytes_at(stream: IO[bytes], position: int, size_bytes: int) -> bytes:
    """Fewer where the stream ends before."""
    stream.seek(position)
    data = b""
    while len(data) < size_bytes and (piece := stream.read(size_bytes - len(data))):
        data += piece
    return data
