"""What a manifest of sound components will do that its author may not expect, and what its parts cannot do together."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from file_cdk.core.errors import TemplateError
from file_cdk.declarative.language.references import references_in
from file_cdk.declarative.language.shapes import Finding, close_to, listed
from file_cdk.declarative.language.template_names import template_findings
from file_cdk.declarative.language.walking import Path, components
from file_cdk.declarative.templates import Template

Parts = Mapping[str, Any]


def surprises(resolved: Parts, document: Parts, *, is_sound: bool) -> Iterator[Finding]:
    """document: as it is written. is_sound: nothing in it is of the wrong kind; else only what is above its components is
    looked at."""
    yield from _checks(resolved)
    yield from _unused(document)
    if not is_sound:
        return
    for path, component in components(resolved):
        look = _BY_TYPE.get(component["type"])
        if look is not None:
            for finding in look(component):
                yield Finding((*path, *finding.path), finding.message, finding.nearest, finding.severity)
        yield from template_findings(path, component)


# A source


def _checks(resolved: Parts) -> Iterator[Finding]:
    check = resolved.get("check")
    streams = resolved.get("streams") or []
    if not streams and not resolved.get("dynamic_streams"):
        yield Finding((), "has neither `streams` nor `dynamic_streams`")
    names = [name for name in map(_name, _flat(streams)) if name is not None]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Finding(("streams",), f"has two streams that are called {name!r}", severity="warning")
    if not isinstance(check, dict) or check.get("type") != "CheckStream":
        return
    checked = check.get("stream_names") or []
    if not isinstance(checked, list):
        return
    if not checked and not check.get("dynamic_streams_check_configs"):
        yield Finding(
            ("check",), "CheckStream looks at nothing: it has neither `stream_names` nor checks of generated streams"
        )
    for index, name in enumerate(checked):
        if isinstance(name, str) and name not in names and not resolved.get("dynamic_streams"):
            near = close_to(name, names)
            yield Finding(("check", "stream_names", index), f"there is no stream {name!r} to be checked", near)
    unchecked = [name for name in names if name not in checked]
    if checked and unchecked and all(name in names for name in checked):
        some = (
            listed([repr(name) for name in unchecked[:5]], "and")
            if len(unchecked) <= 5
            else (", ".join(repr(name) for name in unchecked[:5]) + f" and {len(unchecked) - 5} more")
        )
        told = f"a check looks at {len(checked)} of {len(names)} streams; at {some} it does not"
        yield Finding(("check",), told, severity="warning")


def _flat(streams: Any) -> Iterator[Any]:
    for stream in streams if isinstance(streams, list) else []:
        if isinstance(stream, dict) and stream.get("type") == "ConditionalStreams":
            yield from _flat(stream.get("streams"))
        else:
            yield stream


def _name(stream: Any) -> str | None:
    name = stream.get("name") if isinstance(stream, dict) else None
    return name if isinstance(name, str) else None


def _unused(document: Parts) -> Iterator[Finding]:
    """Streams among the definitions that nothing refers to."""
    referred = set(references_in(document))
    for at in (("definitions",), ("definitions", "streams")):
        holder: Any = document
        for step in at:
            holder = holder.get(step) if isinstance(holder, dict) else None
        whole = f"#/{'/'.join(at)}"
        for name, part in holder.items() if isinstance(holder, dict) else ():
            own = f"{whole}/{name}"
            is_stream = isinstance(part, dict) and (part.get("type") == "DeclarativeStream" or "retriever" in part)
            if is_stream and not any(each in (own, whole) or each.startswith(f"{own}/") for each in referred):
                told = f"nothing refers to the stream {name!r} that is defined here"
                yield Finding((*at, name), told, severity="warning")


# Components


def _check_cursor(cursor: Parts) -> Iterator[Finding]:
    if bool(cursor.get("step")) != bool(cursor.get("cursor_granularity")):
        has, lacks = ("step", "cursor_granularity") if cursor.get("step") else ("cursor_granularity", "step")
        yield Finding((has,), f"{has!r} goes with {lacks!r}, which is missing")


def _check_paginator(paginator: Parts) -> Iterator[Finding]:
    strategy = paginator["pagination_strategy"]
    has_size = strategy["type"].startswith("Custom") or strategy.get("page_size")
    if paginator.get("page_size_option") and not has_size:
        told = f"'page_size_option' needs a page size, and the {strategy['type']} has no 'page_size'"
        yield Finding(("page_size_option",), told)


def _check_api_key(authenticator: Parts) -> Iterator[Finding]:
    both = [name for name in ("header", "inject_into") if authenticator.get(name)]
    if not both:
        yield Finding((), "ApiKeyAuthenticator has no 'inject_into', which says where the key goes")
    elif len(both) == 2:
        yield Finding(("header",), "ApiKeyAuthenticator takes 'inject_into' or 'header', and has both")


def _check_requester(requester: Parts) -> Iterator[Finding]:
    if not requester.get("url") and not requester.get("url_base"):
        yield Finding((), "HttpRequester has no 'url'")
    if requester.get("request_body_json") and requester.get("request_body_data"):
        yield Finding(("request_body_data",), "a request has one body: 'request_body_json' stands beside it")


def _check_stream(stream: Parts) -> Iterator[Finding]:
    if stream.get("incremental_sync"):
        return
    written = stream["retriever"].get("partition_router") or []
    for number, router in enumerate(written if isinstance(written, list) else [written]):
        at: Path = ("retriever", "partition_router", *([number] if isinstance(written, list) else []))
        for index, parent in enumerate(router.get("parent_stream_configs") or []):
            if parent.get("incremental_dependency"):
                told = "does nothing: the stream has no 'incremental_sync', so that no state keeps how far its parent was read"
                where = (*at, "parent_stream_configs", index, "incremental_dependency")
                yield Finding(where, told, severity="warning")


def _check_added_field(field: Parts) -> Iterator[Finding]:
    value = field.get("value")
    if (
        isinstance(value, str)
        and ("{{" in value or "{%" in value)
        and not (field.get("value_type") or _is_a_text(value))
    ):
        told = "the type depends on the value: '12' becomes a number, 'None' null, '[1]' a list. Say `value_type`"
        yield Finding(("value",), told, severity="warning")


def _is_a_text(value: str) -> bool:
    try:
        return Template(value, "").is_always_text
    except TemplateError:  # told of elsewhere
        return True


_BY_TYPE: Mapping[str, Callable[[Parts], Iterator[Finding]]] = {
    "AddedFieldDefinition": _check_added_field,
    "ApiKeyAuthenticator": _check_api_key,
    "DatetimeBasedCursor": _check_cursor,
    "DeclarativeStream": _check_stream,
    "DefaultPaginator": _check_paginator,
    "HttpRequester": _check_requester,
}
