"""Any format, compressed: the wrapper that unpacks files before the format inside reads them.

What unpacks is imported by who reads, not by the parent of the workers that do.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

from file_cdk.core.column_ports import Locating, Place
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedFileError, SequentialOnlyError, no_room_to_unpack
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.joining import Joined, WholeFile, joining_format
from file_cdk.core.ports import Format, FormatFacts, JsonLines, SplitReport
from file_cdk.core.uris import compression_of, split_member, tar_compression

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.compression.plain import PlainStream

UNKNOWN_SIZE = 1 << 62
"""Size of plain data that is read forwards: known when it ends."""

_PEEK_BYTES = 64 << 10
_IN_MEMORY_BYTES = 8 << 20
_COPY_BYTES = 1 << 20
_NEVER_PLAIN = frozenset({"lzma", "lz4", "snappy"})
"""No tool leaves plain data under such a name; but there are relatives of these formats that cannot be read."""

_Batch = TypeVar("_Batch", bound="pa.RecordBatch | JsonLines | Place")
_Schema = TypeVar("_Schema")


@dataclass(frozen=True, slots=True)
class Unpacking:
    """Files of the format `inner`, compressed or not; implements core.ports.Format.

    A file is compressed when its beginning says so: gzip, bzip2, xz, zstd, lz4 and snappy frames, whatever its name; .lzma
    by its name as well. A name that promises compression over plain data is read as it is, with a warning. A compressed
    file is one split. Byte positions of records and rejects are those of the plain data; of damage to the compressed data,
    about those in the file.

    Memory: of what `inner` takes, and a few MiB. A format that cannot read forwards gets a temporary file without a name,
    in memory up to 8 MiB, that holds all the plain data.
    max_expansion_ratio: plain bytes per compressed byte, above 64 MiB; what unpacks to more is refused.
    """

    inner: Format
    max_expansion_ratio: int = 200

    @property
    def facts(self) -> FormatFacts:
        return self.inner.facts

    @property
    def joins(self) -> bool:
        return joining_format(self.inner) is not None

    def join_records(self, files: Sequence[WholeFile], json_schema: Mapping[str, Any] | None) -> Joined | int:
        """As `inner` does, of files that are not compressed; see core.joining."""
        inner = joining_format(self.inner)
        assert inner is not None
        plain = list(takewhile(_is_plain, files))
        return inner.join_records(plain, json_schema) if plain else 1

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """As `inner` does. Raises MalformedFileError for damage in what it looks at."""
        return self._infer(stream, file, self.inner.infer_json_schema)

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        """See `infer_json_schema`."""
        return self._infer(stream, file, self.inner.infer_table_schema)

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> "Iterator[pa.RecordBatch | JsonLines]":
        """As `inner` does; also raises MalformedFileError where compressed data is damaged, cut off or unpacks to too much,
        after the records before it, and SequentialOnlyError for one of several splits of a compressed file."""

        def read(plain: IO[bytes], part: Split) -> "Iterator[pa.RecordBatch | JsonLines]":
            return self.inner.read_records(plain, part, json_schema, report)

        return self._read(stream, split, report, read)

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> "Iterator[pa.RecordBatch]":
        """See `read_records`."""

        def read(plain: IO[bytes], part: Split) -> "Iterator[pa.RecordBatch]":
            return self.inner.read_table(plain, part, schema, report)

        return self._read(stream, split, report, read)

    def locate(self, stream: IO[bytes], split: Split, report: SplitReport) -> "Iterator[Place] | None":
        """See core.column_ports.Locating; of a compressed file, places in what it unpacks to."""
        inner = self.inner
        if not isinstance(inner, Locating):
            return None

        def read(plain: IO[bytes], part: Split) -> "Iterator[Place]":
            return inner.locate(plain, part, report) or iter(())

        return self._read(stream, split, report, read)

    def _infer(self, stream: IO[bytes], file: RemoteFile, infer: Callable[[IO[bytes], RemoteFile], _Schema]) -> _Schema:
        opened, codec = self._look(stream, file, Counter())
        if codec is None and not self._is_member_to_copy(file):
            try:
                return infer(opened, file)
            except MalformedFileError:
                if self.inner.facts.reads_forward or (codec := _codec_inside(stream)) is None:
                    raise
        with self._unpacked(opened, file, codec) as (plain, _, size_bytes):
            return infer(plain, replace(file, size_bytes=size_bytes))

    def _read(
        self,
        stream: IO[bytes],
        split: Split,
        report: SplitReport,
        read: Callable[[IO[bytes], Split], Iterator[_Batch]],
    ) -> Iterator[_Batch]:
        if not split.is_first:
            yield from read(stream, split)
            return
        report.start = report.end = 0
        opened, codec = self._look(stream, split.file, report.warnings)
        if codec is None and not self._is_member_to_copy(split.file):
            batches = read(opened, split)
            try:
                first = next(batches, None)
            except MalformedFileError:
                if self.inner.facts.reads_forward or (codec := _codec_inside(stream)) is None:
                    raise
                report.start = report.end = 0
            else:
                if first is not None:
                    yield first
                    yield from batches
                return
        if not split.is_last:
            raise SequentialOnlyError("is compressed, so it cannot be read in parts", uri=split.file.uri, byte=0)
        yield from self._read_unpacked(opened, split, report, codec, read)

    def _read_unpacked(
        self,
        opened: IO[bytes],
        split: Split,
        report: SplitReport,
        codec: str | None,
        read: Callable[[IO[bytes], Split], Iterator[_Batch]],
    ) -> Iterator[_Batch]:
        with self._unpacked(opened, split.file, codec) as (plain, unpacking, size_bytes):
            part = Split(replace(split.file, size_bytes=size_bytes), split.ordinal, 0, size_bytes)
            try:
                for batch in read(plain, part):
                    report.start = 0
                    yield batch
            except SequentialOnlyError as exc:
                # The engine would ask for the rest from a position that only the plain data has.
                for batch in read(plain, part.rest_of_file(exc.byte or 0)):
                    report.start = 0
                    yield batch
            if unpacking is not None:
                size_bytes = unpacking.unpack_to_end()
        if report.end != size_bytes:
            raise MalformedFileError(
                "its records do not reach to the end of what it unpacks to", uri=split.file.uri, byte=report.end
            )
        report.start, report.end = 0, split.file.size_bytes

    def _look(self, stream: IO[bytes], file: RemoteFile, warnings: Counter[str]) -> tuple[IO[bytes], str | None]:
        """The stream to read on with, and what the file is compressed with.

        A format that does not begin with a file's beginning would pay a request for it: there only a name is heeded, until
        the format cannot make sense of the file.
        """
        named = compression_of(file.uri)
        if named is None and not self.inner.facts.reads_forward and not self._is_member_to_copy(file):
            return stream, None
        from file_cdk.compression.plain import MAGIC_BYTES, PeekedStream, codec_named, codec_of

        peeked = PeekedStream(stream, _PEEK_BYTES)
        head = peeked.head[:MAGIC_BYTES]
        codec = codec_of(head) if named is None else codec_named(named, head)
        if named is not None and codec != named:
            if codec is None and named in _NEVER_PLAIN and head:
                raise MalformedFileError(f"is named as {named} data, and is not", uri=file.uri, byte=0)
            found = "is not compressed" if codec is None else f"is {codec} data"
            warnings[f"named as {named}, but {found}: read as that"] += 1
        return cast(IO[bytes], peeked), codec

    def _is_member_to_copy(self, file: RemoteFile) -> bool:
        """A member of an archive comes as a stream that goes back at the price of beginning anew, unless it is a plain tar's."""
        member = split_member(file.uri)
        if member is None or self.inner.facts.reads_forward:
            return False
        archive, _ = member
        return not archive.lower().endswith(".tar") or tar_compression(archive) is not None

    @contextmanager
    def _unpacked(
        self, opened: IO[bytes], file: RemoteFile, codec: str | None
    ) -> "Iterator[tuple[IO[bytes], PlainStream | None, int]]":
        """The plain data as `inner` needs it, the stream to be exhausted after it, and its size or UNKNOWN_SIZE."""
        plain = opened
        if codec is not None:
            from file_cdk.compression.plain import open_plain

            unpacking = open_plain(opened, codec, file.uri, self.max_expansion_ratio)
            plain = cast(IO[bytes], unpacking)
            if self.inner.facts.reads_forward:
                yield plain, unpacking, UNKNOWN_SIZE
                return
        import tempfile

        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, prefix="file_cdk-unpacked-") as copy:
            size_bytes = _copy(plain, cast(IO[bytes], copy), file.uri)
            yield cast(IO[bytes], copy), None, size_bytes


def _is_plain(whole: WholeFile) -> bool:
    """Neither its name nor its beginning says that it is compressed."""
    from file_cdk.compression.plain import MAGIC_BYTES, codec_of

    return compression_of(whole.file.uri) is None and codec_of(whole.data[:MAGIC_BYTES]) is None


def plain_beginning(stream: IO[bytes], file: RemoteFile, size_bytes: int, max_expansion_ratio: int) -> bytes:
    """The first bytes of what a file, compressed or not, unpacks to. Raises MalformedFileError."""
    from file_cdk.compression.plain import MAGIC_BYTES, codec_named, codec_of, open_plain

    head = stream.read(MAGIC_BYTES)
    named = compression_of(file.uri)
    codec = codec_of(head) if named is None else codec_named(named, head)
    stream.seek(0)
    if codec is None:
        return stream.read(size_bytes)
    return open_plain(stream, codec, file.uri, max_expansion_ratio).read(size_bytes)


def _codec_inside(stream: IO[bytes]) -> str | None:
    from file_cdk.compression.plain import MAGIC_BYTES, codec_of

    stream.seek(0)
    return codec_of(stream.read(MAGIC_BYTES))


def _copy(stream: IO[bytes], into: IO[bytes], uri: str) -> int:
    stream.seek(0)
    size_bytes = 0
    while data := stream.read(_COPY_BYTES):
        try:
            into.write(data)
        except OSError as exc:
            raise no_room_to_unpack(exc, uri) from exc
        size_bytes += len(data)
    into.seek(0)
    return size_bytes
