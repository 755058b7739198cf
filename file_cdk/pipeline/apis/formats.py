"""The formats of answers that are more than JSON. What reads them is imported for such an answer alone: it takes 14 ms."""

from collections.abc import Iterator
from typing import IO

import msgspec

from file_cdk.declarative.components.selection import CsvDecoder, JsonlDecoder
from file_cdk.declarative.records.bodies import BodyReader, Opened


class FileFormats(msgspec.Struct, frozen=True):
    """The port BodyFormats."""

    def reader(self, decoder: CsvDecoder | JsonlDecoder, where: str) -> BodyReader:
        from file_cdk.pipeline.apis.bodies import csv_reader

        return self.elements() if isinstance(decoder, JsonlDecoder) else csv_reader(decoder, where)

    def elements(self) -> BodyReader:
        from file_cdk.pipeline.apis.bodies import JsonReader

        return JsonReader()

    def unpacked(self, body: IO[bytes]) -> Iterator[bytes]:
        from file_cdk.pipeline.apis.bodies import unpacked

        return unpacked(body)

    def members(self, body: Opened, size_bytes: int) -> Iterator[Iterator[bytes]]:
        from file_cdk.pipeline.apis.bodies import members

        return members(body, size_bytes)
