"""Templates of components: whether each is one, and whether what it names exists where it is evaluated."""

from collections.abc import Iterator, Mapping
from typing import Any

from file_cdk.core.errors import TemplateError
from file_cdk.declarative.language.registry import component_types, fields_of
from file_cdk.declarative.language.shapes import Finding, close_to
from file_cdk.declarative.language.walking import Path
from file_cdk.declarative.templates import FUNCTION_NAMES, Template

_SLICE = {"stream_slice", "stream_partition", "stream_interval"}
_ANSWER = {"response", "headers", "last_record", "last_page_size"}
_JOB = {"creation_response", "polling_response", "download_target"}
_NAMES = frozenset(
    {"config", "parameters", "record", "next_page_token", "request_url", "session_token", "components_values"}
    | {"raw_schema", "stream_template_config"}
    | _SLICE
    | _ANSWER
    | _JOB
)
_NOT_OF: Mapping[str, frozenset[str]] = {
    "AddedFieldDefinition": frozenset(_ANSWER | _JOB),
    "CursorPagination": frozenset({"record", "next_page_token"} | _SLICE | _JOB),
    "DatetimeBasedCursor": frozenset({"record", "next_page_token"} | _ANSWER | _JOB),
    "HttpRequester": frozenset({"record"} | _ANSWER),
    "HttpResponseFilter": frozenset({"record", "next_page_token", "last_record", "last_page_size"} | _SLICE | _JOB),
    "MinMaxDatetime": frozenset({"record", "next_page_token"} | _ANSWER | _JOB),
    "RecordFilter": frozenset(_ANSWER | _JOB),
}
"""Names that exist elsewhere and not in these components' templates."""


def template_findings(path: Path, component: Mapping[str, Any]) -> Iterator[Finding]:
    """Of the component's own texts, not those of components in it, nor of parameters that it has no field for."""
    kind = component["type"]
    known = fields_of(kind) if kind in component_types() else {}
    for key, value in component.items():
        if key in known:
            for at, text in _templates(value, (*path, key)):
                yield from _finding(at, text, kind)


def _templates(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        if "{{" in value or "{%" in value:
            yield path, value
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _templates(each, (*path, index))
    elif isinstance(value, dict) and not isinstance(value.get("type"), str):
        for key, each in value.items():
            yield from _templates(each, (*path, key))


def _finding(path: Path, text: str, kind: str) -> Iterator[Finding]:
    try:
        names = Template(text, kind).names
    except TemplateError as exc:
        yield Finding(path, f"is no template that can be evaluated: {exc.message}")
        return
    there = _NAMES - _NOT_OF.get(kind, frozenset())
    for name in sorted(names - there):
        told = f"the template names {name!r}, which does not exist" + (" here" if name in _NAMES else "")
        yield Finding(path, told, close_to(name, there | FUNCTION_NAMES))
