"""Partitions that were read before, by a hash of each: for a state that has no room for each of their cursors."""

import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from file_cdk.core.errors import ConfigError

PARTITIONS_FIELD = "_file_cdk_partitions"
"""In the state of a stream, beside the documented fields: others pass over it."""

_VERSION = 1


class KnownPartitions:
    """In the state: `{"version": 1, "known": "<base64>", "others": true}`. known: hashes of 8 bytes, little-endian and ascending,
    10.7 bytes a partition. others: partitions besides were read too, it is not known which, and the global cursor stands for
    them: so another program left it, until a read ends. Raises ConfigError when `stored` is malformed."""

    def __init__(self, stored: Mapping[str, Any] | None, others: bool) -> None:
        self.others = others
        self._digests: set[int] = set()
        if stored is None:
            return
        try:
            if stored["version"] != _VERSION:
                raise ValueError
            known = array("Q", b64decode(stored["known"], validate=True))
            self.others = bool(stored.get("others", False))
        except (KeyError, TypeError, ValueError):
            raise ConfigError(
                f"the state's field {PARTITIONS_FIELD!r} is not as file_cdk {_VERSION} writes it",
                remedy="Mend the state, or start without one",
            ) from None
        self._digests.update(_little_endian(known))

    def __contains__(self, digest: int) -> bool:
        return digest in self._digests or self.others

    def __len__(self) -> int:
        return len(self._digests)

    def add(self, digest: int) -> None:
        self._digests.add(digest)

    def value(self, with_digests: bool) -> dict[str, Any] | None:
        """None where it says nothing. with_digests: no cursors of partitions stand beside it."""
        if not with_digests and not self.others:
            return None
        digests = array("Q", sorted(self._digests) if with_digests else ())
        known = b64encode(_little_endian(digests).tobytes()).decode()
        return {"version": _VERSION, "known": known, **({"others": True} if self.others else {})}


def _little_endian(values: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        values.byteswap()
    return values
