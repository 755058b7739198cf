"""From what a person names (a path, a URL, a YAML file) to the streams to sync."""

import json
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from os.path import commonprefix
from pathlib import Path
from typing import Any, cast

from file_cdk.core.config import CsvConfig, FormatConfig, SourceConfig, StreamConfig, parse_config, unknown_keys
from file_cdk.core.connector import Connector
from file_cdk.core.errors import ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.core.uris import is_archive, redacted
from file_cdk.formats.registry import default_config, kind_of, kinds
from file_cdk.pipeline.support import require_supported
from file_cdk.readers.archives.reader import ArchiveReader
from file_cdk.readers.globbing import GlobPatterns

_log = logging.getLogger(__name__)

CONNECTORS = "file_cdk.connectors"
NOT_RECOGNISED = "unknown extension"
_YAML = (".yaml", ".yml")
_JSON = ".json"
_MAX_CONFIGURATION_BYTES = 2 << 20
"""Of YAML or JSON: what is larger is no configuration, and reading it as YAML would take longer than anyone waits."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NAMES_SHOWN = 3
_TOLD_NAME = re.compile(r"\b(alias|handle|tag) '.*", re.DOTALL)
"""In what YAML complains of: a password that begins with `*` or `!` and is not in quotes is taken for the name of one."""


@dataclass(frozen=True, slots=True)
class SourceStream:
    """A stream ready to be listed. format is None until the files' extensions have told it. finds_dialect: no configuration
    says how its CSV files are written."""

    name: str
    connector: Connector
    reader: StreamReader
    matcher: GlobPatterns
    source: SourceConfig
    stream: StreamConfig
    format: FormatConfig | None
    origin: str | None
    finds_dialect: bool = False
    finds_partitions: bool = False
    """Whether `key=value` folders become columns though no configuration says so."""
    file: str | None = None
    """The one file that SOURCE names, if it does."""
    folder: str = ""
    """Where the stream is named after a folder or file below the root: what the uris of all its files begin with."""

    def has_archive(self) -> bool:
        """Whether that is an archive, and is there: none of its members may be wanted."""
        if self.file is None or not is_archive(self.file) or not isinstance(self.reader, ArchiveReader):
            return False
        return any(found.uri == self.file for found in self.reader.inner.list_files(self.file))


def streams_of(
    source: str, filetype: str | None, name: str | None, connector_name: str | None = None, partitions: bool = True
) -> list[SourceStream]:
    """The streams that SOURCE stands for. filetype and name override what a path or URL would give, and partitions that
    `key=value` folders are columns.

    connector_name: SOURCE is a configuration of this connector, in YAML or JSON, whatever the file is called.

    Raises ConfigError, or AccessError when nothing is there.
    """
    if not source:
        raise ConfigError("SOURCE is empty")
    if name == "":
        raise ConfigError("the table's name is empty")
    if connector_name is not None or _is_configuration(source, is_data=filetype is not None):
        if filetype or name:
            raise ConfigError("the format and table of a configuration's streams are set in that file")
        if not partitions:
            raise ConfigError("whether paths give columns is set in that file, as path_partitions")
        return _streams_of_file(source, connector_name)
    scheme = _SCHEME.match(source)
    connector = connector_for(scheme[1].lower() if scheme else "file")
    location = connector.location(source)
    chosen = _default_format(filetype) if filetype else None
    if chosen is None and (file := _named_file(location.globs)) and not may_be_read(file, kind_of(file)):
        raise ConfigError(
            f"{redacted(source)} has no known extension",
            remedy=f"Say what it is with --format: {', '.join(kinds())}",
        )
    stream: dict[str, Any] = {
        "name": name or location.name,
        "globs": list(location.globs),
        "format": chosen or CsvConfig(),
        "path_partitions": None if partitions else False,
    }
    config = parse_config(connector.config_class, {**location.config, "streams": [stream]})
    stream_of_one = _source_stream(connector, config, config.streams[0], chosen)
    file, folder = _named_file(location.globs), "" if name else _folder_of(stream_of_one.matcher.prefixes)
    return [replace(stream_of_one, finds_dialect=True, finds_partitions=partitions, file=file, folder=folder)]


def connector_for(scheme: str) -> Connector:
    """The installed connector that claims a URL scheme, or is called so (`s3` or `source-s3`). Raises ConfigError naming those
    that are."""
    installed: dict[str, EntryPoint] = {entry.name: entry for entry in entry_points(group=CONNECTORS)}
    called = {entry.value.partition(".")[0].replace("_", "-"): entry for entry in installed.values()}
    if (found := installed.get(scheme) or called.get(scheme)) is None:
        raise ConfigError(
            f"no connector is installed for {scheme}:", remedy=f"Installed: {', '.join(sorted(installed))}"
        )
    return cast(Connector, found.load())


def _is_configuration(source: str, *, is_data: bool) -> bool:
    """By its ending a YAML file; or a JSON file that has `source` and `streams`, which is no data to be loaded.

    Raises ConfigError for the configuration of a connector that it does not name, unless somebody says that it is data.
    """
    ending = source[source.rfind(".") :].lower()
    if ending not in (*_YAML, _JSON) or not os.path.isfile(source):  # noqa: PTH113 - Path.is_file raises where it may not look
        return False
    if ending in _YAML:
        return True
    try:
        if os.path.getsize(source) > _MAX_CONFIGURATION_BYTES:  # noqa: PTH202 - as above
            return False
        document = json.loads(Path(source).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(document, dict) or "streams" not in document:
        return False
    if isinstance(document.get("source"), str):
        return True
    streams = document["streams"]
    if (
        not is_data
        and isinstance(streams, list)
        and streams
        and all(isinstance(each, dict) and "format" in each for each in streams)
    ):
        # Loaded as data, the secrets in it would stand in a table.
        raise ConfigError(
            f"{source} looks like a connector's configuration",
            remedy="Say whose with --connector, such as --connector s3; or with --format jsonl that it is data",
        )
    return False


def _named_file(globs: Sequence[str]) -> str | None:
    """The file's name, where the patterns name one literally."""
    names = [_ESCAPED.sub(r"\1", pattern) for pattern in globs]
    return names[0] if [GlobPatterns.escape(name) for name in names] == list(globs) and len(names) == 1 else None


def _folder_of(prefixes: Sequence[str]) -> str:
    """The last folder that is on the way to all files: `2024/orders/`; empty for the root."""
    shared = commonprefix(list(prefixes))  # noqa: RUF071 - cut at a slash below
    return shared[: shared.rfind("/") + 1]


def _streams_of_file(path: str, connector_name: str | None) -> list[SourceStream]:
    connector = None if connector_name is None else connector_for(connector_name)
    shown = redacted(path)  # with a connector's name, it may also be a URL by mistake
    raw = _load_yaml(path, shown)
    named = raw.pop("source", None)
    if connector is None and named is None and "path" not in raw:
        raise ConfigError(
            f"{shown} does not say which source it is for",
            remedy="Write `source: s3` (or gs, az, sftp …) or `path: …` into it",
        )
    connector = connector or connector_for("file" if named is None else str(named))
    config = parse_config(connector.config_class, raw)
    if unknown := list(unknown_keys(config, raw)):
        fault = f"{shown} has keys that mean nothing here: {', '.join(unknown)}"
        if not path.lower().endswith(_JSON):
            raise ConfigError(fault, remedy="Correct or remove them")
        _log.warning("%s", fault)  # a connector's own configuration may have keys of another implementation
    require_supported(config, loads_tables=True)
    return [_source_stream(connector, config, stream, stream.format) for stream in config.streams]


def _load_yaml(path: str, shown: str) -> dict[str, Any]:
    import yaml

    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_CONFIGURATION_BYTES + 1)
        if len(text) > _MAX_CONFIGURATION_BYTES:
            raise ConfigError(
                f"{shown} is larger than {_MAX_CONFIGURATION_BYTES >> 20} MiB, which no configuration is",
                remedy="Name the configuration; data in JSON is read with a name that ends in .json, or with --format jsonl",
            )
        raw = _parsed(text.decode())
    except yaml.MarkedYAMLError as exc:
        line = f", line {exc.problem_mark.line + 1}" if exc.problem_mark else ""
        problem = _TOLD_NAME.sub(r"\1", exc.problem or "")
        raise ConfigError(f"{shown} is not YAML: {problem}{line}") from None
    except OSError as exc:
        # Not `from exc`: that has the path in it as it was given.
        raise ConfigError(f"{shown} cannot be read: {exc.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigError(f"{shown} is not YAML") from None
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise ConfigError(f"{shown} must hold a mapping with `streams`")
    return raw


def _parsed(text: str) -> Any:
    """Raises yaml.YAMLError. Not all JSON is YAML: that takes no tabs between tokens."""
    import yaml

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # The same in C, where it is there, is several times as fast.
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe ones


def _source_stream(
    connector: Connector, config: SourceConfig, stream: StreamConfig, chosen: FormatConfig | None
) -> SourceStream:
    matcher = GlobPatterns(stream.globs, stream.legacy_prefix)
    reader = ArchiveReader(connector.reader(config), matcher, stream.max_expansion_ratio)
    return SourceStream(stream.name, connector, reader, matcher, config, stream, chosen, connector.origin(config))


def _default_format(filetype: str) -> FormatConfig:
    """Of what `--format` says."""
    if (config := default_config(filetype)) is None:
        raise ConfigError(f"format {filetype!r} is not supported", remedy=f"Supported: {', '.join(kinds())}")
    return config


def may_be_read(uri: str, kind: str | None) -> bool:
    """Whether a file of that kind is read when nobody says of what format it is."""
    # An archive that is listed itself could not be listed inside; reading it says why.
    return kind is not None or is_archive(uri)


@dataclass(slots=True)
class Recognised:
    """A rule of a selection that skips files of no known extension. kinds: the formats of the others."""

    kinds: set[str] = field(default_factory=set)
    _skipped: list[str] = field(default_factory=list)
    _others: int = 0

    def __call__(self, files: Sequence[RemoteFile]) -> list[str | None]:
        found = [None if file.fault else kind_of(file.uri) for file in files]
        self.kinds.update(kind for kind in found if kind)
        reasons = [
            None if file.fault or may_be_read(file.uri, kind) else NOT_RECOGNISED
            for file, kind in zip(files, found, strict=True)
        ]
        unknown = [file.uri for file, reason in zip(files, reasons, strict=True) if reason]
        self._others += len(files) - len(unknown)
        self._skipped = sorted([*self._skipped, *unknown])[: _NAMES_SHOWN + 1]
        return reasons

    def warn_if_none(self) -> None:
        """After the listing: says so when there are files and all of them are skipped."""
        if self._skipped and not self._others:
            _log.warning("no file has a known extension: %s. %s", _listed(self._skipped), extension_hint())


def extension_hint() -> str:
    """What to do about files without a known extension."""
    return f"Say what they are with --format: {', '.join(kinds())}"


def _listed(names: Sequence[str]) -> str:
    """The first few names; `…` for any others."""
    return ", ".join([*map(repr, names[:_NAMES_SHOWN]), *(["…"] if len(names) > _NAMES_SHOWN else [])])


def format_of(kinds: set[str]) -> FormatConfig:
    """The one format that the files have; any, when they are archives that could not be opened. Raises ConfigError when
    they have several."""
    if len(kinds) > 1:
        raise ConfigError(
            f"the files are of several formats: {', '.join(sorted(kinds))}",
            remedy=(
                "Sync one at a time with a pattern such as 'folder/**/*.csv', or 'folder/**/*.zip!**/*.csv' for files in "
                "archives; or name the format with --format"
            ),
        )
    return _default_format(next(iter(kinds), "csv"))
