"""Partitions from a parent's records, and what tells one partition from another."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from file_cdk.declarative.pages import Page
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.slicing.paths import value_at
from file_cdk.declarative.slicing.stream import Parent

PARENT_SLICE = "parent_slice"
"""In a partition: the partition of the parent's record."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="sorted").encode


def partitions_of(parent: Parent, of: Slice, page: Page) -> Iterator[Slice | None]:
    """One for each record of the page, None where it has no key. of: the parent's slice."""
    for text in page.records:
        record = _decode(text)
        value = value_at(record, parent.key)
        if value is None:
            yield None
            continue
        extra = {".".join(path): value_at(record, path) for path in parent.extra_fields}
        yield Slice({parent.field: value, PARENT_SLICE: dict(of.partition)}, {}, extra)


def merged(slices: Sequence[Slice]) -> Slice:
    """A partition of a product. Where two have a field of one name, the first one's counts."""
    partition: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for each in reversed(slices):
        partition |= each.partition
        extra |= each.extra
    return Slice(partition, {}, extra)


def key_of(partition: Mapping[str, Any]) -> bytes:
    """JSON text; the same for equal partitions."""
    return _encode(partition)


def digest_of(partition: Mapping[str, Any]) -> int:
    """Of 64 bits: among ten million partitions, a new one has such a twin once in 10^12 times."""
    from hashlib import blake2b  # which loads OpenSSL, and many streams have no partitions

    return int.from_bytes(blake2b(key_of(partition), digest_size=8).digest(), "little")


def slice_key(of: Slice) -> bytes:
    """Tells the slices of a stream from one another, in this run and in later ones."""
    return _encode([of.partition, of.interval])
