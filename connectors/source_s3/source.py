"""The connector: a bucket as its configuration or a URL names it."""

from typing import TYPE_CHECKING

from file_cdk import Connector, imported
from source_s3.config import S3Config
from source_s3.legacy import adopted_state

if TYPE_CHECKING:
    from file_cdk import StreamReader


def make_reader(config: S3Config) -> "StreamReader":
    from file_cdk import ObjectReader  # what both import, `spec` does without
    from source_s3.store import store_of

    return ObjectReader(store_of(config.settings))


def describe_credentials(config: S3Config) -> str:
    from source_s3.sdk import describe

    return describe(config.settings)


connector = Connector(
    name="source-s3",
    config_class=S3Config,
    make_reader=make_reader,
    locate=imported("source_s3.url:locate"),
    name_origin=lambda config: config.settings.origin,
    describe_credentials=describe_credentials,
    adopt_state=lambda _, state: adopted_state(state),
)
