"""The connector: a folder of an SFTP server as its configuration or a URL names it."""

from typing import TYPE_CHECKING

from file_cdk import Connector, imported
from source_sftp.config import SftpConfig
from source_sftp.legacy import adopted_state

if TYPE_CHECKING:
    from file_cdk import StreamReader


def make_reader(config: SftpConfig) -> "StreamReader":
    from file_cdk import ObjectReader  # what both import, `spec` does without
    from source_sftp.store import SftpStore

    return ObjectReader(SftpStore(config))


connector = Connector(
    name="source-sftp",
    config_class=SftpConfig,
    make_reader=make_reader,
    locate=imported("source_sftp.url:locate"),
    name_origin=imported("source_sftp.url:origin_of"),
    describe_credentials=imported("source_sftp.access:describe"),
    adopt_state=lambda config, state: adopted_state(config.folder_path, state),
    settle_s=1,
)
