"""What a reader of archives is given to unpack their members with."""

from dataclasses import dataclass
from typing import IO, cast


@dataclass(frozen=True, slots=True)
class Unpacker:
    """Opens compressed streams; nothing is imported before the first. max_expansion_ratio: see compression.PlainStream."""

    max_expansion_ratio: int = 200

    def open_compressed(self, stream: IO[bytes], codec: str, uri: str) -> IO[bytes]:
        """See compression.open_plain."""
        from file_cdk.compression.plain import open_plain

        return cast(IO[bytes], open_plain(stream, codec, uri, self.max_expansion_ratio))

    def open_zip_member(
        self, stream: IO[bytes], uri: str, *, method: int, flags: int, size_bytes: int, crc32: int
    ) -> IO[bytes]:
        """See compression.open_zip_member."""
        from file_cdk.compression.plain import open_zip_member

        member = open_zip_member(
            stream, uri, self.max_expansion_ratio, method=method, flags=flags, size_bytes=size_bytes, crc32=crc32
        )
        return cast(IO[bytes], member)
