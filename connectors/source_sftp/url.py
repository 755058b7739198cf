"""URLs of folders and files of SFTP servers, as the command line names them, and names of files in uris.

The server has a name as bytes. As text, bytes that are not UTF-8 are surrogates, as `os.fsdecode` gives. In a uri they are
escaped, by the same rules as for local folders.
"""

import getpass
import posixpath
import re
from typing import Any
from urllib.parse import quote, unquote

from file_cdk import ConfigError, Location, globs_of_key, redacted, split_member
from source_sftp.config import SftpConfig

_URL = re.compile(
    r"sftp://(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:@/\[\]]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/.*)?",
    re.IGNORECASE | re.DOTALL,
)
_WILDCARD = re.compile(r"[*?\[{]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNDECODABLE = re.compile("[\udc80-\udcff]")
_UNDECODABLE_OR_PERCENT = re.compile("[%\udc80-\udcff]")
_ESCAPED = re.compile(b"%(25|[89A-F][0-9A-F])")


def locate(url: str) -> Location:
    """`sftp://user@host:port/path`, percent-encoded where need be; asks no server.

    A path with wildcards is a pattern, one that ends in a slash means all files below it, any other the file itself, and
    all files below it when that does not look like a file's. Raises ConfigError for what is no such URL.
    """
    parts = _URL.fullmatch(url)
    if parts is None or not 0 < int(parts["port"] or 22) < 65536:
        raise ConfigError(
            f"{redacted(url)} is no SFTP URL",
            remedy="Write sftp://user@host:port/path, with @, : and / in a user name or password percent-encoded",
        )
    try:
        path = unquote(parts["path"] or "/", errors="strict")
    except UnicodeDecodeError:
        raise ConfigError(f"the path of {redacted(url)} is not UTF-8", remedy="Use a pattern") from None
    folder, globs, name = _wanted(path)
    config: dict[str, Any] = {
        "host": parts["host"].strip("[]"),
        "port": int(parts["port"] or 22),
        "username": unquote(parts["user"] or "") or getpass.getuser(),
        "credentials": {"auth_type": "agent"},
        "folder_path": folder,
    }
    if parts["password"] is not None:
        config["credentials"] = {"auth_type": "password", "password": unquote(parts["password"])}
    return Location(config, globs, name or config["host"])


def _wanted(path: str) -> tuple[str, tuple[str, ...], str]:
    """The folder to list, patterns relative to it, and a name for the table, which may be empty."""
    outer, _ = split_member(path) or (path, None)
    folder, _, _ = _WILDCARD.split(outer, maxsplit=1)[0].rpartition("/")
    globs, name = globs_of_key(path[len(folder) + 1 :])
    return folder or "/", globs, name or posixpath.basename(folder)


def origin_of(config: SftpConfig) -> str:
    """`sftp://user@host:port/folder`."""
    folder = posixpath.normpath(config.folder_path or ".").lstrip("/")
    if not config.folder_path.startswith("/"):
        folder = "~" if folder == "." else f"~/{folder}"
    return f"sftp://{quote(config.username, safe='')}@{_address(config).lower()}/{folder}"


def server_name(config: SftpConfig) -> str:
    """Names the server in errors."""
    return f"SFTP server {_address(config)}"


def _address(config: SftpConfig) -> str:
    return f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}"


def decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def escape_name(name: str) -> str:
    """In a name that is not UTF-8, the bytes at fault as `%E9` and the like, and `%` as `%25`."""
    if not _UNDECODABLE.search(name):
        return name
    return _UNDECODABLE_OR_PERCENT.sub(lambda match: f"%{ord(match[0]) & 0xFF:02X}", name)


def names_of(segment: str) -> tuple[str, ...]:
    """The names that `escape_name` turns into `segment`, itself first; there are at most two.

    None if no listing gives a uri with this segment.
    """
    if segment in ("", ".", "..") or "\0" in segment or _SURROGATE.search(segment):
        return ()
    raw = decode(_ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), segment.encode()))
    return (segment, raw) if raw != segment and escape_name(raw) == segment else (segment,)
