"""What the commands that talk to an API share: a client, and what becomes of what it has to say."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from file_cdk.declarative import http
from file_cdk.declarative.http.secrets import Secrets, secret_values
from file_cdk.declarative.plan import SourcePlan
from file_cdk.declarative.planning import ManifestFacts
from file_cdk.declarative.scheduling import Bounds
from file_cdk.pipeline.apis.formats import FileFormats
from file_cdk.pipeline.apis.manifest import Manifest
from file_cdk.pipeline.apis.output import ApiOutput
from file_cdk.pipeline.apis.progress import Attempt
from file_cdk.pipeline.output import Output


class RunOptions(msgspec.Struct, frozen=True):
    """slices: maximum that is read at once, instead of the manifest's. streams: likewise; None: as many as is usual.
    pages_ahead: see Bounds; None: as the manifest lets it.

    record, replay: folders, see `http.opened`. strict: what was passed over makes the run one that did not end well.
    attempts: by stream, what an earlier run left to go on with; then this one tells its progress. None: nobody asks for that.
    """

    slices: int | None = None
    streams: int | None = None
    pages_ahead: int | None = None
    record: Path | None = None
    replay: Path | None = None
    strict: bool = False
    attempts: Mapping[str, Attempt] | None = None

    def bounds(self, plan: SourcePlan) -> Bounds:
        default = Bounds()
        # Requests that may turn out to be in vain are not taken from a budget.
        ahead = 0 if plan.budget else default.pages_ahead if self.pages_ahead is None else self.pages_ahead
        return Bounds(slices=self.slices or plan.concurrency, pages_ahead=ahead)


def manifest_facts(manifest: Manifest, *, is_for_check: bool = False) -> ManifestFacts:
    return ManifestFacts(manifest.folder, manifest.text, is_for_check=is_for_check, formats=FileFormats())


def output_of(manifest: Manifest, config: Mapping[str, Any], out_fd: int) -> ApiOutput:
    return ApiOutput(Output(out_fd), Secrets(secret_values(config, manifest.config_schema)).hidden)


@contextmanager
def connected(manifest: Manifest, plan: SourcePlan, output: ApiOutput, options: RunOptions) -> Iterator[http.Client]:
    """At its end all requests end, and other threads say nothing any more. A configuration that the manifest migrated is told
    first. Raises ConfigError."""
    if plan.migrated is not None:
        output.configured(plan.migrated)
    client = http.opened(
        plan.config,
        manifest.config_schema,
        budget=plan.budget,
        around=http.Surroundings(on_pause=output.paused, on_config=output.configured),
        record=options.record,
        replay=options.replay,
    )
    output.hidden = client.secrets.hidden
    try:
        yield client
    finally:
        client.close()
