"""Which parts a stream is read in."""

from typing import Annotated, Any

from file_cdk.declarative.components.component import Component, names_of_types
from file_cdk.declarative.components.custom import CustomPartitionRouter

_RequestOption = Annotated[dict[str, Any], names_of_types("RequestOption")]
_Router = Annotated[
    dict[str, Any],
    names_of_types("ListPartitionRouter", "SubstreamPartitionRouter", "UnionPartitionRouter", "CustomPartitionRouter"),
]


class ListPartitionRouter(Component, frozen=True):
    """A part for each value. cursor_field: its name in the part. values: a list, or a template of one."""

    cursor_field: str
    values: str | tuple[str, ...]
    request_option: _RequestOption | None = None


class ParentStreamConfig(Component, frozen=True):
    """A part for each record of another stream. parent_key: the path in the record of what becomes `partition_field`.
    extra_fields: paths of more that requests may use. incremental_dependency: the parent is read from where it ended last."""

    stream: Annotated[dict[str, Any], names_of_types("DeclarativeStream", "StateDelegatingStream")]
    parent_key: str
    partition_field: str
    request_option: _RequestOption | None = None
    incremental_dependency: bool = False
    extra_fields: tuple[tuple[str, ...], ...] = ()
    lazy_read_pointer: tuple[str, ...] = ()


class SubstreamPartitionRouter(Component, frozen=True):
    """The parts of one parent after those of another."""

    parent_stream_configs: tuple[ParentStreamConfig, ...]


class UnionPartitionRouter(Component, frozen=True):
    """Decoded, and refused when a stream that has one is planned."""

    partition_field: str
    partition_routers: tuple[_Router, ...]


class GroupingPartitionRouter(Component, frozen=True):
    """Decoded, and refused when a stream that has one is planned."""

    group_size: int
    underlying_partition_router: _Router
    deduplicate: bool = True


PartitionRouter = (
    ListPartitionRouter
    | SubstreamPartitionRouter
    | GroupingPartitionRouter
    | UnionPartitionRouter
    | CustomPartitionRouter
)
