"""An SFTP server over a folder, with generated keys."""

import importlib.util
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from file_cdk.testing.servers.bulk import PutRefusedError
from file_cdk.testing.servers.folder import files_below, write_atomically
from file_cdk.testing.servers.process import ChildServer, Launch, free_ports, missing

_PROGRAM = Path(__file__).with_name("sftp_program.py")
_LONGEST_NAME_BYTES = 255


class SftpServer(ChildServer):
    """asyncssh in a process of its own: one user, who logs in by password or by `client_key`. A bucket is a folder of the
    root directory.

    Keys are paths of files, so that those with empty, `.` or `..` segments are refused, and none can hold a folder's name.
    Anyone may open several connections; root is a chroot only as far as asyncssh maps the paths (links inside it are
    followed).
    """

    def __init__(self, username: str = "tester", password: str = "sftp-password-0123") -> None:  # noqa: S107
        super().__init__()
        self.username = username
        self.password = password
        self._folder = Path()

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def endpoint(self) -> str:
        return f"sftp://{self.host}:{self.port}"

    @property
    def client_key(self) -> Path:
        """A private key in OpenSSH's format, without a passphrase, with which the user may log in."""
        return self._folder / "client_key"

    @property
    def known_hosts(self) -> Path:
        """A file in OpenSSH's format with the server's host key under its address and port."""
        return self._folder / "known_hosts"

    def create_bucket(self, name: str) -> None:
        (self._folder / "files" / name).mkdir()

    def put(self, bucket: str, key: str, data: bytes) -> None:
        write_atomically(self.path(bucket, key), data)

    def put_many(self, bucket: str, objects: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> None:
        for key, data in objects.items() if isinstance(objects, Mapping) else objects:
            self.put(bucket, key, data)

    def delete(self, bucket: str, key: str) -> None:
        self.path(bucket, key).unlink()

    def keys(self, bucket: str) -> list[str]:
        return files_below(self._folder / "files" / bucket)

    def path(self, bucket: str, key: str) -> Path:
        """The file behind a key; raises PutRefusedError for a key that is no path of a file."""
        segments = key.split("/")
        if {"", ".", ".."} & set(segments) or any(len(s.encode()) > _LONGEST_NAME_BYTES for s in segments):
            raise PutRefusedError("no file can have this path", uri=key)
        return self._folder / "files" / bucket / key

    def _plan(self, folder: Path) -> Launch:
        if importlib.util.find_spec("asyncssh") is None:
            raise missing("asyncssh", "pip install asyncssh")
        [port] = free_ports(1)
        self._port = port
        self._folder = folder
        (folder / "files").mkdir()
        return Launch(
            name="the SFTP server",
            # -P: this folder must not come before installed packages, whose names it has modules of.
            command=[sys.executable, "-P", str(_PROGRAM), str(port), str(folder)],
            folder=folder,
            answers=lambda: _greets(port),
            env={"FILE_CDK_SFTP_USER": self.username, "FILE_CDK_SFTP_PASSWORD": self.password},
        )


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
