"""The files of a folder on this machine."""

# ruff: noqa: PTH100, PTH114, PTH115, PTH116, PTH118
# Paths stay strings: os.scandir gives strings, and a Path per entry would cost more than the listing itself.

import errno
import io
import logging
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO, TypeVar

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import AccessError, FileAccessError, FileCdkError, TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import EPOCH, MICROSECOND
from file_cdk.core.system.limits import reason_and_remedy
from file_cdk.core.uris import escape_name, names_of_segment, shortened
from file_cdk.readers.answers import file_changed

_log = logging.getLogger("file_cdk.readers")

_FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
_LAST_INSTANT = datetime.max.replace(tzinfo=UTC)

_GONE = (errno.ENOENT, errno.ENOTDIR)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT)
# O_NONBLOCK: opening a FIFO that a listed file was swapped for must not wait for a writer.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_FOLDER_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY

_SHORT_PATH = 700
"""Maximum length of a folder's path, in bytes, that leaves room for every name on every system."""

_TOO_LONG = "its path is longer than the system allows"

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class LocalReader:
    """Lists and opens the regular files under the folder `root`; implements core.ports.StreamReader.

    A uri is the path relative to `root`. In a name that is not UTF-8, the bytes at fault
    appear as `%E9` and the like, and `%` as `%25`. The version of a file
    is its modification time (nanoseconds) and size, so that a copied folder counts as the same files; a replacement
    that keeps both is not noticed, as with rsync.

    Symbolic links are followed as long as they stay inside `root`: a file with two names is two files. Links that lead
    out are left out with a warning, and refused by `open`, unless `follow_symlinks`; links back to a folder they are in are left
    out with a warning. A link that leads nowhere, a path that is too long for the system, and what it cannot tell the size and
    time of for a reason of their own are listed with their fault.
    """

    root: str
    follow_symlinks: bool = False

    def __init__(self, root: str | os.PathLike[str], follow_symlinks: bool = False) -> None:
        # Absolute now: a worker may have another working directory.
        object.__setattr__(self, "root", os.path.abspath(root))
        object.__setattr__(self, "follow_symlinks", follow_symlinks)

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        """Every regular file whose uri starts with `prefix`, each once, in no particular order.

        Looks into no folder that `prefix` excludes. Holds one open folder and the names of folders still to visit.
        Raises AccessError when the root or any folder on the way cannot be listed: no file is passed over in silence;
        TransientError when the machine or the file server is at its limits. A single entry at fault raises nothing.
        """
        *parents, start = prefix.split("/")
        folder: _Folder | None = self._open_root()
        for name in parents:
            if folder is not None:
                folder = self._descend(folder, name)
        pending = [] if folder is None else [folder]
        while pending:
            yield from self._scan(pending.pop(), start, pending)
            start = ""

    def open(self, file: RemoteFile) -> BinaryIO:
        """Unbuffered. Every read checks that the file still is the version listed.

        Raises FileAccessError and FileChangedError; so do reads from what it returns.
        """
        path = self._find(file.uri)
        try:
            descriptor = os.open(path, _OPEN_FLAGS)
        except OSError as exc:
            raise _open_error(exc, file.uri) from exc
        try:
            self._refuse_outside(_real_path(descriptor, path), file.uri)
            status = _of_same_version(descriptor, file)
        except BaseException:
            os.close(descriptor)
            raise
        return _VersionedFile(descriptor, file, status)

    def _open_root(self) -> "_Folder":
        try:
            status = os.stat(self.root)
        except OSError as exc:
            if exc.errno in _GONE:
                raise AccessError(
                    f"folder {self.root!r} does not exist", remedy="Check the path for spelling, and that it is mounted"
                ) from exc
            raise _listing_error(exc, self.root) from exc
        if not stat.S_ISDIR(status.st_mode):
            raise AccessError(
                f"{self.root!r} is not a folder", remedy="Give the folder that it is in, and its name as the glob"
            )
        return _Folder(self.root, "", (_identity(status),))

    def _descend(self, folder: "_Folder", segment: str) -> "_Folder | None":
        """The folder whose uri has one more segment, if there is one."""
        for name in reversed(names_of_segment(segment)):
            path = os.path.join(folder.path, name)
            try:
                status = self._status(path, folder, is_link=os.path.islink(path))
            except OSError as exc:
                if exc.errno == errno.ENAMETOOLONG:
                    continue  # of what nothing there can be called
                raise _listing_error(exc, path) from exc
            except _UnusableLinkError:
                continue
            if status is not None:
                _refuse_same_uri(folder, name)
                return folder.child(name, status) if stat.S_ISDIR(status.st_mode) else None
        return None

    def _scan(self, folder: "_Folder", start: str, pending: "list[_Folder]") -> Iterator[RemoteFile]:
        """The files in one folder whose escaped names begin with `start`; such folders are added to `pending`."""
        try:
            descriptor = os.open(folder.path, _FOLDER_FLAGS)
        except OSError as exc:
            if exc.errno in _GONE and folder.uri:
                return  # removed since its name was read
            if exc.errno == errno.ENAMETOOLONG and folder.uri:
                yield _unusable(folder.uri, _TOO_LONG)
                return
            raise _listing_error(exc, folder.path) from exc
        has_short_paths = len(os.fsencode(folder.path)) <= _SHORT_PATH
        try:
            # By the open folder, the system does not look up the whole path of each file: a third of the time.
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    name = entry.name
                    if not name.isascii():
                        name = escape_name(name)
                    if name.startswith(start):
                        plain = _plain_file(folder.uri, entry, name) if has_short_paths else None
                        found = plain or self._inspect(folder, entry, name)
                        if isinstance(found, RemoteFile):
                            yield found
                        elif found is not None:
                            pending.append(found)
        except OSError as exc:
            raise _listing_error(exc, folder.path) from exc
        finally:
            os.close(descriptor)

    def _inspect(self, folder: "_Folder", entry: os.DirEntry[str], name: str) -> "RemoteFile | _Folder | None":
        """name: the entry's, as its uri has it."""
        is_link = entry.is_symlink()
        path = os.path.join(folder.path, entry.name)
        try:
            status = self._status(path, folder, is_link=is_link)
        except _UnusableLinkError as exc:
            return _unusable(folder.uri + name, str(exc))
        except OSError as exc:
            # Of what is no link, a refusal is of the folder and of all that is in it.
            if exc.errno in _PASSING or (exc.errno in _FORBIDDEN and not is_link):
                raise _listing_error(exc, path) from exc
            fault = _TOO_LONG if exc.errno == errno.ENAMETOOLONG else f"cannot be looked at: {exc.strerror}"
            end = "/" if entry.is_dir(follow_symlinks=False) else ""
            return _unusable(folder.uri + name + end, fault)
        if status is None:
            return None
        if name != entry.name:
            _refuse_same_uri(folder, entry.name)
        if stat.S_ISDIR(status.st_mode):
            return folder.child(entry.name, status)
        if stat.S_ISREG(status.st_mode):
            return _remote_file(folder.uri + name, status)
        return None

    def _status(self, path: str, folder: "_Folder", *, is_link: bool) -> os.stat_result | None:
        """Of what `path` stands for; None when that is gone, or is a link not to be followed. Raises _UnusableLinkError."""
        real = os.path.realpath(path) if is_link else path
        if is_link and not self.follow_symlinks and not self._contains(real):
            shown = shortened(path)
            _log.warning("left out %r: a link that leads out of the root (`follow_symlinks: true` allows it)", shown)
            return None
        try:
            status = os.lstat(real)
        except OSError as exc:
            if exc.errno not in _GONE:
                raise
            if is_link:
                raise _UnusableLinkError("a link that leads nowhere") from exc
            return None
        if stat.S_ISLNK(status.st_mode):
            raise _UnusableLinkError("a link that leads back to itself")
        if stat.S_ISDIR(status.st_mode) and _identity(status) in folder.trail:
            _log.warning("left out %r: a link to a folder that it is in", shortened(path))
            return None
        return status

    def _refuse_outside(self, real: str, uri: str) -> None:
        if not self.follow_symlinks and not self._contains(real):
            raise FileAccessError(
                "the file is reached through a link that leads out of the root",
                uri=uri,
                remedy="Set `follow_symlinks: true` to allow it",
            )

    def _contains(self, real: str) -> bool:
        if real.startswith(self.root.rstrip("/") + "/"):
            return True  # no part of `real` is a link, so none of the root's path is, whose own path then is real
        root = os.path.realpath(self.root)
        return real == root or real.startswith(root.rstrip("/") + "/")

    def _find(self, uri: str) -> str:
        """The path that was listed as `uri`; if there is none, one that does not exist."""
        path = self.root
        for segment in uri.split("/"):
            if not (names := names_of_segment(segment)):
                raise FileAccessError("the uri is not a path that a listing of the root gives", uri=uri)
            literal, *escaped = (os.path.join(path, name) for name in names)
            path = escaped[0] if escaped and not os.path.lexists(literal) else literal
        return path


@dataclass(frozen=True, slots=True)
class _Folder:
    """uri: empty for the root, else ends with a slash. trail: the folders entered on the way, this one included."""

    path: str
    uri: str
    trail: tuple[tuple[int, int], ...]

    def child(self, name: str, status: os.stat_result) -> "_Folder":
        uri = f"{self.uri}{escape_name(name)}/"
        return _Folder(os.path.join(self.path, name), uri, (*self.trail, _identity(status)))


class _UnusableLinkError(Exception):
    """Why a link is no file; of the one entry."""


class _VersionedFile(io.FileIO):
    """A file that stops being readable once it is not the listed version any more."""

    def __init__(self, descriptor: int, file: RemoteFile, status: os.stat_result) -> None:
        """status: of the version listed."""
        super().__init__(descriptor, "rb")
        self._file = file
        self._at_rest = status.st_mode, status.st_size, status.st_mtime_ns

    def readinto(self, buffer: object) -> int | None:
        return self._checked(super().readinto, buffer)

    def read(self, size: int | None = -1, /) -> bytes:
        return self._checked(super().read, size)

    def readall(self) -> bytes:
        return self._checked(super().readall)

    def _checked(self, read: Callable[..., _Result], *arguments: object) -> _Result:
        try:
            result = read(*arguments)
        except OSError as exc:
            raise FileAccessError(f"the file cannot be read: {exc.strerror or exc}", uri=self._file.uri) from exc
        status = os.fstat(self.fileno())
        if (status.st_mode, status.st_size, status.st_mtime_ns) != self._at_rest:
            _of_same_version(self.fileno(), self._file)
        return result


def _of_same_version(descriptor: int, file: RemoteFile) -> os.stat_result:
    """Raises FileAccessError and FileChangedError."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise FileAccessError("not a regular file", uri=file.uri)
    now = _remote_file(file.uri, status)
    if now != (file if file.etag is not None else replace(file, etag=now.etag)):
        raise file_changed(file.uri, "the file changed since it was listed")
    return status


def _plain_file(folder_uri: str, entry: os.DirEntry[str], name: str) -> RemoteFile | None:
    """What nearly all entries are, by the shortest way; None for what is to be looked at."""
    try:
        if name != entry.name or not entry.is_file(follow_symlinks=False):
            return None
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return _remote_file(folder_uri + name, status) if stat.S_ISREG(status.st_mode) else None


def _remote_file(uri: str, status: os.stat_result) -> RemoteFile:
    """Its time is cut to microseconds; one that a datetime cannot hold becomes the first or last it can."""
    size_bytes, nanoseconds = status.st_size, status.st_mtime_ns
    try:
        modified_at = EPOCH + nanoseconds // 1000 * MICROSECOND
    except OverflowError:
        modified_at = _LAST_INSTANT if nanoseconds > 0 else _FIRST_INSTANT
    return RemoteFile(uri, size_bytes, modified_at, "%x-%x" % (nanoseconds, size_bytes))  # noqa: UP031


def _unusable(uri: str, fault: str) -> RemoteFile:
    _log.warning("left out %r: %s", shortened(uri), fault)
    return RemoteFile.unusable(uri, fault)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _refuse_same_uri(folder: _Folder, name: str) -> None:
    uri_name = escape_name(name)
    if uri_name != name and os.path.lexists(os.path.join(folder.path, uri_name)):
        raise AccessError(
            f"two names in folder {folder.path!r} have the same uri {folder.uri + uri_name!r}",
            remedy="Rename the one that is not UTF-8",
        )


def _real_path(descriptor: int, path: str) -> str:
    """Where the open file really is, whatever `path` may have become since."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:  # no /proc: the best there is, though a link swapped in meanwhile goes unseen
        return os.path.realpath(path)


def _listing_error(exc: OSError, path: str) -> FileCdkError:
    reason, remedy = reason_and_remedy(exc)
    message = f"{shortened(path)!r} cannot be listed: {reason}"
    if exc.errno in _PASSING:
        return TransientError(message, remedy=remedy)
    if exc.errno in _FORBIDDEN:
        return AccessError(message, remedy="Let the user who runs this read and enter the folder (chmod +rx)")
    return AccessError(message)


def _open_error(exc: OSError, uri: str) -> FileAccessError:
    if exc.errno in _GONE:
        return FileAccessError("the file is gone since it was listed", uri=uri)
    if exc.errno in _FORBIDDEN:
        return FileAccessError(
            f"the file may not be read: {exc.strerror}",
            uri=uri,
            remedy="Let the user who runs this read it and enter its folder (chmod +r, +x)",
        )
    return FileAccessError(f"the file cannot be opened: {exc.strerror}", uri=uri)
