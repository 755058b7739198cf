"""`check` and `discover` of a manifest."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from file_cdk.core.errors import AccessError, ConfigError, FileCdkError
from file_cdk.declarative.planning import plan_of
from file_cdk.declarative.scheduling import Bounds, PageReady, SliceDone, read
from file_cdk.declarative.slicing.stream import SlicedStream
from file_cdk.pipeline.apis.fingerprints import fingerprints
from file_cdk.pipeline.apis.manifest import Manifest
from file_cdk.pipeline.apis.output import ApiOutput
from file_cdk.pipeline.apis.progress import FINGERPRINT
from file_cdk.pipeline.apis.run import RunOptions, connected, manifest_facts, output_of
from file_cdk.protocol import messages
from file_cdk.protocol.catalog import discovered_api_stream


def check(manifest: Manifest, config: Mapping[str, Any], out_fd: int, options: RunOptions) -> int:
    """A CONNECTION_STATUS: whether the first record of each stream can be read that the manifest names for it."""
    failure = None
    with closing(output_of(manifest, config, out_fd)) as output:
        try:
            _try(manifest, config, output, options)
        except FileCdkError as exc:
            failure = output.hidden(str(exc))
        output.send(messages.connection_status(failure))
    return 0


def _try(manifest: Manifest, config: Mapping[str, Any], output: ApiOutput, options: RunOptions) -> None:
    plan = plan_of(manifest.source, config, manifest_facts(manifest, is_for_check=True))
    if not plan.checked:
        raise ConfigError("the manifest names no stream to be checked", remedy="Name one in 'stream_names' of 'check'")
    with connected(manifest, plan, output, options) as client:
        for name in plan.checked:
            _read_first_record(plan.stream(name).opened(client))


def _read_first_record(stream: SlicedStream) -> None:
    """Of its first slice, if that has one."""
    with read(stream, bounds=Bounds(slices=1, pages_ahead=0)) as events:
        for event in events:
            if isinstance(event, SliceDone) or (isinstance(event, PageReady) and event.page.records):
                return
    raise AccessError(
        f"stream {stream.name!r} has nothing to ask for: the streams above it have no records",
        remedy="Check that the credentials may see them, or let the manifest check another stream",
    )


def discover(manifest: Manifest, config: Mapping[str, Any], *, with_fingerprints: bool = False) -> Iterator[bytes]:
    """The CATALOG, after warnings of streams that it leaves out, because they cannot be read. Raises ConfigError, also where none
    is left."""
    plan = plan_of(manifest.source, config, manifest_facts(manifest))
    fingerprint = fingerprints(manifest, plan) if with_fingerprints else None
    streams, refused = [], []
    for stream in plan.streams:
        if stream.refused is not None:
            refused.append(stream.refused)
            continue
        described = discovered_api_stream(
            stream.name,
            stream.described(),
            primary_key=stream.primary_key,
            cursor_field=stream.cursor_field,
            own_cursor=not stream.takes_cursor_field,
        )
        streams.append(described | ({FINGERPRINT: fingerprint(stream.name)} if fingerprint else {}))
    if refused and not streams:
        raise refused[0]
    for error in refused:
        yield messages.to_line(messages.log(logging.WARNING, f"not in the catalog: {error}"))
    yield messages.to_line(messages.catalog(streams))
