"""States of the versions before 4 of Airbyte's connector: files by the day they were modified on."""

import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

_CURSOR, _HISTORY, _SYNCED_BEFORE = "_ab_source_file_last_modified", "history", "v3_min_sync_date"
_OVERLAP = timedelta(hours=1)
"""Files that came while that last sync was running are looked at again, as version 4 of Airbyte's connector does it."""


def adopted(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """`{"history": {"2022-05-26": ["a.csv"]}, "_ab_source_file_last_modified": "2022-05-26T09:55:16Z"}` in today's form.

    Such a history may be cut, so it is the time that counts: all files modified an hour before it, or earlier, are synced,
    and whatever is newer is read.
    """
    synced_until = _instant(state.get(_CURSOR), "%Y-%m-%dT%H:%M:%SZ")
    history = state.get(_HISTORY) or {}
    if synced_until is None or not isinstance(history, Mapping):
        return state
    if history and _instant(next(iter(history)), "%Y-%m-%d") is None:
        return state
    with contextlib.suppress(OverflowError):  # the year 1, for nothing at all
        synced_until -= _OVERLAP
    since = synced_until.isoformat(timespec="microseconds") + "Z"
    return {_HISTORY: {}, _CURSOR: None, _SYNCED_BEFORE: since}


def _instant(text: Any, form: str) -> datetime | None:
    if isinstance(text, str):
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, form)  # noqa: DTZ007 - both forms are UTC
    return None
