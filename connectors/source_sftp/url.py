"""URLs of folders and files of SFTP servers, as the command line names them, and its names of files as text.

The server has a name as bytes. As text, bytes that are not UTF-8 are surrogates, as `os.fsdecode` gives.
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
