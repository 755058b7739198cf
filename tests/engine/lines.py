"""A small real format and encoder for the engine's tests: one line is one record, and lines may order strange things."""

import logging
import os
import random
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from file_cdk.core.errors import MalformedRecordError, SequentialOnlyError, TransientError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import FormatFacts, JsonLines, SplitReport


@dataclass(frozen=True, slots=True)
class Lines:
    """`piece` lines a batch. A line `!die-once PATH`, `!die`, `!bad`, `!reject`, `!irregular`, `!sleep SECONDS`, `!note FOLDER`,
    `!until FOLDER COUNT` does that; lines in `{`…`}` are one record.

    Splits guess that they begin outside braces, as CSV guesses that it begins outside quotes.
    """

    split_bytes: int | None = 64
    piece: int = 3

    @property
    def facts(self) -> FormatFacts:
        return FormatFacts(self.split_bytes)

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        return {}

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> pa.Schema:
        return pa.schema([])

    def read_table(
        self, stream: IO[bytes], split: Split, schema: pa.Schema, report: SplitReport
    ) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> Iterator[JsonLines]:
        position = split.start
        if position and not split.at_record:
            stream.seek(position - 1)
            position += len(stream.readline()) - 1
        report.start = report.end = position
        stream.seek(position)
        batch: list[bytes] = []
        rows = 0
        while position < split.end and (line := stream.readline()):
            record = line
            while line.startswith(b"{") and not record.rstrip().endswith(b"}"):
                record += stream.readline()
            try:
                self._obey(record, split, position, rows + report.rejects.total() + 1)
            except (MalformedRecordError, SequentialOnlyError):
                report.rows = rows
                yield JsonLines(batch)
                report.end = position
                raise
            if record.startswith(b"!reject"):
                report.rows = rows
                report.reject(position, "line is to be rejected", record)
                position += len(record)
                continue
            rows += 1
            position += len(record)
            batch.append(record.replace(b"\n", b"/").rstrip(b"/"))
            if len(batch) == self.piece:
                report.rows = rows
                yield JsonLines(batch)
                batch = []
        report.end = position
        report.rows = rows
        yield JsonLines(batch)

    def _obey(self, record: bytes, split: Split, position: int, row: int) -> None:
        word, _, argument = record.strip().partition(b" ")
        match word:
            case b"!die":
                os.kill(os.getpid(), signal.SIGKILL)
            case b"!die-once" if not Path(argument.decode()).exists():
                Path(argument.decode()).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            case b"!bad":
                raise MalformedRecordError("line is bad", uri=split.file.uri, row=row, byte=position)
            case b"!irregular" if not split.sequential:
                raise SequentialOnlyError("cannot be split", uri=split.file.uri, byte=position)
            case b"!sleep":
                time.sleep(float(argument))
            case b"!note":
                Path(argument.decode(), split.file.uri).touch()
            case b"!until":  # so many files have noted themselves
                folder, _, count = argument.decode().rpartition(" ")
                deadline = time.monotonic() + 30
                while len(list(Path(folder).iterdir())) < int(count):
                    if time.monotonic() > deadline:
                        raise MalformedRecordError("nobody came", uri=split.file.uri, row=row, byte=position)
                    time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class LineEncoder:
    """`uri:row:line`; `pad` bytes after each make blocks of any size."""

    line_oriented: bool = True
    pad: int = 0

    def encode(self, batch: pa.RecordBatch | JsonLines, file: RemoteFile, first_row: int, emitted_at_ms: int) -> bytes:
        assert isinstance(batch, JsonLines)
        return b"".join(
            b"%s:%d:%s%s\n" % (file.uri.encode(), first_row + index, line, b"." * self.pad)
            for index, line in enumerate(batch.lines)
        )


class _Trickle:
    """A stream that gives between one byte and all that was asked for, differently in every process."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._random = random.Random(os.getpid())

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(self._random.randint(1, size) if size > 0 else size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@dataclass(frozen=True, slots=True)
class Folder:
    """trickles: reads return less than was asked for, as those of sockets do."""

    root: str
    trickles: bool = False

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        raise NotImplementedError

    def open(self, file: RemoteFile) -> IO[bytes]:
        stream = open(Path(self.root) / file.uri, "rb")  # noqa: SIM115 - the caller closes it
        return cast(IO[bytes], _Trickle(stream)) if self.trickles else stream


@dataclass(frozen=True, slots=True)
class Gated(Folder):
    """Whose file `gated` opens once there is a file `gate`."""

    def open(self, file: RemoteFile) -> IO[bytes]:
        deadline = time.monotonic() + 60
        while file.uri == "gated" and not (Path(self.root) / "gate").exists():
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.01)
        return Folder.open(self, file)


@dataclass(frozen=True, slots=True)
class Deadly(Folder):
    """Who opens a file whose name begins with `deadly` dies; of `deadly-once` only the first, and of `unreachable` nobody gets
    a byte. Each open of the latter adds a byte to the file `tried`."""

    def open(self, file: RemoteFile) -> IO[bytes]:
        if file.uri.startswith("unreachable"):
            with (Path(self.root) / "tried").open("a") as tried:
                tried.write(".")
            raise TransientError("the store does not answer", uri=file.uri)
        died = Path(self.root) / "died"
        if file.uri.startswith("deadly") and not (file.uri.startswith("deadly-once") and died.exists()):
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Folder.open(self, file)


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Files that are listed and gone, which it logs."""

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        raise NotImplementedError

    def open(self, file: RemoteFile) -> IO[bytes]:
        logging.getLogger("file_cdk.lines").warning("%s is gone", file.uri[:3])
        raise FileNotFoundError


@dataclass(frozen=True, slots=True)
class Torn(Folder):
    """Of whose files nothing comes from byte `reach` on. Each one opened adds a line to the file `opened`."""

    reach: int = 0

    def open(self, file: RemoteFile) -> IO[bytes]:
        with (Path(self.root) / "opened").open("a") as opened:
            opened.write(f"{file.uri}\n")
        return cast(IO[bytes], _Reach(Folder.open(self, file), self.reach))


class _Reach:
    def __init__(self, stream: IO[bytes], reach: int) -> None:
        self._stream = stream
        self._reach = reach

    def readline(self) -> bytes:
        if self._stream.tell() >= self._reach:
            raise TransientError("the connection failed")
        return self._stream.readline()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
