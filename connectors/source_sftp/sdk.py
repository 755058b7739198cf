"""Connections to one server: made, checked, logged in, kept for the next request. Vendor errors end here."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from file_cdk import AccessError, FileError, TransientError
from source_sftp.access import expect_host_key, host_key_refused, load_paramiko, login
from source_sftp.config import PasswordCredentials, PrivateKeyCredentials, SftpConfig
from source_sftp.protocol import Session
from source_sftp.url import server_name

if TYPE_CHECKING:
    import paramiko

CONNECT_TIMEOUT_S = 10
STALL_TIMEOUT_S = 30
KEEP_ALIVE_S = 30

MAX_CONNECTIONS = 4
"""Per process. Many servers refuse more than ten connections from one address, and each worker is a process."""

# More than IN_FLIGHT_BYTES, so that the server never waits for the window to be widened.
_CHANNEL_WINDOW_BYTES = 8 << 20

# Where the processor has instructions for AES, GCM takes half of the time of CTR with a separate checksum.
_FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


@dataclass(slots=True, eq=False)
class Connection:
    """client: held because its connection closes with it. real_root: of the configured folder, once asked for."""

    client: "paramiko.SSHClient"
    session: Session
    real_root: bytes | None = None

    @property
    def is_alive(self) -> bool:
        transport = self.client.get_transport()
        return transport is not None and transport.is_active()


@dataclass(frozen=True, slots=True, eq=False)
class Connections:
    """Maximum MAX_CONNECTIONS at a time, each used by one thread; a thread waits while all are taken. Thread-safe."""

    _idle: list[Connection] = field(default_factory=list)
    _free: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(MAX_CONNECTIONS))

    @contextmanager
    def use(self, config: SftpConfig) -> Iterator[Connection]:
        """A connection; `config` is the same in every call. It is kept for the next call unless the block raises
        TransientError or anything unexpected.

        Raises AccessError (wrong credentials, wrong or unknown host key), ConfigError, TransientError.
        """
        with self._free:
            connection = self._take() or connect(config)
            try:
                yield connection
            except (AccessError, FileError, GeneratorExit):
                self._idle.append(connection)
                raise
            except BaseException as exc:
                connection.client.close()
                if isinstance(exc, TransientError):
                    self.close()  # what broke one has mostly broken all of them
                raise
            self._idle.append(connection)

    def close(self) -> None:
        """Closes those that are not in use."""
        with suppress(IndexError):
            while True:
                self._idle.pop().client.close()

    def _take(self) -> Connection | None:
        with suppress(IndexError):
            while True:
                if (connection := self._idle.pop()).is_alive:
                    return connection
                connection.client.close()
        return None


def connect(config: SftpConfig) -> Connection:
    """Logged in, SFTP started. Raises AccessError, ConfigError, TransientError."""
    paramiko = load_paramiko()
    client = paramiko.SSHClient()
    where = server_name(config)
    try:
        with _translated(config, where):
            expect_host_key(client, config)
            client.connect(
                config.host,
                config.port,
                config.username,
                timeout=CONNECT_TIMEOUT_S,
                banner_timeout=STALL_TIMEOUT_S,
                auth_timeout=STALL_TIMEOUT_S,
                channel_timeout=STALL_TIMEOUT_S,
                transport_factory=_transport,
                **login(config),
            )
            session = _start_session(client, where)
    except BaseException:
        client.close()
        raise
    return Connection(client, session)


def _transport(*args: Any, **options: Any) -> Any:
    transport = load_paramiko().Transport(*args, **options)
    security = transport.get_security_options()
    security.ciphers = sorted(security.ciphers, key=lambda name: name not in _FAST_CIPHERS)
    return transport


def _start_session(client: "paramiko.SSHClient", where: str) -> Session:
    transport = client.get_transport()
    assert transport is not None
    transport.set_keepalive(KEEP_ALIVE_S)
    channel = transport.open_session(window_size=_CHANNEL_WINDOW_BYTES, timeout=STALL_TIMEOUT_S)
    channel.settimeout(STALL_TIMEOUT_S)
    try:
        channel.invoke_subsystem("sftp")
    except load_paramiko().SSHException as exc:
        if not transport.is_active():
            raise
        raise AccessError(
            f"{where} lets the user log in, but has no SFTP for that user", remedy="Let the server offer it"
        ) from exc
    session = Session(channel, where)
    session.start()
    return session


# Errors


@contextmanager
def _translated(config: SftpConfig, where: str) -> Iterator[None]:
    paramiko = load_paramiko()
    try:
        yield
    except paramiko.BadHostKeyException as exc:
        raise host_key_refused(config, exc.key, exc.expected_key.fingerprint) from None
    except paramiko.IncompatiblePeer as exc:
        raise AccessError(
            f"{where} and paramiko have no algorithm in common",
            remedy="Let the server offer current algorithms, or install another version of paramiko",
        ) from exc
    except paramiko.AuthenticationException as exc:
        # From None: what a server says may repeat what it was sent.
        raise _not_logged_in(str(exc), config, where) from None
    except (paramiko.SSHException, EOFError) as exc:
        if "authentication methods" in str(exc):
            raise AccessError(
                f"{where}: there is no key to log in with for user {config.username!r}",
                remedy="Add one to the SSH agent (ssh-add) or set `credentials`",
            ) from None
        raise TransientError(f"{where} broke off while the connection was made") from exc
    except OSError as exc:
        raise _unreachable(exc, where) from exc


def _not_logged_in(text: str, config: SftpConfig, where: str) -> AccessError | TransientError:
    if "transport shut down" in text or "timeout" in text.lower():
        return TransientError(f"{where} broke off while the user logged in")
    credentials = config.credentials
    if isinstance(credentials, PasswordCredentials):
        what, remedy = "the password", "Check `username` and `credentials.password`"
    elif isinstance(credentials, PrivateKeyCredentials):
        what, remedy = "the private key", "Check `username`, and that the public key is in the user's authorized_keys"
    else:
        what = "every key of the SSH agent and of ~/.ssh"
        remedy = "Unlock the key with ssh-add, check `username`, or set `credentials`"
    return AccessError(f"{where} refuses {what} of user {config.username!r}", remedy=remedy)


def _unreachable(exc: OSError, where: str) -> TransientError:
    errors = getattr(exc, "errors", None)  # of each address that was tried
    first = next(iter(errors.values()), exc) if isinstance(errors, dict) else exc
    if isinstance(first, TimeoutError):
        return TransientError(f"{where} does not answer")
    code = getattr(first, "errno", None)
    reason = "connection refused" if code == errno.ECONNREFUSED else getattr(first, "strerror", None) or "no connection"
    return TransientError(f"{where} cannot be reached: {reason}")
