"""Connections to one server: made, checked for the server's key, logged in, kept for the next request. Vendor errors end
here."""

import errno
import io
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from file_cdk import AccessError, ConfigError, FileError, TransientError
from source_sftp.config import PasswordCredentials, PrivateKeyCredentials, SftpConfig
from source_sftp.protocol import Session

if TYPE_CHECKING:
    import paramiko

CONNECT_TIMEOUT_S = 10
STALL_TIMEOUT_S = 30
KEEP_ALIVE_S = 30

MAX_CONNECTIONS = 4
"""Per process: many servers take ten at a time of one address, and workers have theirs."""

# More than a session has on its way, so that the server never waits for leave to send.
_CHANNEL_WINDOW_BYTES = 8 << 20

# Where the processor has instructions for AES, GCM takes half of the time of CTR with a separate checksum.
_FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")

_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")

_log = logging.getLogger("file_cdk.connectors.sftp")


class _HostKeyError(Exception):
    """The server's key is not the one expected, or none is. Goes through paramiko as it is."""

    def __init__(self, key: "paramiko.PKey", known: str | None) -> None:
        super().__init__()
        self.key = key
        self.known = known


@dataclass(slots=True, eq=False)
class Connection:
    """client: closes its connection when it is let go of. real_root: once it has been asked for."""

    client: "paramiko.SSHClient"
    session: Session
    real_root: bytes | None = None

    @property
    def is_alive(self) -> bool:
        transport = self.client.get_transport()
        return transport is not None and transport.is_active()

    def close(self) -> None:
        self.client.close()


@dataclass(slots=True, eq=False)
class Connections:
    """At most MAX_CONNECTIONS at a time, each for one thread; whoever comes when all are taken waits. Thread-safe."""

    config: SftpConfig
    _idle: list[Connection] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _free: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(MAX_CONNECTIONS))

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """A connection; not kept when a TransientError, or anything unexpected, comes out of the block.

        Raises AccessError (wrong credentials, wrong or unknown host key), ConfigError, TransientError.
        """
        with self._free:
            connection = self._take() or connect(self.config)
            try:
                yield connection
            except (AccessError, FileError, GeneratorExit):
                self._give_back(connection)
                raise
            except TransientError:
                connection.close()
                self._drop_idle()  # what broke one has mostly broken all of them
                raise
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)

    def close(self) -> None:
        self._drop_idle()

    def _take(self) -> Connection | None:
        with self._lock:
            while self._idle:
                if (connection := self._idle.pop()).is_alive:
                    return connection
                connection.close()
        return None

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            self._idle.append(connection)

    def _drop_idle(self) -> None:
        with self._lock:
            dropped, self._idle = self._idle, []
        for connection in dropped:
            connection.close()


def server_name(config: SftpConfig) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"SFTP server {host}:{config.port}"


def connect(config: SftpConfig) -> Connection:
    """Logged in, SFTP started. Raises AccessError, ConfigError, TransientError."""
    paramiko = load_paramiko()
    client = paramiko.SSHClient()
    where = server_name(config)
    try:
        with _translated(config, where):
            _expect_host_key(client, config)
            client.connect(
                config.host,
                config.port,
                config.username,
                timeout=CONNECT_TIMEOUT_S,
                banner_timeout=STALL_TIMEOUT_S,
                auth_timeout=STALL_TIMEOUT_S,
                channel_timeout=STALL_TIMEOUT_S,
                transport_factory=_transport,
                **_login(config),
            )
            session = _start_session(client, where)
    except BaseException:
        client.close()
        raise
    return Connection(client, session)


def load_paramiko() -> Any:
    """Raises ConfigError when it is not installed."""
    try:
        import paramiko
    except ImportError as exc:
        raise ConfigError("SFTP needs paramiko", remedy="pip install 'file-cdk[sftp]'") from exc
    log = logging.getLogger("paramiko")
    if log.level == logging.NOTSET:
        # It writes whole tracebacks of what is raised as well, by default to stderr.
        log.setLevel(logging.CRITICAL)
    return paramiko


def private_key(credentials: PrivateKeyCredentials) -> Any:
    """A paramiko.PKey. Raises AccessError when the text is no key that can be used, or the passphrase is wrong."""
    paramiko = load_paramiko()
    try:
        text = _openssh_text(credentials)
        for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
            try:
                return kind.from_private_key(io.StringIO(text))
            except paramiko.SSHException:
                continue
    except (ValueError, TypeError) as exc:
        # From None: the cause may quote the key.
        if "password" in str(exc).lower() or "passphrase" in str(exc).lower() or credentials.passphrase is not None:
            raise AccessError(
                "the private key cannot be unlocked", remedy="Check `credentials.passphrase`, which belongs to the key"
            ) from None
        raise _no_key() from None
    raise _no_key()


def key_files() -> list[Path]:
    """The user's default ones that paramiko tries."""
    folder = Path("~/.ssh").expanduser()
    return [path for name in ("id_rsa", "id_ecdsa", "id_ed25519") if (path := folder / name).is_file()]


def _no_key() -> AccessError:
    return AccessError(
        "the private key cannot be used",
        remedy="Give the whole text of an RSA, ECDSA or Ed25519 key, from its BEGIN to its END line, with its line ends",
    )


def _openssh_text(credentials: PrivateKeyCredentials) -> str:
    """The key without its passphrase, in the one format that is read for every kind of key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    data = credentials.private_key.replace("\r\n", "\n").replace("\\n", "\n").strip().encode() + b"\n"
    passphrase = credentials.passphrase.encode() if credentials.passphrase else None
    is_openssh = b"BEGIN OPENSSH PRIVATE KEY" in data
    load = serialization.load_ssh_private_key if is_openssh else serialization.load_pem_private_key
    try:
        key = load(data, passphrase)
    except UnsupportedAlgorithm:
        raise _no_key() from None
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()


def _transport(*args: Any, **options: Any) -> Any:
    paramiko = load_paramiko()
    transport = paramiko.Transport(*args, **options)
    security = transport.get_security_options()
    fast = tuple(name for name in _FAST_CIPHERS if name in security.ciphers)
    security.ciphers = fast + tuple(name for name in security.ciphers if name not in fast)
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


def _login(config: SftpConfig) -> dict[str, Any]:
    credentials = config.credentials
    if isinstance(credentials, PasswordCredentials):
        return {"password": credentials.password, "allow_agent": False, "look_for_keys": False}
    if isinstance(credentials, PrivateKeyCredentials):
        return {"pkey": private_key(credentials), "allow_agent": False, "look_for_keys": False}
    return {"allow_agent": True, "look_for_keys": True}


# Host keys


def _expect_host_key(client: "paramiko.SSHClient", config: SftpConfig) -> None:
    if not config.verify_host_key:
        _log.warning(
            "%s is not asked to prove who it is (`verify_host_key: false`): whoever is on the way can read and change "
            "what is sent",
            server_name(config),
        )
        client.set_missing_host_key_policy(_policy(None, accept_all=True))
        return
    if config.host_key is not None and not config.host_key.startswith("SHA256:"):
        _add_host_key(client, config, config.host_key)
    elif config.host_key is None:
        for path in _known_hosts(config):
            try:
                client.load_system_host_keys(str(path))
            except (OSError, UnicodeDecodeError, load_paramiko().SSHException) as exc:
                raise AccessError(
                    f"{str(path)!r} cannot be read as a file of known hosts", remedy="Name another one in `known_hosts`"
                ) from exc
    fingerprint = config.host_key if config.host_key and config.host_key.startswith("SHA256:") else None
    client.set_missing_host_key_policy(_policy(fingerprint, accept_all=False))


@dataclass(frozen=True, slots=True)
class _Policy:
    """For keys that are in no file: only `fingerprint` is accepted, or none, or all. What paramiko calls a
    MissingHostKeyPolicy, which it can be without inheriting from what is loaded only later."""

    fingerprint: str | None
    accept_all: bool

    def missing_host_key(self, _client: Any, _hostname: str, key: "paramiko.PKey") -> None:
        if not self.accept_all and (self.fingerprint is None or key.fingerprint != self.fingerprint.rstrip("=")):
            raise _HostKeyError(key, self.fingerprint)


def _policy(fingerprint: str | None, *, accept_all: bool) -> Any:
    return _Policy(fingerprint, accept_all)


def _add_host_key(client: "paramiko.SSHClient", config: SftpConfig, line: str) -> None:
    paramiko = load_paramiko()
    name = config.host if config.port == 22 else f"[{config.host}]:{config.port}"
    try:
        entry = paramiko.hostkeys.HostKeyEntry.from_line(" ".join([name, *line.split()[:2]]))
    except (paramiko.SSHException, ValueError) as exc:
        raise ConfigError("invalid configuration: host_key: cannot be decoded") from exc
    if entry is None:
        raise ConfigError(
            f"invalid configuration: host_key: keys of the type {line.split()[0]!r} are not known",
            remedy="Give the server's ssh-ed25519, ecdsa or ssh-rsa key",
        )
    client.get_host_keys().add(name, entry.key.get_name(), entry.key)


def _known_hosts(config: SftpConfig) -> list[Path]:
    """A file that is named has to exist."""
    if config.known_hosts is not None:
        return [Path(config.known_hosts).expanduser()]
    return [path for name in _KNOWN_HOSTS if (path := Path(name).expanduser()).is_file()]


# Errors


@contextmanager
def _translated(config: SftpConfig, where: str) -> Iterator[None]:
    paramiko = load_paramiko()
    try:
        yield
    except _HostKeyError as exc:
        raise _host_key_refused(exc.key, exc.known, config, where) from None
    except paramiko.BadHostKeyException as exc:
        raise _host_key_refused(exc.key, exc.expected_key.fingerprint, config, where) from None
    except paramiko.IncompatiblePeer as exc:
        raise AccessError(
            f"{where} and paramiko have no algorithm in common",
            remedy="Let the server offer current algorithms, or install another version of paramiko",
        ) from exc
    except paramiko.AuthenticationException as exc:
        # From None: what a server says may repeat what it was sent.
        raise _not_logged_in(str(exc), config, where) from None
    except paramiko.SSHException as exc:
        if "authentication methods" in str(exc):
            raise AccessError(
                f"{where}: there is no key to log in with for user {config.username!r}",
                remedy="Add one to the SSH agent (ssh-add) or set `credentials`",
            ) from None
        raise TransientError(f"{where} broke off while the connection was made") from exc
    except EOFError as exc:
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


def _host_key_refused(key: "paramiko.PKey", known: str | None, config: SftpConfig, where: str) -> AccessError:
    shown = f"{key.get_name()} {key.fingerprint}"
    name = config.host if config.port == 22 else f"[{config.host}]:{config.port}"
    if known is not None:
        return AccessError(
            f"{where} shows another host key than the one known: {shown}, known is {known}",
            remedy="Someone may be in between. If its administrator confirms the new key, "
            + (
                "put it in `host_key`"
                if config.host_key
                else f"remove the old one (ssh-keygen -R '{name}') and add the new one"
            ),
        )
    return AccessError(
        f"the host key of {where} is not known: {shown}",
        remedy="Compare it with what the server's administrator says, and set `host_key` to it, or add it to known_hosts "
        f"(ssh-keyscan -p {config.port} {config.host})",
    )


def _unreachable(exc: OSError, where: str) -> TransientError:
    errors = getattr(exc, "errors", None)  # of each address that was tried
    first = next(iter(errors.values()), exc) if isinstance(errors, dict) else exc
    if isinstance(first, TimeoutError):
        return TransientError(f"{where} does not answer")
    code = getattr(first, "errno", None)
    reason = "connection refused" if code == errno.ECONNREFUSED else getattr(first, "strerror", None) or "no connection"
    return TransientError(f"{where} cannot be reached: {reason}")
