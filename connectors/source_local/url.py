"""Paths and `file://` URLs, as the command line names them."""

import errno
import os
import re
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from file_cdk import AccessError, ConfigError, GlobPatterns, Location, globs_of_key, split_member

_WILDCARD = re.compile(r"[*?\[{]")
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_DESCRIPTORS = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")


def locate(url: str) -> Location:
    """A folder means all files below it, a file itself, and a pattern what it matches below its first fixed folders.

    After an archive's name and `!`, the same of what is inside. A link that is named is followed wherever it leads, and
    gives the table its name. Raises AccessError when nothing is there, ConfigError for what is no file.
    """
    text = _path_of(url)
    if not text:
        raise ConfigError("SOURCE is empty")
    if (status := _status(text)) is not None:
        return _whole(text, status)
    if member := split_member(text):
        archive, inner = member
        if (status := _status(archive)) is not None:
            return _inside(archive, status, inner)
        if not _WILDCARD.search(archive):
            raise AccessError(f"no such archive: {archive}")
    if _WILDCARD.search(text):
        return _matching(text)
    raise AccessError(f"no such file or folder: {text}")


def _whole(text: str, status: os.stat_result) -> Location:
    path = Path(text)
    if stat.S_ISDIR(status.st_mode):
        return Location({"path": str(path)}, ("**",), _folder_name(path))
    _require_file(text, status)
    return Location(_holder(path), (GlobPatterns.escape(path.name),), path.stem)


def _inside(archive: str, status: os.stat_result, inner: str) -> Location:
    _require_file(archive, status)
    path = Path(archive)
    globs, name = globs_of_key(f"{GlobPatterns.escape(path.name)}!{inner}")
    return Location(_holder(path), globs, name or path.stem)


def _matching(text: str) -> Location:
    root, _, _ = _WILDCARD.split(text, maxsplit=1)[0].rpartition("/")
    pattern = text[len(root) + 1 :] if root or text.startswith("/") else text
    folder = Path(root or ("/" if text.startswith("/") else "."))
    status = _status(str(folder))
    if status is None or not stat.S_ISDIR(status.st_mode):
        raise AccessError(f"no such folder: {folder}")
    globs, _ = globs_of_key(pattern)
    return Location({"path": str(folder)}, globs, _folder_name(folder))


def _folder_name(folder: Path) -> str:
    """As it was given, also of a link; of `.` and `..` the real one."""
    return (folder.name if folder.name != ".." else "") or folder.resolve().name or "files"


def _holder(file: Path) -> dict[str, Any]:
    """Configuration of the folder that a named file is in."""
    return {"path": str(file.parent), "follow_symlinks": file.is_symlink()}


def _require_file(text: str, status: os.stat_result) -> None:
    # What a shell has redirected to stdin may be a file, but a worker process has another stdin.
    if not stat.S_ISREG(status.st_mode) or text.startswith(_DESCRIPTORS):
        raise ConfigError(f"{text} is no regular file", remedy="Save what it gives to a file, and name that")


def _status(path: str) -> os.stat_result | None:
    """None when nothing is there. Raises AccessError when it cannot be told."""
    try:
        return Path(path).stat()
    except PermissionError as exc:
        folder = _forbidden_folder(Path(path).absolute())
        raise AccessError(
            f"{str(folder)!r} cannot be listed: {exc.strerror}",
            remedy="Let the user who runs this read and enter the folder (chmod +rx)",
        ) from exc
    except OSError as exc:
        if exc.errno in _ABSENT:
            return None
        raise AccessError(f"{path!r} cannot be reached: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigError("SOURCE has a null character in it") from exc


def _forbidden_folder(path: Path) -> Path:
    """The uppermost folder on the way that may not be entered."""
    for folder in path.parents:
        try:
            folder.stat()
        except PermissionError:
            continue
        return folder
    return path.parent


def _path_of(url: str) -> str:
    if not url.startswith("file:"):
        return url
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise ConfigError(f"{url} names another host", remedy="Write file:///path for a path on this machine")
    return unquote(parts.path)
