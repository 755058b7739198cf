"""PostgreSQL, as Debian's package `postgresql` installs it."""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from file_cdk.testing.servers.process import ChildServer, Launch, ServerStartError, missing

_INSTALLED = "/usr/lib/postgresql"


class PostgresServer(ChildServer):
    """A cluster of its own in a temporary folder: one superuser, who logs in by password over TCP. Nothing is synced to the disk.

    Postgres refuses to run as root: then it runs as `nobody`.
    """

    _scheme = "postgres"

    def __init__(self, username: str = "tester", password: str = "p@ss/word:0123") -> None:  # noqa: S107
        super().__init__()
        self.username = username
        self.password = password

    def url(self, database: str = "postgres", *, password: bool = True) -> str:
        user = quote(self.username, safe="") + (f":{quote(self.password, safe='')}" if password else "")
        return f"{self._scheme}://{user}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Its name."""
        name = f"test_{secrets.token_hex(6)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
        return name

    def psql(self, database: str = "postgres") -> list[str]:
        """The command, which stops at the first error and says nothing else."""
        return _psql(self.url(database))

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Runs it by psql, and answers what that prints: values alone. Raises CalledProcessError."""
        command = [*self.psql(database), "-A", "-t", "-c", statement]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)  # noqa: S603 - our own
        return done.stdout.strip()

    def stop(self) -> None:
        if self._process is not None:
            # Killed, it would leave its segment of shared memory behind.
            folder = self._process.folder
            command = [*_as_user(), _program("pg_ctl"), "stop", "-s", "-m", "immediate", "-D", str(folder / "data")]
            subprocess.run(command, check=False, capture_output=True, timeout=60, cwd="/")  # noqa: S603 - our own
        super().stop()

    def _plan(self, folder: Path) -> Launch:
        programs = _program("initdb"), _program("postgres")
        data, password = folder / "data", folder / "password"
        password.write_text(self.password)
        for path in (folder, password):
            path.chmod(0o755 if path is folder else 0o644)
        data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(data, "nobody")
        data.chmod(0o700)
        command = [*_as_user(), programs[0], "-D", str(data), "-U", self.username, "--pwfile", str(password)]
        command += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd="/")  # noqa: S603 - our own
        if made.returncode:
            raise ServerStartError(f"initdb ended with code {made.returncode}: {made.stderr[-2000:]}")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "64MB",
            "dynamic_shared_memory_type": "mmap",  # in the folder, which goes with the server
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return Launch(
            name="Postgres",
            command=[*_as_user(), programs[1], "-D", str(data), *options],
            folder=folder,
            answers=lambda: _answers(self.port, self.url()),
        )


def _as_user() -> Sequence[str]:
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


def _answers(port: int, url: str) -> bool:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)):
            return False
    command = [*_psql(url), "-c", "SELECT 1"]
    return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0  # noqa: S603 - our own


def _psql(url: str) -> list[str]:
    return [_program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url]


def _program(name: str) -> str:
    """Of the newest version that is installed."""
    versions = sorted(Path(_INSTALLED).glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    if versions:
        return str(versions[-1])
    if found := shutil.which(name):
        return found
    raise missing("Postgres", "apt-get install postgresql")
