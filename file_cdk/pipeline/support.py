"""What a configuration may ask for and this version does not do yet: said before anything is read."""

from collections.abc import Mapping
from typing import Any

from file_cdk.core.config import FileTransfer, SourceConfig, ValidationPolicy, parse_config, unknown_keys
from file_cdk.core.connector import Connector
from file_cdk.core.errors import ConfigError
from file_cdk.formats.registry import require_format


def configured(connector: Connector, raw: Mapping[str, Any]) -> tuple[SourceConfig, list[str]]:
    """The validated configuration, and warnings about keys that it ignores. Raises ConfigError."""
    config = parse_config(connector.config_class, raw)
    require_supported(config)
    return config, [f"configuration key {key} means nothing here and is ignored" for key in unknown_keys(config, raw)]


def require_supported(config: SourceConfig, *, loads_tables: bool = False) -> None:
    """Raises ConfigError naming the option. loads_tables: records go into tables, not out by the protocol."""
    if isinstance(config.delivery_method, FileTransfer):
        if loads_tables:
            raise ConfigError(
                "delivery_method use_file_transfer is for the Airbyte protocol",
                remedy="Leave it out: a table has records, not files",
            )
        return  # no file is looked into, so any format will do
    for stream in config.streams:
        require_format(stream.format.filetype)
        if loads_tables and stream.validation_policy is not ValidationPolicy.EMIT_RECORD:
            raise ConfigError(
                f"stream {stream.name!r}: validation_policy {stream.validation_policy.value!r} is for the Airbyte protocol",
                remedy="Leave it out: a table is widened so that it holds every record",
            )
