"""The connector: a folder of an SFTP server as its configuration or a URL names it."""

import getpass
import os
import posixpath
import re
from typing import Any
from urllib.parse import unquote

from file_cdk import ConfigError, Connector, Location, ObjectReader, globs_of_key, redacted, split_member
from source_sftp.config import PasswordCredentials, PrivateKeyCredentials, SftpConfig
from source_sftp.state import adopted
from source_sftp.store import SftpStore, origin_of

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


def describe_credentials(config: SftpConfig) -> str:
    """Without asking the server. Raises AccessError for a private key that cannot be used."""
    from source_sftp.connection import key_files, private_key

    credentials = config.credentials
    if isinstance(credentials, PasswordCredentials):
        return f"password of user {config.username!r} from the configuration"
    if isinstance(credentials, PrivateKeyCredentials):
        key = private_key(credentials)
        return f"private key {key.get_name()} {key.fingerprint} of user {config.username!r} from the configuration"
    sources = ["the SSH agent"] if os.environ.get("SSH_AUTH_SOCK") else []
    sources += [f"~/.ssh/{path.name}" for path in key_files()]
    return f"keys of user {config.username!r} from {', '.join(sources) or 'nowhere: no SSH agent, no key in ~/.ssh'}"


connector = Connector(
    name="source-sftp",
    config_class=SftpConfig,
    make_reader=lambda config: ObjectReader(SftpStore(config)),
    locate=locate,
    name_origin=origin_of,
    describe_credentials=describe_credentials,
    adopt_state=adopted,
)
