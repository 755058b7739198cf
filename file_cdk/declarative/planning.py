"""Plans of a source: what the configuration makes of its manifest. Pure but for schemas that are in files."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError, ManifestError
from file_cdk.declarative.components.streams import (
    CheckStream,
    ConcurrencyLevel,
    ConditionalStreams,
    DeclarativeSource,
    DeclarativeStream,
    StateDelegatingStream,
)
from file_cdk.declarative.language.origins import Origins
from file_cdk.declarative.language.reading import read
from file_cdk.declarative.language.registry import decoded
from file_cdk.declarative.language.shapes import findings
from file_cdk.declarative.language.walking import Path as Steps
from file_cdk.declarative.language.walking import components
from file_cdk.declarative.normalizing import normalized
from file_cdk.declarative.plan import SourcePlan, StreamPlan
from file_cdk.declarative.planned_streams import Planning
from file_cdk.declarative.records.bodies import BodyFormats
from file_cdk.declarative.schemas import SchemaPlace, schema_of
from file_cdk.declarative.templates import Condition, Template
from file_cdk.declarative.unplanned import refusal

CONCURRENCY = 8
"""Slices that are read at once where the manifest does not say."""
CHECKED_STREAMS = "__airbyte_check_stream_names"
"""Key of a configuration that says which streams a check reads, in place of the manifest."""


class ManifestFacts(msgspec.Struct, frozen=True):
    """What is known of a manifest besides what it says. folder: where its schema files are. text: itself, for the lines of what
    is refused. now: the end of cursors without one. is_for_check: the
    manifest may lay values over the configuration. cursor_fields: those that a catalog chose, by stream. formats: of answers that
    are more than JSON."""

    folder: Path | None = None
    text: str | None = None
    is_for_check: bool = False
    now: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    cursor_fields: Mapping[str, str] = msgspec.field(default_factory=dict)
    formats: BodyFormats | None = None


def plan_of(source: DeclarativeSource, config: Mapping[str, Any], facts: ManifestFacts | None = None) -> SourcePlan:
    """Raises ConfigError where the configuration is not what the spec asks for, or the source as a whole cannot be run. A stream
    that cannot is refused when it is opened."""
    facts = facts or ManifestFacts()
    _refuse_whole(source)
    made = normalized(source.spec, config)
    config = _overridden(source, made.config) if facts.is_for_check else made.config
    if source.api_budget is not None:
        from file_cdk.declarative.http.budget import budget  # few have one

        budget(source.api_budget, config)  # which raises for one that is none; a client makes its own
    written = dict(_streams(source, config))
    planning = Planning(config, facts.now, facts.cursor_fields, tuple(written.values()), facts.formats)
    origins = _Lines(facts.text)
    streams = tuple(_stream(raw, at, planning, facts, origins) for at, raw in written.items())
    _refuse_twins(streams)
    return SourcePlan(
        config,
        source.spec.connection_specification if source.spec else {},
        made.migrated,
        streams,
        _checked(source, config),
        _concurrency(source.concurrency_level, config),
        source.api_budget,
        tuple(
            frozenset(str(each.get("name")) for each in group.streams)
            for group in (source.stream_groups or {}).values()
        ),
    )


def _overridden(source: DeclarativeSource, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a check runs with. It is not held against the spec, which is of what a user gives."""
    overrides = source.check.config_overrides
    if not overrides:
        return config
    reserved = sorted(key for key in overrides if key.startswith("__airbyte"))
    if reserved:
        raise ManifestError(
            f"config_overrides of the check has {', '.join(reserved)}: such keys are the platform's own"
        )
    for stream in source.streams or ():
        if any(component.get("refresh_token_updater") is not None for _, component in components(stream)):
            raise ManifestError(
                "config_overrides of the check cannot stand beside a refresh_token_updater, which would keep them",
                stream=stream.get("name"),
            )
    return {**config, **overrides}


def _refuse_whole(source: DeclarativeSource) -> None:
    if source.dynamic_streams and not source.streams:
        raise ManifestError("all streams are generated (dynamic_streams), which is not supported yet")
    if not source.streams:
        raise ManifestError("there are no streams")


def _streams(source: DeclarativeSource, config: Mapping[str, Any]) -> "list[tuple[Steps, Mapping[str, Any]]]":
    """Each with where it stands; of those under a condition the ones for which it holds."""
    found: list[tuple[Steps, Mapping[str, Any]]] = []
    for index, raw in enumerate(source.streams or ()):
        at: Steps = ("streams", index)
        if raw.get("type") != "ConditionalStreams":
            found.append((at, raw))
            continue
        group = decoded(raw, ConditionalStreams)
        where = f"condition of the streams in streams[{index}]"
        if Condition(group.condition, where).holds({"config": config, "parameters": group.parameters}):
            found += [((*at, "streams", inner), each) for inner, each in enumerate(group.streams)]
    return found


def _refuse_twins(streams: tuple[StreamPlan, ...]) -> None:
    names = [stream.name for stream in streams]
    twins = sorted({repr(name) for name in names if names.count(name) > 1})
    if twins:
        raise ManifestError(f"several streams are called {', '.join(twins)}", remedy="Give each a name of its own")


class _Lines:
    """Where things are written in a manifest; read again when something is to be told."""

    def __init__(self, text: str | None) -> None:
        self._text = text
        self._origins: Origins | None = None

    def line(self, path: Steps) -> int:
        if self._text is None:
            return 0
        if self._origins is None:
            self._origins = Origins(read(self._text, "manifest", with_places=True))
        return self._origins.place(path)[0]


def _stream(raw: Mapping[str, Any], at: Steps, planning: Planning, facts: ManifestFacts, lines: _Lines) -> StreamPlan:
    name = str(raw.get("name") or "")
    schema: Mapping[str, Any] | None = None
    try:
        if not name:
            raise ManifestError("a stream has no name", line=lines.line(at))
        if raw.get("type") == "StateDelegatingStream":
            whole = decoded(raw, StateDelegatingStream, stream=name).full_refresh_stream
            schema = _schema(decoded(whole, DeclarativeStream, stream=name), name, facts.folder, planning.config)
        refused = refusal(raw, name, lambda path: lines.line((*at, *path)))
        if refused is not None and schema is not None:
            raise refused
        component = decoded(raw, DeclarativeStream, stream=name)
        schema = _schema(component, name, facts.folder, planning.config)
        if refused is not None:
            raise refused
        return planning.stream(raw, component, schema)
    except ConfigError as exc:
        return StreamPlan(name, schema=schema, refused=_told(exc, raw, name, at, lines))


def _told(error: ConfigError, raw: Mapping[str, Any], name: str, at: Steps, lines: _Lines) -> ConfigError:
    """With the field and the line where the stream is not as its types have it."""
    if not isinstance(error, ManifestError) or error.line:
        return error
    wrong = (each for each in findings(raw, ("DeclarativeStream", "StateDelegatingStream")) if each.severity == "error")
    if (finding := next(wrong, None)) is None:
        return error
    field = ".".join(map(str, finding.path))
    meant = f"Was {finding.nearest!r} meant?" if finding.nearest else None
    line = lines.line((*at, *finding.path))
    return ManifestError(f"{field}: {finding.message}", line=line, stream=name or None, remedy=meant)


def _schema(stream: DeclarativeStream, name: str, folder: Path | None, config: Mapping[str, Any]) -> Mapping[str, Any]:
    return schema_of(stream.schema_loader, SchemaPlace(name, folder, config, stream.parameters))


def _checked(source: DeclarativeSource, config: Mapping[str, Any]) -> tuple[str, ...]:
    if not isinstance(source.check, CheckStream):
        raise ManifestError("a check of generated streams (CheckDynamicStream) is not supported yet")
    names = config.get(CHECKED_STREAMS) or source.check.stream_names or ()
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{CHECKED_STREAMS} of the configuration is no list of names")
    return tuple(names)


def _concurrency(level: ConcurrencyLevel | None, config: Mapping[str, Any]) -> int:
    if level is None:
        return CONCURRENCY
    wanted: Any = level.default_concurrency
    if isinstance(wanted, str):
        if re.search(r"\bconfig\b", wanted) and not level.max_concurrency:
            raise ManifestError("a ConcurrencyLevel that depends on the configuration needs 'max_concurrency'")
        wanted = Template(wanted, "concurrency_level, field 'default_concurrency'").value(
            {"config": config, "parameters": {}}
        )
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise ConfigError("'default_concurrency' of the ConcurrencyLevel comes to no whole number of 1 or more")
    return min(wanted, level.max_concurrency) if level.max_concurrency else wanted
