"""The files of a folder of an SFTP server, as pages of a listing and ranges of bytes."""

import json
import logging
import posixpath
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from file_cdk import (
    AccessError,
    FileAccessError,
    FileCdkError,
    Page,
    RemoteFile,
    TransientError,
    escape_name,
    file_changed,
    names_of_segment,
)
from source_sftp.config import SftpConfig
from source_sftp.protocol import (
    BAD_MESSAGE,
    FAILURE,
    NO_SUCH_FILE,
    PERMISSION_DENIED,
    Attributes,
    Session,
    StatusError,
)
from source_sftp.sdk import Connection, Connections
from source_sftp.url import decode, encode, origin_of, server_name

PAGE_FILES = 1000
PAGE_FOLDERS = 200
"""A page ends after the folder that reaches one of these; a folder is never divided."""

_UNNAMEABLE = (FAILURE, BAD_MESSAGE)
"""What servers answer for a name that is too long; OpenSSH the latter."""

_log = logging.getLogger("file_cdk.connectors.sftp")


@dataclass(frozen=True, slots=True)
class SftpStore:
    """Implements `ObjectStore`. A uri is the path relative to the folder of the configuration.

    In a name that is not UTF-8, the bytes at fault appear as `%E9` and the like, and `%` as `%25`. The version of a file is
    its modification time, in the whole seconds that the protocol has, and its size: a replacement that keeps both is not
    noticed.

    Symbolic links are followed as long as they stay inside the folder: a file with two names is two files. Links that lead
    out, nowhere, or back to a folder they are in are left out with a warning.
    """

    config: SftpConfig
    _connections: Connections = field(default_factory=Connections, init=False, repr=False, compare=False)

    @property
    def origin(self) -> str:
        return origin_of(self.config)

    def list_page(self, prefix: str, token: str | None) -> Page:
        """Enters no folder that `prefix` excludes. token: the folders still to visit.

        Raises AccessError when any folder on the way cannot be listed: no file is passed over in silence.
        """
        with self._connections.use(self.config) as connection:
            walk = _Walk(self.config, connection)
            return walk.first_page(prefix) if token is None else walk.page(_pending_of(token))

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        """Checks after the last byte, too, that the file still is the version listed."""
        with self._connections.use(self.config) as connection:
            walk = _Walk(self.config, connection)
            try:
                yield from _read(walk, file, start, end)
            except StatusError as exc:
                raise _read_error(exc, file.uri) from exc

    def close(self) -> None:
        """Closes the connections; the next request makes new ones."""
        self._connections.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return SftpStore, (self.config,)


@dataclass(frozen=True, slots=True)
class _Folder:
    """path: relative to the root, empty for it. trail: real paths of the folders entered on the way, this one included."""

    path: str
    trail: tuple[str, ...]

    def below(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def child(self, name: str, real: str | None) -> "_Folder":
        """real: where a link leads."""
        return _Folder(self.below(name), (*self.trail, posixpath.join(self.trail[-1], name) if real is None else real))


@dataclass(slots=True)
class _Found:
    """What the entries of one folder are. folders: name, and where a link leads."""

    files: list[RemoteFile] = field(default_factory=list)
    folders: list[tuple[str, str | None]] = field(default_factory=list)


_Pending = list[tuple[_Folder, list[tuple[str, str | None]]]]
"""Folders, and those in them that are still to be visited."""


@dataclass(frozen=True, slots=True)
class _Walk:
    config: SftpConfig
    connection: Connection

    @property
    def session(self) -> Session:
        return self.connection.session

    def first_page(self, prefix: str) -> Page:
        *parents, start = prefix.split("/")
        folder: _Folder | None = self._open_root()
        for segment in parents:
            if folder is not None:
                folder = self._descend(folder, segment)
        if folder is None:
            return Page([])
        found = self._scan(folder, start)
        return self.page([(folder, found.folders)], found.files)

    def page(self, pending: _Pending, files: list[RemoteFile] | None = None) -> Page:
        files = [] if files is None else files
        visited = 0
        while pending and len(files) < PAGE_FILES and visited < PAGE_FOLDERS:
            parent, children = pending[-1]
            if not children:
                pending.pop()
                continue
            folder = parent.child(*children.pop())
            found = self._scan(folder, "")
            visited += 1
            files += found.files
            if found.folders:
                pending.append((folder, found.folders))
        left = [(folder.path, folder.trail, children) for folder, children in pending if children]
        return Page(files, json.dumps(left) if left else None)

    def path(self, relative: str) -> bytes:
        root = self.config.folder_path or "."
        return encode(posixpath.join(root, relative) if relative else root)

    def real_root(self) -> str:
        if self.connection.real_root is None:
            self.connection.real_root = self.session.real_path(self.path(""))
        return decode(self.connection.real_root)

    def contains(self, real: str) -> bool:
        root = self.real_root()
        return real == root or real.startswith(root.rstrip("/") + "/")

    def find(self, uri: str) -> bytes:
        """The path that was listed as `uri`; if there is none, one that does not exist."""
        found = ""
        for segment in uri.split("/"):
            if not (names := names_of_segment(segment)):
                raise FileAccessError("the uri is not a path that a listing of the folder gives", uri=uri)
            literal, *escaped = (posixpath.join(found, name) for name in names)
            found = escaped[0] if escaped and not self._exists(literal) else literal
        return self.path(found)

    def _open_root(self) -> _Folder:
        try:
            kind = self.session.stat(self.path("")).kind
            real = self.real_root()
        except StatusError as exc:
            raise self._listing_error(exc, "") from exc
        if kind not in (stat.S_IFDIR, 0):
            raise AccessError(
                f"{self._shown('')} is not a folder", remedy="Give the folder that it is in, and its name as the glob"
            )
        return _Folder("", (real,))

    def _descend(self, folder: _Folder, segment: str) -> _Folder | None:
        """The folder whose uri has one more segment, if there is one."""
        for name in reversed(names_of_segment(segment)):
            found, path = _Found(), folder.below(name)
            try:
                self._inspect(folder, name, self.session.lstat(self.path(path)), found)
            except StatusError as exc:
                if exc.code == NO_SUCH_FILE:
                    continue
                if exc.code not in _UNNAMEABLE:
                    raise self._listing_error(exc, path) from exc
                # Listing the folder tells whether it is there.
                found = self._scan(folder, segment)
            return next((folder.child(*each) for each in found.folders if each[0] == name), None)
        return None

    def _scan(self, folder: _Folder, start: str) -> _Found:
        """The files and folders in one folder whose escaped names begin with `start`."""
        found = _Found()
        try:
            entries = list(self.session.entries(self.path(folder.path)))
        except StatusError as exc:
            if exc.code == NO_SUCH_FILE and folder.path:
                return found  # removed since its name was read
            raise self._listing_error(exc, folder.path) from exc
        names = [decode(name) for name, _ in entries]
        escaped = {uri for name in names if (uri := escape_name(name)) != name}
        if same := escaped.intersection(names):
            raise AccessError(
                f"two names in {self._shown(folder.path)} have the same uri {min(same)!r}",
                remedy="Rename the one that is not UTF-8",
            )
        for name, (_, attributes) in zip(names, entries, strict=True):
            if name in (".", "..") or not escape_name(name).startswith(start):
                continue
            if "/" in name or not name or "\0" in name:
                uri = folder.below(name.replace("/", "%2F").replace("\0", "%00"))
                found.files.append(self._unusable(uri, "no name that a file can have"))
                continue
            self._inspect(folder, name, attributes, found)
        return found

    def _inspect(self, folder: _Folder, name: str, attributes: Attributes, found: _Found) -> None:
        """Adds the entry to `found` if it is, or leads to, a file or a folder."""
        path, real = folder.below(name), None
        is_link = attributes.kind == stat.S_IFLNK
        try:
            if is_link:
                real = decode(self.session.real_path(self.path(path)))
                attributes = self.session.lstat(encode(real))
            elif not attributes.kind or (attributes.kind == stat.S_IFREG and _etag(attributes) is None):
                # A server need not tell all in a listing.
                attributes = self.session.stat(self.path(path))
        except StatusError as exc:
            if is_link:
                forbidden = exc.code == PERMISSION_DENIED
                fault = "a link that may not be followed" if forbidden else "a link that leads nowhere"
                found.files.append(self._unusable(path, fault))
            elif exc.code != NO_SUCH_FILE:
                raise self._listing_error(exc, path) from exc
            return
        if real is not None and not self.contains(real):
            _log.warning("left out %s: a link that leads out of the folder", self._shown(path))
        elif attributes.kind == stat.S_IFLNK:
            found.files.append(self._unusable(path, "a link, and the server does not tell where to"))
        elif attributes.kind == stat.S_IFDIR and real in folder.trail:
            _log.warning("left out %s: a link to a folder that it is in", self._shown(path))
        elif attributes.kind == stat.S_IFDIR:
            found.folders.append((name, real))
        elif attributes.kind in (stat.S_IFREG, 0):
            found.files.append(self._remote_file(path, attributes))

    def _remote_file(self, path: str, attributes: Attributes) -> RemoteFile:
        size, modified_s = attributes.size_bytes, attributes.modified_s
        if size is None or modified_s is None:
            return self._unusable(path, "the server does not tell its size and modification time")
        return RemoteFile(_uri_of(path), size, datetime.fromtimestamp(modified_s, UTC), etag=_etag(attributes))

    def _unusable(self, path: str, fault: str) -> RemoteFile:
        _log.warning("left out %s: %s", self._shown(path), fault)
        return RemoteFile.unusable(_uri_of(path), fault)

    def _exists(self, relative: str) -> bool:
        try:
            self.session.lstat(self.path(relative))
        except StatusError as exc:
            if exc.code == NO_SUCH_FILE or exc.code in _UNNAMEABLE:
                return False
            raise
        return True

    def _shown(self, relative: str) -> str:
        return f"{decode(self.path(relative))!r} on {server_name(self.config)}"

    def _listing_error(self, exc: StatusError, path: str) -> FileCdkError:
        if exc.code == NO_SUCH_FILE and not path:
            return AccessError(f"{self._shown('')} does not exist", remedy="Check `folder_path` for spelling")
        message = f"{self._shown(path)} cannot be listed"
        if exc.code == PERMISSION_DENIED:
            return AccessError(
                f"{message}: permission denied",
                remedy=f"Let user {self.config.username!r} read and enter the folder (chmod +rx)",
            )
        return AccessError(f"{message}: the server answers with status {exc.code}")


def _uri_of(path: str) -> str:
    return "/".join(map(escape_name, path.split("/")))


def _read(walk: _Walk, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
    session = walk.session
    handle, real_path = session.open_file(walk.find(file.uri))
    try:
        if real_path is not None and not walk.contains(decode(real_path)):
            raise FileAccessError("the file is reached through a link that leads out of the folder", uri=file.uri)
        before = session.fstat(handle)
        reached = start
        with closing(session.read(handle, start, end)) as pieces:
            for piece in pieces:
                if reached == start:
                    _refuse_other_version(before(), file)
                reached += len(piece)
                if reached == end:
                    # Before the last piece is handed out, so that whoever has all pieces has them of this version.
                    _refuse_other_version(session.fstat(handle)(), file)
                yield piece
        if reached < end:
            if reached == start:
                _refuse_other_version(before(), file)
            _refuse_other_version(session.fstat(handle)(), file)
            raise TransientError("the server's answer ended early", uri=file.uri)
    finally:
        session.close_later(handle)


def _refuse_other_version(attributes: Attributes, file: RemoteFile) -> None:
    if attributes.kind not in (stat.S_IFREG, 0):
        raise FileAccessError("not a regular file", uri=file.uri)
    if attributes.size_bytes != file.size_bytes or (file.etag is not None and _etag(attributes) != file.etag):
        raise file_changed(file.uri, "the file changed since it was listed")


def _etag(attributes: Attributes) -> str | None:
    """None when the server does not tell size and time."""
    if attributes.size_bytes is None or attributes.modified_s is None:
        return None
    return f"{attributes.modified_s:x}-{attributes.size_bytes:x}"


def _read_error(exc: StatusError, uri: str) -> FileCdkError:
    if exc.code == NO_SUCH_FILE:
        return FileAccessError("the file is gone since it was listed", uri=uri)
    if exc.code == PERMISSION_DENIED:
        return FileAccessError(
            "the file may not be read: permission denied",
            uri=uri,
            remedy="Let the user who logs in read it and enter its folder (chmod +r, +x)",
        )
    if exc.code == FAILURE:
        # The protocol's word for all else: too many open files, a failing disk, a folder.
        return TransientError("the server failed to read the file", uri=uri)
    return FileAccessError(f"the file cannot be read: the server answers with status {exc.code}", uri=uri)


def _pending_of(token: str) -> _Pending:
    return [
        (_Folder(path, tuple(trail)), [(name, real) for name, real in children])
        for path, trail, children in json.loads(token)
    ]
