"""The connector: a folder of an SFTP server as its configuration or a URL names it."""

from typing import TYPE_CHECKING

from file_cdk import Connector
from source_sftp.config import SftpConfig
from source_sftp.legacy import adopted_state

if TYPE_CHECKING:
    from file_cdk import Location, StreamReader


def make_reader(config: SftpConfig) -> "StreamReader":
    from file_cdk import ObjectReader  # what both import, `spec` does without
    from source_sftp.store import SftpStore

    return ObjectReader(SftpStore(config))


def locate(url: str) -> "Location":
    from source_sftp.url import locate as located  # what it imports, `spec` does without

    return located(url)


def describe_credentials(config: SftpConfig) -> str:
    from source_sftp.access import describe

    return describe(config)


def origin_of(config: SftpConfig) -> str:
    from source_sftp.url import origin_of as origin

    return origin(config)


connector = Connector(
    name="source-sftp",
    config_class=SftpConfig,
    make_reader=make_reader,
    locate=locate,
    name_origin=origin_of,
    describe_credentials=describe_credentials,
    adopt_state=lambda config, state: adopted_state(config.folder_path, state),
    settle_s=1,
)
