"""A stream as it is read, with the streams above it. Its templates are evaluated."""

import msgspec

from file_cdk.declarative.cursors.cursor import DatetimeCursor
from file_cdk.declarative.pages import PageReader


class ListRouter(msgspec.Struct, frozen=True):
    """A partition `{field: value}` for each value."""

    field: str
    values: tuple[object, ...]


class Parent(msgspec.Struct, frozen=True):
    """A partition `{field: value, "parent_slice": partition of the record}` for each record of `stream`.

    key: where in the record the value stands. extra_fields: likewise, of what requests may use besides. is_incremental: the
    stream is read from where it ended last, and its state kept within that of the stream below.
    """

    stream: "SlicedStream"
    key: tuple[str, ...]
    field: str
    extra_fields: tuple[tuple[str, ...], ...] = ()
    is_incremental: bool = False


class ParentRouter(msgspec.Struct, frozen=True):
    """The partitions of one parent after those of another."""

    parents: tuple[Parent, ...]


Router = ListRouter | ParentRouter


class SlicedStream(msgspec.Struct, frozen=True):
    """routers: the partitions are their product, the last varying fastest; none: a single one without fields.

    kept_as: under which name its pages are kept during a run, for other streams that are read by the same requests; None: they
    are not. Two streams of one name give the same pages for the same slices.
    """

    name: str
    reader: PageReader
    routers: tuple[Router, ...] = ()
    cursor: DatetimeCursor | None = None
    kept_as: str | None = None
