"""The connector: a folder of an SFTP server as its configuration or a URL names it."""

import os

from file_cdk import Connector, ObjectReader
from source_sftp.config import PasswordCredentials, PrivateKeyCredentials, SftpConfig
from source_sftp.legacy import adopted_state
from source_sftp.store import SftpStore
from source_sftp.url import locate, origin_of


def describe_credentials(config: SftpConfig) -> str:
    """Without asking the server. Raises AccessError for a private key that cannot be used."""
    from source_sftp.sdk import key_files, private_key

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
    adopt_state=adopted_state,
)
