"""How the streams of a source are to be read, and written, where nobody configured them one by one."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from file_cdk.core.errors import ConfigError, SourceFailedError
from file_cdk.protocol.written_streams import WriteMode, WrittenStream, parse_written_catalog


def chosen(discovered: Any, names: Sequence[str] | None) -> list[Mapping[str, Any]]:
    """Streams of a CATALOG message's `catalog`, in its order; names: only these, None for all. Raises ConfigError of a name that
    there is none of, and SourceFailedError where the source's catalog is none."""
    streams = discovered.get("streams") if isinstance(discovered, dict) else None
    if not isinstance(streams, list) or not all(isinstance(each, dict) for each in streams):
        raise SourceFailedError("the source's catalog has no list of streams")
    found: list[Mapping[str, Any]] = streams
    known = [str(each.get("name")) for each in found]
    for name in names or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1) or difflib.get_close_matches(
                name.casefold(), [each.casefold() for each in known], 1
            )
            nearest = next((each for each in known if near and each.casefold() == near[0].casefold()), None)
            few = ", ".join(map(repr, sorted(known)[:20])) or "none"
            raise ConfigError(
                f"the source has no stream {name!r}",
                remedy=f"Did you mean {nearest!r}?" if nearest else f"Its streams are: {few}",
            )
    if not found:
        raise SourceFailedError("the source has no streams", remedy="Look into its configuration")
    return found if names is None else [each for each in found if each.get("name") in names]


def configured(stream: Mapping[str, Any], *, may_merge: bool = True) -> dict[str, Any]:
    """The stream as an entry of a configured catalog: incremental where the source can, else wholly anew; merged by its key
    where it names one."""
    cursor = stream.get("default_cursor_field") or []
    modes = stream.get("supported_sync_modes") or []
    if "incremental" not in modes or not (stream.get("source_defined_cursor") or cursor):
        return {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": str(WriteMode.OVERWRITE)}
    keys = stream.get("source_defined_primary_key") or []
    has_columns = bool(keys) and all(isinstance(path, list) and len(path) == 1 for path in keys)
    is_merged = may_merge and has_columns and len(cursor) <= 1
    entry = {
        "stream": stream,
        "sync_mode": "incremental",
        "destination_sync_mode": str(WriteMode.APPEND_DEDUP if is_merged else WriteMode.APPEND),
        "cursor_field": cursor,
    }
    return entry | ({"primary_key": keys} if keys else {})


def written(entries: Sequence[Mapping[str, Any]]) -> tuple[WrittenStream, ...]:
    """The same as a destination takes them. Raises ConfigError."""
    return parse_written_catalog({"streams": entries})


def is_incremental(entry: Mapping[str, Any]) -> bool:
    return bool(entry["sync_mode"] == "incremental")
