"""What a configuration may ask for and this version does not do yet: said before anything is read."""

from file_cdk.core.config import FileTransfer, SourceConfig, StreamConfig, ValidationPolicy
from file_cdk.core.errors import ConfigError
from file_cdk.formats.registry import require_format

_REMEDY = "It is planned; until then leave it out"


def require_supported(config: SourceConfig) -> None:
    """Raises ConfigError naming the option."""
    if isinstance(config.delivery_method, FileTransfer):
        raise ConfigError("delivery_method use_file_transfer is not supported by this version", remedy=_REMEDY)
    for stream in config.streams:
        _require_supported_stream(stream)


def _require_supported_stream(stream: StreamConfig) -> None:
    if stream.validation_policy is not ValidationPolicy.EMIT_RECORD:
        raise ConfigError(
            f"stream {stream.name!r}: validation_policy {stream.validation_policy.value!r} is not supported by this version",
            remedy=f"Use {ValidationPolicy.EMIT_RECORD.value!r}",
        )
    require_format(stream.format.filetype)
