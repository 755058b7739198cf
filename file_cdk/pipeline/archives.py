"""A stream's reader, which looks into archives."""

from file_cdk.core.config import StreamConfig
from file_cdk.core.ports import StreamReader
from file_cdk.formats.unpacker import Unpacker
from file_cdk.readers.archives.reader import ArchiveReader
from file_cdk.readers.globbing import GlobPatterns


def with_archives(reader: StreamReader, matcher: GlobPatterns, stream: StreamConfig) -> StreamReader:
    return ArchiveReader(reader, matcher, Unpacker(stream.max_expansion_ratio))
