"""File versions that were synced and that a full history has no room for, at 16 bytes each.

Exact but for two uris with equal 64-bit hashes: among ten million files, a new one has such a twin once in 10^12 times.
"""

import sys
from array import array
from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from itertools import pairwise
from typing import Any

from file_cdk.core.errors import ConfigError
from file_cdk.core.instants import microseconds, of_microseconds

FORGOTTEN_FIELD = "_file_cdk_forgotten"
"""In the state of a stream, beside the documented fields: other connectors pass over it."""

BYTES_PER_FILE = 22
"""Length of a file in the state: 16 bytes as base64."""

_VERSION = 1


class Forgotten:
    """The latest synced version of each file, by a hash of its uri.

    In the state: `{"version": 1, "files": "<base64>"}`; the bytes are the hashes, ascending, then for each its modification
    time in microseconds since 1970, all little-endian of 8 bytes. `unknown_until`, where it is, is the last of the files
    (modification time in microseconds, uri) of which neither this nor the history can tell whether they were synced: another
    connector had forgotten them. Raises ConfigError when `stored` is malformed.
    """

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        self._hashes, self._times = (array("Q"), array("q"))
        self.unknown_until: tuple[datetime, str] | None = None
        if stored is not None:
            self._hashes, self._times, self.unknown_until = _parse(stored)
        self._added: dict[int, int] = {}
        """Those that came since, or of which a later version did."""

    def __len__(self) -> int:
        """Files remembered; one of which a later version came since counts twice."""
        return len(self._hashes) + len(self._added)

    def synced_at(self, uri: str) -> datetime | None:
        """When the latest version that was synced was modified."""
        if not len(self):
            return None  # as of most streams, without a hash for each file
        key = _hash(uri)
        modified_us = self._added.get(key)
        if modified_us is None:
            place = bisect_left(self._hashes, key)
            if place == len(self._hashes) or self._hashes[place] != key:
                return None
            modified_us = self._times[place]
        return of_microseconds(modified_us)

    def add(self, uri: str, modified_at: datetime) -> None:
        self._added[_hash(uri)] = microseconds(modified_at)

    def to_state(self, unknown_until: tuple[datetime, str] | None = None) -> dict[str, Any]:
        """O(n log n) in what was added since the last time, O(n) otherwise."""
        if self._added:
            merged = dict(zip(self._hashes, self._times, strict=True))
            merged.update(self._added)
            self._hashes = array("Q", sorted(merged))
            self._times = array("q", map(merged.__getitem__, self._hashes))
            self._added = {}
        data = _little_endian(self._hashes).tobytes() + _little_endian(self._times).tobytes()
        state: dict[str, Any] = {"version": _VERSION, "files": b64encode(data).decode()}
        if unknown_until is not None:
            state["unknown_until"] = [microseconds(unknown_until[0]), unknown_until[1]]
        return state


def _hash(uri: str) -> int:
    return int.from_bytes(blake2b(uri.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _parse(stored: Mapping[str, Any]) -> "tuple[array[int], array[int], tuple[datetime, str] | None]":
    if not isinstance(stored, Mapping) or stored.get("version") != _VERSION:
        raise ConfigError(
            f"invalid state: {FORGOTTEN_FIELD!r} is not of a version that this one reads",
            remedy="Use the version of file_cdk that wrote it, or a newer one",
        )
    damaged = ConfigError(
        f"invalid state: {FORGOTTEN_FIELD!r} is damaged", remedy="Go back to an earlier state of the stream"
    )
    try:
        data = b64decode(stored["files"], validate=True)
        half = len(data) // 2
        hashes, times = _little_endian(array("Q", data[:half])), _little_endian(array("q", data[half:]))
        unknown = stored.get("unknown_until")
        unknown_until = None if unknown is None else (of_microseconds(unknown[0]), str(unknown[1]))
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise damaged from None
    if len(hashes) != len(times) or any(left >= right for left, right in pairwise(hashes)):
        raise damaged
    return hashes, times, unknown_until


def _little_endian(numbers: "array[int]") -> "array[int]":
    """The same in the other order of bytes on a machine that is not little-endian itself."""
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers
