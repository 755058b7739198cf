"""The connector: a folder of an SFTP server as its configuration or a URL names it."""

from file_cdk import Connector, ObjectReader
from source_sftp.access import describe
from source_sftp.config import SftpConfig
from source_sftp.legacy import adopted_state
from source_sftp.store import SftpStore
from source_sftp.url import locate, origin_of

connector = Connector(
    name="source-sftp",
    config_class=SftpConfig,
    make_reader=lambda config: ObjectReader(SftpStore(config)),
    locate=locate,
    name_origin=origin_of,
    describe_credentials=describe,
    adopt_state=lambda config, state: adopted_state(config.folder_path, state),
    settle_s=1,
)
