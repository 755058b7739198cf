"""The connector: a bucket as its configuration or a URL names it."""

from file_cdk import Connector, ObjectReader
from source_s3.config import S3Config
from source_s3.legacy import adopted_state
from source_s3.store import store_of
from source_s3.url import locate


def describe_credentials(config: S3Config) -> str:
    from source_s3.sdk import describe

    return describe(config.settings)


connector = Connector(
    name="source-s3",
    config_class=S3Config,
    make_reader=lambda config: ObjectReader(store_of(config.settings)),
    locate=locate,
    name_origin=lambda config: config.settings.origin,
    describe_credentials=describe_credentials,
    adopt_state=lambda _, state: adopted_state(state),
)
