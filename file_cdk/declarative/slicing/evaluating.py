"""Routers from their components: templates evaluated; what is not supported yet refused."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.slicing import (
    ListPartitionRouter,
    ParentStreamConfig,
    PartitionRouter,
    SubstreamPartitionRouter,
)
from file_cdk.declarative.slicing.paths import steps_of
from file_cdk.declarative.slicing.stream import ListRouter, Parent, ParentRouter, Router, SlicedStream
from file_cdk.declarative.templates import Template


def routers_of(
    components: PartitionRouter | Sequence[PartitionRouter] | None,
    config: Mapping[str, Any],
    where: str,
    stream_of: Callable[[Mapping[str, Any]], SlicedStream],
) -> tuple[Router, ...]:
    """where: the stream, for errors. stream_of: makes a parent of what is written for it. Raises ConfigError."""
    if components is None:
        return ()
    if not isinstance(components, Sequence):
        components = (components,)
    return tuple(_router(component, config, where, stream_of) for component in components)


def _router(
    component: PartitionRouter,
    config: Mapping[str, Any],
    where: str,
    stream_of: Callable[[Mapping[str, Any]], SlicedStream],
) -> Router:
    scope = {"config": config, "parameters": component.parameters}
    match component:
        case ListPartitionRouter():
            return ListRouter(
                _text(component.cursor_field, scope, where, "cursor_field"), _values(component, scope, where)
            )
        case SubstreamPartitionRouter():
            return ParentRouter(
                tuple(_parent(each, config, where, stream_of) for each in component.parent_stream_configs)
            )
        case _:
            raise ConfigError(
                f"{where}: a partition router of type {type(component).__name__} is not supported yet",
                remedy="Read the stream with another program, or leave it out of the catalog",
            )


def _values(component: ListPartitionRouter, scope: Mapping[str, Any], where: str) -> tuple[object, ...]:
    if not isinstance(component.values, str):
        return component.values
    values = Template(component.values, f"{where}, field 'values'").value(scope)
    if isinstance(values, list | tuple):
        return tuple(values)
    raise ConfigError(
        f"{where}: `values` of a ListPartitionRouter gives no list",
        remedy="Make it a list, such as ['a', 'b'], or check the field of the configuration that it names",
    )


def _parent(
    component: ParentStreamConfig,
    config: Mapping[str, Any],
    where: str,
    stream_of: Callable[[Mapping[str, Any]], SlicedStream],
) -> Parent:
    if component.lazy_read_pointer:
        raise ConfigError(
            f"{where}: `lazy_read_pointer` of a parent is not supported yet",
            remedy="Remove it: the slices are then read by requests of their own",
        )
    scope = {"config": config, "parameters": component.parameters}
    return Parent(
        stream=stream_of(component.stream),
        key=steps_of(_text(component.parent_key, scope, where, "parent_key")),
        field=_text(component.partition_field, scope, where, "partition_field"),
        extra_fields=tuple(
            tuple(_text(step, scope, where, "extra_fields") for step in path) for path in component.extra_fields
        ),
        is_incremental=component.incremental_dependency,
    )


def _text(text: str, scope: Mapping[str, Any], where: str, field: str) -> str:
    return str(Template(text, f"{where}, field {field!r}").value(scope))
