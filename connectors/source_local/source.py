"""The connector: a folder as its configuration or a path names it."""

from pathlib import Path
from typing import TYPE_CHECKING

from file_cdk import Connector, imported
from source_local.config import LocalConfig

if TYPE_CHECKING:
    from file_cdk import StreamReader


def make_reader(config: LocalConfig) -> "StreamReader":
    from file_cdk import LocalReader  # what it imports, `spec` does without

    return LocalReader(config.path, follow_symlinks=config.follow_symlinks)


connector = Connector(
    name="source-local",
    config_class=LocalConfig,
    make_reader=make_reader,
    locate=imported("source_local.url:locate"),
    name_origin=lambda config: Path(config.path).resolve().as_uri(),
    settle_s=1,
)
