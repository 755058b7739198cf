"""The connector: a bucket as its configuration or a URL names it."""

from file_cdk import Connector, ObjectReader, StreamReader
from source_s3.config import S3Config
from source_s3.legacy import adopted_state
from source_s3.url import locate


def make_reader(config: S3Config) -> StreamReader:
    from source_s3.store import store_of  # what it imports, `spec` does without

    return ObjectReader(store_of(config.settings))


def describe_credentials(config: S3Config) -> str:
    from source_s3.sdk import describe

    return describe(config.settings)


connector = Connector(
    name="source-s3",
    config_class=S3Config,
    make_reader=make_reader,
    locate=locate,
    name_origin=lambda config: config.settings.origin,
    describe_credentials=describe_credentials,
    adopt_state=lambda _, state: adopted_state(state),
)
