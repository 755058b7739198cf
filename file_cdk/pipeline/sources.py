"""From what a person names (a path, a URL, a YAML file) to the streams to sync."""

import json
import logging
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from importlib import import_module
from os.path import commonprefix
from pathlib import Path
from typing import Any, cast

from file_cdk.core.config import CsvConfig, parse_config, unknown_keys
from file_cdk.core.connector import Connector
from file_cdk.core.errors import ConfigError
from file_cdk.core.uris import redacted
from file_cdk.formats.registry import kind_of, kinds
from file_cdk.pipeline.recognition import default_format, may_be_read
from file_cdk.pipeline.sourcing.configuration import MAX_BYTES, load_configuration
from file_cdk.pipeline.stream import Stream, require_supported
from file_cdk.readers.globbing import GlobPatterns

_log = logging.getLogger(__name__)

CONNECTORS = "file_cdk.connectors"
SHIPPED = {
    **dict.fromkeys(("abfs", "abfss", "az"), "source_azure_blob_storage"),
    **dict.fromkeys(("ftp", "ftps", "hdfs", "webhdfs"), "source_smart_open"),
    **dict.fromkeys(("gcs", "gs"), "source_gcs"),
    **dict.fromkeys(("http", "https"), "source_http"),
    **dict.fromkeys(("s3", "s3a"), "source_s3"),
    "file": "source_local",
    "sftp": "source_sftp",
}
"""Packages of the connectors in this distribution, by URL scheme, as its entry points name them: no other takes such a scheme
over."""
_YAML = (".yaml", ".yml")
_JSON = ".json"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def streams_of(
    source: str,
    filetype: str | None,
    name: str | None,
    connector_name: str | None = None,
    partitions: bool = True,
    only: Collection[str] | None = None,
) -> list[Stream]:
    """The streams that SOURCE stands for. filetype and name override what a path or URL would give, and partitions that
    `key=value` folders are columns.

    connector_name: SOURCE is a configuration of this connector, in YAML or JSON, whatever the file is called.

    only: of a configuration's streams, those of these names.

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
        return _chosen(_streams_of_file(source, connector_name), only)
    if only is not None:
        raise ConfigError(
            "only the streams of a configuration are chosen by their names",
            remedy="Leave out --stream; --table says what the table of a path or URL is called",
        )
    connector = connector_for(scheme_of(source))
    location = connector.location(source)
    chosen = default_format(filetype) if filetype else None
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
    named = Stream.of(connector, config, config.streams[0], connector.reader(config))
    base = _folder_of(named.matcher.prefixes)
    return [
        replace(
            named,
            format=chosen,
            finds_dialect=True,
            finds_partitions=partitions,
            file=_named_file(location.globs),
            folder="" if name else base,
            base=base,
        )
    ]


def scheme_of(source: str) -> str:
    """The scheme of a URL, in lower case; `file` of a path."""
    scheme = _SCHEME.match(source)
    return scheme[1].lower() if scheme else "file"


def _chosen(streams: list[Stream], only: Collection[str] | None) -> list[Stream]:
    if only is None:
        return streams
    names = [stream.name for stream in streams]
    if unknown := sorted({*only}.difference(names)):
        raise ConfigError(
            f"the configuration has no stream {', '.join(map(repr, unknown))}",
            remedy=f"It has {', '.join(map(repr, names))}",
        )
    return [stream for stream in streams if stream.name in only]


def connector_for(scheme: str) -> Connector:
    """The installed connector that claims a URL scheme, or is called so (`s3` or `source-s3`). Raises ConfigError naming those
    that are."""
    if scheme in SHIPPED:
        return cast(Connector, import_module(f"{SHIPPED[scheme]}.source").connector)
    from importlib.metadata import entry_points  # takes 0.03 s, with a look at all that is installed

    installed = {entry.name: entry for entry in entry_points(group=CONNECTORS)}
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
        if os.path.getsize(source) > MAX_BYTES:  # noqa: PTH202 - as above
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


def _streams_of_file(path: str, connector_name: str | None) -> list[Stream]:
    connector = None if connector_name is None else connector_for(connector_name)
    shown = redacted(path)  # with a connector's name, it may also be a URL by mistake
    raw = load_configuration(path, shown)
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
    return [Stream.of(connector, config, stream, connector.reader(config)) for stream in config.streams]
