"""How the user logs in, and how the server proves who it is."""

import io
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from file_cdk import AccessError, ConfigError
from source_sftp.config import PasswordCredentials, PrivateKeyCredentials, SftpConfig
from source_sftp.url import server_name

if TYPE_CHECKING:
    import paramiko

_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
_KEY_FILES = ("id_rsa", "id_ecdsa", "id_ed25519")
"""In ~/.ssh; those that paramiko tries."""

_log = logging.getLogger("file_cdk.connectors.sftp")


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


# The user


def describe(config: SftpConfig) -> str:
    """What the user logs in with; asks no server. Raises AccessError for a private key that cannot be used."""
    credentials = config.credentials
    if isinstance(credentials, PasswordCredentials):
        return f"password of user {config.username!r} from the configuration"
    if isinstance(credentials, PrivateKeyCredentials):
        key = private_key(credentials)
        return f"private key {key.get_name()} {key.fingerprint} of user {config.username!r} from the configuration"
    sources = ["the SSH agent"] if os.environ.get("SSH_AUTH_SOCK") else []
    sources += [f"~/.ssh/{name}" for name in _KEY_FILES if Path("~/.ssh", name).expanduser().is_file()]
    return f"keys of user {config.username!r} from {', '.join(sources) or 'nowhere: no SSH agent, no key in ~/.ssh'}"


def login(config: SftpConfig) -> dict[str, Any]:
    """Arguments of `SSHClient.connect`. Raises AccessError for a private key that cannot be used."""
    credentials = config.credentials
    if isinstance(credentials, PasswordCredentials):
        return {"password": credentials.password, "allow_agent": False, "look_for_keys": False}
    if isinstance(credentials, PrivateKeyCredentials):
        return {"pkey": private_key(credentials), "allow_agent": False, "look_for_keys": False}
    return {"allow_agent": True, "look_for_keys": True}


def private_key(credentials: PrivateKeyCredentials) -> Any:
    """A paramiko.PKey. Raises AccessError when the text is no key that can be used, or the passphrase is wrong."""
    paramiko = load_paramiko()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    data = credentials.private_key.replace("\r\n", "\n").replace("\\n", "\n").strip().encode() + b"\n"
    passphrase = credentials.passphrase.encode() if credentials.passphrase else None
    is_openssh = b"BEGIN OPENSSH PRIVATE KEY" in data
    load = serialization.load_ssh_private_key if is_openssh else serialization.load_pem_private_key
    try:
        # Without its passphrase, in the one format that paramiko reads for every kind of key.
        text = (
            load(data, passphrase)
            .private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
            )
            .decode()
        )
        for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
            with suppress(paramiko.SSHException):
                return kind.from_private_key(io.StringIO(text))
    except UnsupportedAlgorithm:
        pass
    except (ValueError, TypeError) as exc:
        if "password" in str(exc).lower() or "passphrase" in str(exc).lower() or credentials.passphrase is not None:
            # From None: the cause may quote the key.
            raise AccessError(
                "the private key cannot be unlocked", remedy="Check `credentials.passphrase`, which belongs to the key"
            ) from None
    raise AccessError(
        "the private key cannot be used",
        remedy="Give the whole text of an RSA, ECDSA or Ed25519 key, from its BEGIN to its END line, with its line ends",
    )


# The server


def expect_host_key(client: "paramiko.SSHClient", config: SftpConfig) -> None:
    """Makes the client refuse other keys than those expected. Raises AccessError (no file of known hosts), ConfigError."""
    if not config.verify_host_key:
        _log.warning(
            "%s is not asked to prove who it is (`verify_host_key: false`): whoever is on the way can read and change "
            "what is sent",
            server_name(config),
        )
    elif config.host_key is None:
        _load_known_hosts(client, config)
    elif not config.host_key.startswith("SHA256:"):
        _add_host_key(client, config, config.host_key)
    policy: Any = _OfNoFile(config)
    client.set_missing_host_key_policy(policy)


@dataclass(frozen=True, slots=True)
class _OfNoFile:
    """Accepts, of a server that no file of known hosts names, the configured fingerprint alone.

    It stands in for paramiko's MissingHostKeyPolicy without inheriting from it, because paramiko is loaded later.
    """

    config: SftpConfig

    def missing_host_key(self, _client: Any, _hostname: str, key: "paramiko.PKey") -> None:
        known = self.config.host_key
        if self.config.verify_host_key and (known is None or key.fingerprint != known.rstrip("=")):
            raise host_key_refused(self.config, key, known)


def _load_known_hosts(client: "paramiko.SSHClient", config: SftpConfig) -> None:
    paths = [Path(name).expanduser() for name in ((config.known_hosts,) if config.known_hosts else _KNOWN_HOSTS)]
    for path in paths:
        if config.known_hosts is None and not path.is_file():
            continue
        try:
            client.load_system_host_keys(str(path))
        except (OSError, UnicodeDecodeError, load_paramiko().SSHException) as exc:
            raise AccessError(
                f"{str(path)!r} cannot be read as a file of known hosts", remedy="Name another one in `known_hosts`"
            ) from exc


def _add_host_key(client: "paramiko.SSHClient", config: SftpConfig, line: str) -> None:
    paramiko = load_paramiko()
    name = _known_as(config)
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


def host_key_refused(config: SftpConfig, key: "paramiko.PKey", known: str | None) -> AccessError:
    """known: the fingerprint expected."""
    shown, where, name = f"{key.get_name()} {key.fingerprint}", server_name(config), _known_as(config)
    if known is None:
        return AccessError(
            f"the host key of {where} is not known: {shown}",
            remedy="Compare it with what the server's administrator says, and set `host_key` to it, or add it to "
            f"known_hosts (ssh-keyscan -p {config.port} {config.host})",
        )
    replace = (
        "put it in `host_key`"
        if config.host_key
        else f"remove the old one (ssh-keygen -R '{name}') and add the new one"
    )
    return AccessError(
        f"{where} shows another host key than the one known: {shown}, known is {known}",
        remedy=f"Someone may be in between. If its administrator confirms the new key, {replace}",
    )


def _known_as(config: SftpConfig) -> str:
    return config.host if config.port == 22 else f"[{config.host}]:{config.port}"
