"""`spec`, `check` and `write` of a destination."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from file_cdk.core.config import parse_config, unknown_keys
from file_cdk.core.connector import DestinationConnector
from file_cdk.core.errors import FileCdkError
from file_cdk.core.ports import Inspectable
from file_cdk.core.system.output import write_all
from file_cdk.destinations.registry import destination_for
from file_cdk.pipeline.receiving.worker import DecodedEvent, ReceivingOrder
from file_cdk.pipeline.writing.write import Writing
from file_cdk.protocol import messages
from file_cdk.protocol.receiving.events import OtherReceived, StateReceived
from file_cdk.protocol.spec import connection_specification
from file_cdk.protocol.written_streams import WriteMode, parse_written_catalog

_log = logging.getLogger(__name__)


def specification(connector: DestinationConnector) -> bytes:
    schema = connection_specification(connector.config_class, title=connector.name)
    modes = [str(mode) for mode in WriteMode]
    return messages.to_line(messages.spec(schema, documentation_url=connector.documentation_url, write_modes=modes))


def _url(connector: DestinationConnector, raw: Mapping[str, Any]) -> str:
    """Raises ConfigError."""
    config = parse_config(connector.config_class, raw)
    for key in unknown_keys(config, raw):
        _log.warning("configuration key %s means nothing here and is ignored", key)
    return connector.make_url(config)


def check(connector: DestinationConnector, raw: Mapping[str, Any]) -> Iterator[bytes]:
    """A CONNECTION_STATUS, FAILED with the remedy when the configuration cannot work. What is there stays as it is."""
    failure = None
    try:
        destination = destination_for(_url(connector, raw))
        if isinstance(destination, Inspectable):
            destination.check()
    except FileCdkError as exc:
        failure = str(exc)
    yield messages.to_line(messages.connection_status(failure))


def write_records(
    connector: DestinationConnector,
    raw: Mapping[str, Any],
    catalog: Any,
    events: Callable[[ReceivingOrder], Iterator[DecodedEvent]],
    out_fd: int,
    *,
    lenient: bool,
) -> int:
    """The exit code. events: of the input, as `receiving.worker.decoded` has them, in this process or in another. Raises what
    Writing.run does."""
    streams = parse_written_catalog(catalog)
    destination = destination_for(_url(connector, raw))

    def hand_back(states: Sequence[StateReceived]) -> None:
        write_all(out_fd, b"".join(state.raw + b"\n" for state in states))

    destination.open()
    try:
        writing = Writing(destination, streams, hand_back, _pass_over)
        writing.run(events(writing.begin(lenient=lenient)))
    finally:
        destination.close()
    for oddity, count in writing.warnings.items():
        _log.warning("records: %d: %s", count, oddity)
    for reason, count in writing.passed_over.items():
        _log.warning("lines that were passed over: %d: %s", count, reason)
    return 0


def _pass_over(_: OtherReceived) -> None:
    """What a source says to the platform, which hears it by itself."""
