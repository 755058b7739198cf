"""An SFTP server over a folder, with generated keys."""

import importlib.util
import socket
import sys
from pathlib import Path

from file_cdk.testing.servers.bulk import PutRefusedError
from file_cdk.testing.servers.folder import FolderServer
from file_cdk.testing.servers.process import Launch, missing

_PROGRAM = Path(__file__).with_name("sftp_program.py")
_LONGEST_NAME_BYTES = 255


class SftpServer(FolderServer):
    """asyncssh in a process of its own: one user, who logs in by password or by `client_key`. A bucket is a folder of the
    root directory.

    Keys are paths of files, so that those with empty, `.` or `..` segments are refused, and none can hold a folder's name.
    Anyone may open several connections; root is a chroot only as far as asyncssh maps the paths (links inside it are
    followed).
    """

    _scheme = "sftp"

    def __init__(self, username: str = "tester", password: str = "sftp-password-0123") -> None:  # noqa: S107
        super().__init__()
        self.username = username
        self.password = password

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def client_key(self) -> Path:
        """A private key in OpenSSH's format, without a passphrase, with which the user may log in."""
        return self._root.parent / "client_key"

    @property
    def known_hosts(self) -> Path:
        """A file in OpenSSH's format with the server's host key under its address and port."""
        return self._root.parent / "known_hosts"

    def path(self, bucket: str, key: str) -> Path:
        """The file behind a key; raises PutRefusedError for a key that is no path of a file."""
        segments = key.split("/")
        if {"", ".", ".."} & set(segments) or any(len(s.encode()) > _LONGEST_NAME_BYTES for s in segments):
            raise PutRefusedError("no file can have this path", uri=key)
        return self._root / bucket / key

    def _plan(self, folder: Path) -> Launch:
        if importlib.util.find_spec("asyncssh") is None:
            raise missing("asyncssh", "pip install asyncssh")
        self._root = folder / "files"
        self._root.mkdir()
        return Launch(
            name="the SFTP server",
            # -P: this folder must not come before installed packages, whose names it has modules of.
            command=[sys.executable, "-P", str(_PROGRAM), str(self.port), str(folder)],
            folder=folder,
            answers=lambda: _greets(self.port),
            env={"FILE_CDK_SFTP_USER": self.username, "FILE_CDK_SFTP_PASSWORD": self.password},
        )


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
