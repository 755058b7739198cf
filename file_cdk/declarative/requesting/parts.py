"""What goes into a request, by where it goes; and how several sources of it are made one."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Literal

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.paging import RequestOption
from file_cdk.declarative.templates import Template

Place = Literal["request_parameter", "header", "body_data", "body_json"]
Content = dict[str, Any] | str
Parts = dict[Place, Content]
"""From one source: the requester, the paginator, or the slice. A place without content may be left out."""

_CALLED: Mapping[Place, str] = {
    "request_parameter": "the request's parameter",
    "header": "the header field",
    "body_data": "the field of the request's form",
    "body_json": "the member of the request's body",
}


class Injection(msgspec.Struct, frozen=True):
    """Where in a request a value goes. path: of one name, but in a JSON body."""

    place: Place
    path: tuple[str, ...]

    def put(self, value: Any, into: Parts) -> None:
        """Takes the place of what was put there before."""
        content = into.setdefault(self.place, {})
        assert isinstance(content, dict)
        for name in self.path[:-1]:
            content = content.setdefault(name, {})
        content[self.path[-1]] = value

    def clashes_with(self, other: "Injection") -> bool:
        """Whether a request cannot have both, whatever their values."""
        if self.place != other.place:
            return False
        shorter = min(len(self.path), len(other.path))
        return self.path[:shorter] == other.path[:shorter]


def injection(option: RequestOption, config: Mapping[str, Any], where: str) -> Injection:
    """Raises ConfigError for an option that names no field, or two."""
    if (option.field_name is None) == (option.field_path is None):
        raise ConfigError(f"{where}: a RequestOption has either field_name or field_path")
    if option.field_path is not None and option.inject_into != "body_json":
        raise ConfigError(f"{where}: field_path is for body_json alone", remedy="Use field_name")
    texts = option.field_path if option.field_name is None else (option.field_name,)
    scope = {"config": config, "parameters": option.parameters}
    path = tuple(str(Template(text, where).value(scope)) for text in texts or ())
    if not path:
        raise ConfigError(f"{where}: field_path is empty")
    return Injection(option.inject_into, path)


def together(first: Parts, second: Parts) -> Parts:
    """All of both; the second takes the place of the first's of the same name."""
    result = dict(first)
    for place, content in second.items():
        present = result.get(place)
        is_mapping = isinstance(present, dict) and isinstance(content, dict)
        result[place] = {**present, **content} if is_mapping else content  # type: ignore[dict-item]
    return result


def merged(place: Place, sources: Iterable[Parts]) -> Content:
    """One content of several, not to be changed; a text if there is nothing beside it. Raises ConfigError where two have the same
    name: in a JSON body where they differ, elsewhere at any rate."""
    full = [content for parts in sources if (content := parts.get(place))]
    texts = [content for content in full if isinstance(content, str)]
    if texts and len(full) > 1:
        raise ConfigError(
            f"a request has a text for its {'parameters' if place == 'request_parameter' else 'body'}, and fields beside it",
            remedy="Make the text a mapping",
        )
    if len(full) < 2:
        return full[0] if full else {}
    result: dict[str, Any] = {}
    if place != "body_json" and len({name for content in full for name in content}) == sum(map(len, full)):
        for content in full:
            result.update(content)  # type: ignore[arg-type] # no text is left among them
        return result
    for content in full:
        assert isinstance(content, dict)
        _merge(result, content, place, ())
    return result


def _merge(target: dict[str, Any], source: Mapping[str, Any], place: Place, path: tuple[str, ...]) -> None:
    for name, value in source.items():
        if name not in target:
            target[name] = deepcopy(value) if isinstance(value, dict | list) else value
            continue
        present = target[name]
        if place == "body_json" and isinstance(present, dict) and isinstance(value, dict):
            _merge(present, value, place, (*path, name))
        elif place != "body_json" or present != value:
            raise ConfigError(
                f"{_CALLED[place]} {'.'.join((*path, str(name)))!r} is given twice",
                remedy="Leave it to one of requester, paginator, partition router and cursor",
            )
