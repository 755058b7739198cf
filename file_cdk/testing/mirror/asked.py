"""A request as a test server takes it apart."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from file_cdk.testing.mirror.templates import literal

Option = Mapping[str, Any]
"""A RequestOption of a manifest."""


@dataclass(frozen=True, slots=True)
class Asked:
    """parameters: of the query, in their order, repeated ones as often as they came. headers: names in lower case.
    leaves: the scalars of a JSON body by their paths, joined by dots, empty mappings and lists among them; or the fields of a
    form.
    """

    method: str
    scheme: str
    host: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    path: str
    parameters: tuple[tuple[str, str], ...]
    query: Mapping[str, str]
    leaves: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}{self.target}"

    def option(self, option: Option) -> str | None:
        """What stands where a RequestOption puts it."""
        name = ".".join(option["field_path"]) if option.get("field_path") else str(option.get("field_name"))
        match option.get("inject_into"):
            case "request_parameter":
                return self.query.get(name)
            case "header":
                return self.headers.get(name.lower())
            case _:
                return self.leaves.get(name)


def asked(method: str, origin: tuple[str, str], target: str, headers: Mapping[str, str], body: bytes) -> Asked:
    """origin: scheme and host, with its port unless that is the scheme's own."""
    split = urlsplit(target)
    parameters = tuple(parse_qsl(split.query, keep_blank_values=True))
    return Asked(method, *origin, target, headers, body, split.path, parameters, dict(parameters), _leaves_of(body))


def _leaves_of(body: bytes) -> dict[str, str]:
    if not body:
        return {}
    try:
        return leaves(json.loads(body))
    except ValueError:
        return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))


def leaves(value: Any, path: str = "") -> dict[str, str]:
    """The scalars in a value by their paths. Texts that are literals count as what they are literals of."""
    if isinstance(value, str):
        read = literal(value)
        value = read if isinstance(read, dict | list) else value
    if isinstance(value, dict) and value:
        pairs = value.items()
    elif isinstance(value, list) and value:
        pairs = {str(index): item for index, item in enumerate(value)}.items()
    else:
        return {path: "" if value is None else str(value)}
    found: dict[str, str] = {}
    for key, below in pairs:
        found.update(leaves(below, f"{path}.{key}" if path else str(key)))
    return found
