"""Every error file_cdk raises, grouped by what the person who sees it can do.

Errors are built from facts, keep them as attributes, survive pickling, and hold no record values and no secrets.
"""

import traceback
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from file_cdk.core.uris import shortened

FailureType = Literal["config_error", "transient_error", "system_error"]


class FileCdkError(Exception):
    """Base of all errors. `str(error)` is one line for a person: what, where, and the remedy where there is one.

    row: 1-based number of the record in its file, the header not counted. byte: 0-based offset in the file.
    """

    failure_type: ClassVar[FailureType] = "system_error"

    def __init__(
        self,
        message: str,
        *,
        uri: str | None = None,
        row: int | None = None,
        byte: int | None = None,
        column: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.uri = uri
        self.row = row
        self.byte = byte
        self.column = column
        self.remedy = remedy

    @property
    def where(self) -> str:
        """`file 'a.csv', row 3, column 'x', byte 120`, as far as known."""
        facts = [
            ("file", None if self.uri is None else repr(shortened(self.uri))),
            ("row", self.row),
            ("column", None if self.column is None else repr(self.column)),
            ("byte", self.byte),
        ]
        return ", ".join(f"{name} {value}" for name, value in facts if value is not None)

    def __str__(self) -> str:
        text = self.message
        if where := self.where:
            text += f" ({where})"
        if self.remedy:
            text += f". {self.remedy}"
        return text

    def shifted(self, rows_before: int) -> Self:
        """The same error with its row counted from the file's beginning instead of the split's."""
        if self.row is not None:
            self.row += rows_before
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.__dict__.copy())


def _rebuild(cls: type[FileCdkError], facts: Mapping[str, Any]) -> FileCdkError:
    error = cls.__new__(cls)
    Exception.__init__(error, facts["message"])
    error.__dict__.update(facts)
    return error


# Fix the configuration


class ConfigError(FileCdkError):
    """The configuration, catalog, state or command line is wrong; nothing was read."""

    failure_type = "config_error"


class SeveralFormatsError(ConfigError):
    """Files that are to be of one format are of several."""


class ManifestError(ConfigError):
    """A manifest of an API cannot be read, or says what does not exist. line, at: where it stands in its file, both 1-based; 0
    where that is not known. stream: whose component it is."""

    def __init__(self, message: str, *, line: int = 0, at: int = 0, stream: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.line, self.at, self.stream = line, at, stream

    @property
    def where(self) -> str:
        line = f"line {self.line}" + (f", column {self.at}" if self.at else "") if self.line else ""
        stream = "" if self.stream is None else f"stream {self.stream!r}"
        return ", ".join(filter(None, (super().where, line, stream)))


class TemplateError(ConfigError):
    """A template of a manifest is none, is refused, or fails with what it is given. expression: its text, cut off. place: where
    it stands in the manifest."""

    def __init__(self, reason: str, *, expression: str = "", place: str = "", **facts: Any) -> None:
        of = f"template {shortened(expression)!r} of {place or 'the manifest'}: " if expression else ""
        super().__init__(of + reason, **facts)
        self.expression = shortened(expression)
        self.place = place


class AccessError(FileCdkError):
    """The root cannot be reached or listed: missing, forbidden, or wrong credentials."""

    failure_type = "config_error"


# Retry


class TransientError(FileCdkError):
    """The store or network failed in a way that may pass. retry_after_s: when to try again, if the server said."""

    failure_type = "transient_error"

    def __init__(self, message: str, *, retry_after_s: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after_s = retry_after_s


# Skip the file: it stays unread and is tried again next time; the others go on


class FileError(FileCdkError):
    """One file cannot be read to its end. Always carries `uri`."""


def no_room_to_unpack(cause: OSError, uri: str) -> FileError:
    """The file unpacks to more than the disk for temporary files takes."""
    return FileError(
        f"cannot be unpacked into a temporary file: {cause.strerror}",
        uri=uri,
        remedy="Make room in the folder for temporary files, or name another one in TMPDIR",
    )


class FileAccessError(FileError):
    """The file is listed but may not be opened, or is gone."""


class FileChangedError(FileError):
    """The file is no longer the version that was listed."""

    failure_type = "transient_error"


class MalformedFileError(FileError):
    """The bytes are not what the format says: no header, bad footer, wrong magic, truncated."""


class MalformedRecordError(MalformedFileError):
    """One record is not well-formed. Carries `row` and `byte`."""


class TooManyRejectsError(FileError):
    """More records of the file were rejected than may be; none of its rows was loaded. rejected: how many.

    row and byte are those of the first one."""

    def __init__(self, message: str, *, rejected: int = 0, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.rejected = rejected


class DeletesRefusedError(FileCdkError):
    """More loaded files are gone from the source than may be removed; none was. gone: how many."""

    failure_type = "config_error"

    def __init__(self, message: str, *, gone: int = 0, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.gone = gone


class SchemaFrozenError(FileError):
    """The table would have to grow for the file, which its schema contract does not allow; none of its rows was loaded.

    Carries `column`. was, needed: its type in the table, None where it has none, and the one that the file needs."""

    def __init__(self, message: str, *, was: str | None = None, needed: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.was = was
        self.needed = needed


class RowsRefusedError(FileError):
    """The destination does not take rows of this file, and may well take those of others.

    was_committed: whether the file counted as loaded before."""

    was_committed = False


class WorkerCrashedError(FileError):
    """A split killed its worker twice (out of memory, a crash in native code)."""


# Answered by the engine, seen by a person only if it cannot


class SequentialOnlyError(FileError):
    """Record boundaries cannot be told from the middle: the engine reads from `byte` to the file's end as one split."""


class StopStreamError(FileCdkError):
    """A record does not fit the schema, and by the stream's validation policy its sync ends before that record."""


class TypeMismatchError(FileError):
    """Values do not fit the table's columns. `columns` maps each such or new column to the type it needs: an Arrow type
    that holds both the values of this file seen so far and the type asked for."""

    def __init__(self, *, uri: str, row: int | None, columns: Mapping[str, Any]) -> None:
        names = ", ".join(repr(name) for name in columns)
        super().__init__(f"values do not fit the type of column {names}", uri=uri, row=row)
        self.columns = dict(columns)


class DialectRefutedError(FileError):
    """A CSV file is not written as its beginning looked, as what stands at `byte` shows. dialect: the configuration (a
    core.config.formats.CsvConfig) that fits both; described: the same for a person."""

    def __init__(self, *, uri: str, byte: int, dialect: Any, described: str) -> None:
        super().__init__(f"is not written as its beginning looks, but with {described}", uri=uri, byte=byte)
        self.dialect = dialect
        self.described = described


# Stop


class DestinationError(FileCdkError):
    """The destination cannot be opened or written."""


class DestinationInUseError(DestinationError):
    """Something else has the destination open, which may pass."""


class SystemLimitError(FileCdkError):
    """The machine, or a limit set for the process, does not let the program go on: memory, open files, processes, space."""


class InvalidMessageError(FileCdkError):
    """A line of a source's output is no message of the protocol, or none that is taken. line: 1-based. What came before it was
    received."""

    def __init__(self, message: str, *, line: int = 0, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.line = line


class SourceFailedError(FileCdkError):
    """A source's command failed, or said that it did. in_part: whether some of its streams were complete all the same. What its
    states stand for that came before is kept."""

    failure_type: ClassVar[FailureType] = "transient_error"

    def __init__(self, message: str, *, in_part: bool = False, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.in_part = in_part


class AnswerError(FileCdkError):
    """An API's answer is not what the manifest says of it: no JSON, no such path, a page token that repeats."""


class OutputClosedError(FileCdkError):
    """Whoever reads stdout has gone away."""


# Report a bug


class InternalError(FileCdkError):
    """Something that should not happen. Says the type and the place of the cause, never its values.

    trace: the cause's traceback, which may show values, for a person who asked for it.
    """

    trace: str = ""

    @classmethod
    def wrap(cls, cause: BaseException, *, uri: str | None = None) -> "InternalError":
        frame = cause.__traceback__
        while frame and frame.tb_next:
            frame = frame.tb_next
        place = f" at {frame.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno}" if frame else ""
        error = cls(
            f"unexpected {type(cause).__name__}{place}",
            uri=uri,
            remedy="This is a bug in file_cdk or in a plug-in: please report it",
        )
        error.trace = "".join(traceback.format_exception(cause))
        return error
