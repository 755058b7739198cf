"""The folder in which copied files are handed over: whole, under a name of their own, and nowhere else."""

import errno
import os
import shutil
import threading
import uuid
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Self

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError, FileError
from file_cdk.engine.staged_names import PARTIAL

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER_OF_OURS = _FOLDER | os.O_NOFOLLOW
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_THIS_FILE = (*_FULL, errno.EFBIG, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)
"""What is wrong with one file, and need not be with the next."""


class StagingClosedError(Exception):
    """The run has ended: nothing is staged any more."""


@dataclass(slots=True)
class Staging:
    """A new folder of this run below the staging folder, and in it a numbered one for each file.

    So no two files meet, whatever their names are, nor two runs that share the staging folder. Folders are entered
    one by one, never through a link. A file that was not released by `close` is removed. Safe to use from several threads.
    """

    path: str
    _folder: int
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _unreleased: set[str] = field(default_factory=set)
    _closed: bool = False

    @classmethod
    def below(cls, path: str) -> Self:
        """Raises DestinationError when there is no such folder, or it cannot be written."""
        path = os.path.abspath(path)  # noqa: PTH100 - a link among its parents stays as it is named
        name = uuid.uuid4().hex
        try:
            parent = os.open(path, _FOLDER)
            try:
                os.mkdir(name, dir_fd=parent)
                return cls(f"{path}/{name}", os.open(name, _FOLDER_OF_OURS, dir_fd=parent))
            finally:
                os.close(parent)
        except OSError as exc:
            raise _unusable(path, exc) from exc

    def begin(self, name: str, path: str, uri: str, size_bytes: int) -> "StagedFile":
        """Creates the file that `publish` will put at `path` (see staged_names) below the folder `name`.

        Raises StagingClosedError; FileError when there is no room for `size_bytes`, or the file's name cannot be used;
        DestinationError when nothing can be staged any more.
        """
        with self._lock:
            if self._closed:
                raise StagingClosedError
            self._unreleased.add(name)
            try:
                return self._create(name, path, uri, size_bytes)
            except OSError as exc:
                raise self.error(exc, uri) from exc

    def _create(self, name: str, path: str, uri: str, size_bytes: int) -> "StagedFile":
        free = os.fstatvfs(self._folder)
        if free.f_blocks and size_bytes > free.f_bavail * free.f_frsize:  # some file systems do not know
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        *folders, leaf = path.split("/")
        os.mkdir(name, dir_fd=self._folder)
        folder = os.open(name, _FOLDER_OF_OURS, dir_fd=self._folder)
        try:
            for each in folders:
                os.mkdir(each, dir_fd=folder)
                inner = os.open(each, _FOLDER_OF_OURS, dir_fd=folder)
                os.close(folder)
                folder = inner
            file = os.open(PARTIAL, _NEW_FILE, 0o666, dir_fd=folder)
        except BaseException:
            os.close(folder)
            raise
        return StagedFile(self, uri, f"{self.path}/{name}/{path}", leaf, folder, file)

    def publish(self, staged: "StagedFile") -> None:
        """Gives a complete file its name."""
        with self._lock:
            if self._closed:
                raise StagingClosedError
            try:
                os.replace(PARTIAL, staged.leaf, src_dir_fd=staged.folder, dst_dir_fd=staged.folder)
            except OSError as exc:
                raise self.error(exc, staged.uri) from exc

    def release(self, name: str) -> None:
        """The file is someone else's from now on."""
        with self._lock:
            self._unreleased.discard(name)

    def discard(self, name: str) -> None:
        """Removes what there is of a file."""
        with self._lock:
            self._unreleased.discard(name)
            if not self._closed:
                self._remove(name)

    def close(self) -> None:
        """Removes what was not released, also from under a thread that still writes it."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for name in self._unreleased:
                self._remove(name)
            os.close(self._folder)
        with suppress(OSError):  # files that were released are in it
            Path(self.path).rmdir()

    def _remove(self, name: str) -> None:
        shutil.rmtree(name, ignore_errors=True, dir_fd=self._folder)

    def error(self, cause: OSError, uri: str) -> FileError | DestinationError:
        """What a failure to write here means."""
        folder = str(Path(self.path).parent)
        if cause.errno in _FULL:
            return FileError(
                f"the staging folder {folder!r} has no room for it: {cause.strerror}",
                uri=uri,
                remedy="Make room there, or name a larger folder in AIRBYTE_STAGING_DIRECTORY",
            )
        if cause.errno in _NOT_THIS_FILE:
            return FileError(f"the staging folder {folder!r} cannot hold it: {cause.strerror}", uri=uri)
        return _unusable(folder, cause)


@dataclass(slots=True)
class StagedFile:
    """A file on its way. path: where it will be, absolute."""

    staging: Staging
    uri: str
    path: str
    leaf: str
    folder: int
    file: int

    def write(self, data: bytes) -> None:
        """Raises FileError and DestinationError as `Staging.begin`, and StagingClosedError."""
        if self.staging._closed:
            raise StagingClosedError
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.file, view) :]
        except OSError as exc:
            raise self.staging.error(exc, self.uri) from exc

    def publish(self) -> None:
        # Some file systems say only here that there is no room.
        file, self.file = self.file, -1
        try:
            os.close(file)
        except OSError as exc:
            raise self.staging.error(exc, self.uri) from exc
        self.staging.publish(self)

    def close(self) -> None:
        if self.file >= 0:
            with suppress(OSError):  # it is incomplete anyway
                os.close(self.file)
        os.close(self.folder)


def _unusable(path: str, cause: OSError) -> DestinationError:
    if cause.errno in (errno.ENOENT, errno.ENOTDIR):
        message = "is not a folder" if cause.errno == errno.ENOTDIR else "does not exist"
    else:
        message = f"cannot be written: {cause.strerror}"
    return DestinationError(
        f"the staging folder {path!r} {message}",
        remedy="Create it and let the user who runs this write it, or name another one in AIRBYTE_STAGING_DIRECTORY",
    )
