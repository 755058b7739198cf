"""The SFTP server that `sftp_server.SftpServer` runs: asyncssh over a folder.

    python -P sftp_program.py PORT FOLDER

Makes the keys in FOLDER first: host_key, client_key (both with .pub) and known_hosts. Serves FOLDER/files as the root.
User and password are in FILE_CDK_SFTP_USER and FILE_CDK_SFTP_PASSWORD.
"""

import asyncio
import os
import secrets
import sys
from functools import partial
from pathlib import Path

import asyncssh


class PasswordServer(asyncssh.SSHServer):
    """One user, who logs in by password or by the client key."""

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._password = password

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return username == self._username and secrets.compare_digest(password.encode(), self._password.encode())


def _sftp(root: str, channel: "asyncssh.SSHServerChannel[bytes]") -> asyncssh.SFTPServer:
    return asyncssh.SFTPServer(channel, chroot=root.encode())


def _make_keys(folder: Path, port: int) -> None:
    for name in ("host_key", "client_key"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        (folder / name).touch(mode=0o600)
        key.write_private_key(str(folder / name))
        key.write_public_key(str(folder / f"{name}.pub"))
    host_key = (folder / "host_key.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    (folder / "authorized_keys").write_text((folder / "client_key.pub").read_text())


async def serve(port: int, folder: Path) -> None:
    _make_keys(folder, port)
    username, password = os.environ["FILE_CDK_SFTP_USER"], os.environ["FILE_CDK_SFTP_PASSWORD"]
    await asyncssh.create_server(
        partial(PasswordServer, username, password),
        "127.0.0.1",
        port,
        server_host_keys=[str(folder / "host_key")],
        authorized_client_keys=str(folder / "authorized_keys"),
        sftp_factory=partial(_sftp, str(folder / "files")),
        allow_scp=False,
        backlog=128,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
