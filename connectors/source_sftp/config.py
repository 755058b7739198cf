"""What a configuration of source-sftp holds."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from file_cdk import ConfigModel, Field, SourceConfig, field_validator, model_validator, secret_field
from source_sftp.legacy import adopted_stream

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")
_HOST_KEY = re.compile(r"(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[!-~]+[ \t]+[A-Za-z0-9+/]+=*(?:[ \t].*)?")


class PasswordCredentials(ConfigModel, title="Authenticate via Password"):
    auth_type: Literal["password"] = "password"
    password: str = secret_field("Password", "Password of the user.", order=3)


class PrivateKeyCredentials(ConfigModel, title="Authenticate via Private Key"):
    auth_type: Literal["private_key"] = "private_key"
    private_key: str = secret_field(
        "Private key", "Text of the private key, in OpenSSH's or a PEM format.", multiline=True, order=4
    )
    passphrase: str | None = secret_field("Passphrase", "Passphrase of the private key, if it has one.", None, order=5)


class AgentCredentials(ConfigModel, title="Authenticate via SSH Agent or Key Files"):
    auth_type: Literal["agent"] = "agent"


Credentials = PasswordCredentials | PrivateKeyCredentials | AgentCredentials


class SftpConfig(SourceConfig):
    """Configuration of source-sftp."""

    host: str = Field(
        title="Host Address",
        description="Name or address of the server.",
        min_length=1,
        json_schema_extra={"examples": ["www.host.com", "192.0.2.1"], "order": 2},
    )
    username: str = Field(
        title="User Name", description="User who logs in.", min_length=1, json_schema_extra={"order": 3}
    )
    credentials: Credentials = Field(
        default_factory=AgentCredentials,
        title="Authentication",
        description="How the user logs in. By default with the keys of the SSH agent and of ~/.ssh.",
        json_schema_extra={"order": 4},
    )
    port: int = Field(
        default=22, ge=1, le=65535, title="Port", description="Port of the server.", json_schema_extra={"order": 5}
    )
    folder_path: str = Field(
        default="/",
        title="Folder Path",
        description="Folder that holds the files; uris are relative to it. Without a leading slash it is relative to the "
        "folder in which the server puts the user.",
        json_schema_extra={"examples": ["/logs/2022"], "pattern_descriptor": "/folder_to_sync", "order": 6},
    )
    host_key: str | None = Field(
        default=None,
        title="Host Key",
        description="The server's public key (`ssh-ed25519 AAAA…`) or its fingerprint (`SHA256:…`). No other is accepted.",
        json_schema_extra={"order": 7},
    )
    known_hosts: str | None = Field(
        default=None,
        title="Known Hosts",
        description="File with the keys of servers, in OpenSSH's format; by default ~/.ssh/known_hosts and "
        "/etc/ssh/ssh_known_hosts.",
        json_schema_extra={"order": 8},
    )
    verify_host_key: bool = Field(
        default=True,
        title="Verify Host Key",
        description="Whether the server has to prove who it is. Without it, whoever is on the way can read the password "
        "and change the files.",
        json_schema_extra={"order": 9},
    )

    @model_validator(mode="before")
    @classmethod
    def _adopt_streams(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping) or not isinstance(streams := raw.get("streams"), list):
            return raw
        folder = str(raw.get("folder_path") or "/")
        return {**raw, "streams": [adopted_stream(folder, each) for each in streams]}

    @field_validator("folder_path", mode="before")
    @classmethod
    def _no_folder_is_the_root(cls, value: Any) -> Any:
        return value or "/"

    @field_validator("host_key")
    @classmethod
    def _host_key_is_one(cls, value: str | None) -> str | None:
        if value is not None and not (_FINGERPRINT.fullmatch(value.strip()) or _HOST_KEY.fullmatch(value.strip())):
            raise ValueError("must be a public key such as `ssh-ed25519 AAAA…` or a fingerprint such as `SHA256:…`")
        return None if value is None else value.strip()

    @field_validator("folder_path", "username", "host")
    @classmethod
    def _without_null(cls, value: str) -> str:
        if "\0" in value:
            raise ValueError("must not have a null character in it")
        return value
