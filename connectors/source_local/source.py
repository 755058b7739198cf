"""The connector: a folder as its configuration or a path names it."""

from pathlib import Path

from file_cdk import Connector, LocalReader
from source_local.config import LocalConfig
from source_local.url import locate

connector = Connector(
    name="source-local",
    config_class=LocalConfig,
    make_reader=lambda config: LocalReader(config.path, follow_symlinks=config.follow_symlinks),
    locate=locate,
    name_origin=lambda config: Path(config.path).resolve().as_uri(),
    settle_s=1,
)
