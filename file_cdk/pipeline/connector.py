"""The protocol's four commands, as lines of messages; what each needs is imported when it is called."""

from collections.abc import Iterator, Mapping
from typing import Any

from file_cdk.core.connector import Connector


def spec_lines(connector: Connector) -> Iterator[bytes]:
    from file_cdk.protocol.messages import spec, to_line
    from file_cdk.protocol.spec import connection_specification

    specification = connection_specification(connector.config_class, title=connector.name)
    yield to_line(spec(specification, documentation_url=connector.documentation_url))


def check_lines(connector: Connector, raw: Mapping[str, Any]) -> Iterator[bytes]:
    """A CONNECTION_STATUS, FAILED with the remedy when the configuration cannot work; and what to know besides."""
    from file_cdk.pipeline.discovery import check

    return check(connector, raw)


def discover_lines(connector: Connector, raw: Mapping[str, Any]) -> Iterator[bytes]:
    """The CATALOG, after warnings. Raises ConfigError, AccessError, and MalformedFileError when no file can be sampled."""
    from file_cdk.pipeline.discovery import discover

    return discover(connector, raw)


def read(
    connector: Connector, raw: Mapping[str, Any], catalog: Any, state: Any, out_fd: int, workers: int | None
) -> int:
    """Writes records, states and statuses to `out_fd`; 0, or 1 when something could not be read.

    Raises ConfigError before any I/O, OutputClosedError and DestinationError when `out_fd` cannot be written.
    """
    from file_cdk.pipeline.read import read_streams

    return read_streams(connector, raw, catalog, state, out_fd, workers)
