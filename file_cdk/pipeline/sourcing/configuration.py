"""A configuration's text, in YAML or JSON, as the mapping that it holds."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from file_cdk.core.errors import ConfigError

MAX_BYTES = 2 << 20
"""Of YAML or JSON: what is larger is no configuration, and reading it as YAML would take longer than anyone waits."""

_TOLD_NAME = re.compile(r"\b(alias|handle|tag) '.*", re.DOTALL)
"""In what YAML complains of: a password that begins with `*` or `!` and is not in quotes is taken for the name of one."""

_VARIABLE = re.compile(r"\$(\$(?=\{)|\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?)")
"""`${NAME}`, `${NAME:-default}`; `$${`, which stands for the text `${`; or `${` that begins none of these."""

_NAMES_A_VARIABLE = ("columns", "salt")
"""The last keys on the way to a value that is the name of a variable, whose value is written nowhere."""


def load_configuration(path: str, shown: str, environment: Mapping[str, str] | None = os.environ) -> dict[str, Any]:
    """Variables of the environment stand in YAML as `${NAME}`, not in a file that is called .json: that is a connector's own.

    shown: the path as a person may see it. environment: None leaves what names a variable as it is. Raises ConfigError, which
    shows nothing of what the file holds.
    """
    import yaml

    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ConfigError(
                f"{shown} is larger than {MAX_BYTES >> 20} MiB, which no configuration is",
                remedy="Name the configuration; data in JSON is read with a name that ends in .json, or with --format jsonl",
            )
        raw = _parsed(text.decode(), shown, None if path.lower().endswith(".json") else environment)
    except yaml.MarkedYAMLError as exc:
        line = f", line {exc.problem_mark.line + 1}" if exc.problem_mark else ""
        problem = _TOLD_NAME.sub(r"\1", exc.problem or "")
        raise ConfigError(f"{shown} is not YAML: {problem}{line}") from None
    except OSError as exc:
        # Not `from exc`: that has the path in it as it was given.
        raise ConfigError(f"{shown} cannot be read: {exc.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigError(f"{shown} is not YAML") from None
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise ConfigError(f"{shown} must hold a mapping with `streams`")
    if raw.get("type") == "DeclarativeSource":
        raise ConfigError(
            f"{shown} is the manifest of an API, which this command does not take",
            remedy="`file-cdk sync`, `ls`, `explain` and `check` do, with its configuration as --config",
        )
    return raw


def _parsed(text: str, shown: str, environment: Mapping[str, str] | None) -> Any:
    """environment: None where variables mean nothing. Raises yaml.YAMLError. Not all JSON is YAML: that takes no tabs between
    tokens."""
    import yaml

    if environment is None or "${" not in text:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            environment = None if "${" not in text else environment
    # The same in C, where it is there, is several times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if environment is not None:
            _Variables(shown, environment).put_into(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


class _Variables:
    """Puts values of the environment where the nodes of a document name them. They stay text, whatever they look like: a password
    of digits is no number, and where a number is wanted, text that is one will do."""

    def __init__(self, shown: str, environment: Mapping[str, str]) -> None:
        self._shown, self._environment = shown, environment
        self._done = set[int]()
        """Of the nodes: an alias is the node that it names."""

    def put_into(self, node: Any, keys: tuple[str, ...] = ()) -> None:
        import yaml

        if id(node) in self._done:
            return
        self._done.add(id(node))
        match node:
            case yaml.MappingNode():
                for key, value in node.value:
                    self.put_into(value, (*keys, str(key.value)))
            case yaml.SequenceNode():
                for each in node.value:
                    self.put_into(each, keys)
            case yaml.ScalarNode() if "${" in node.value and keys[-2:] != _NAMES_A_VARIABLE:
                line = node.start_mark.line + 1
                node.value = _VARIABLE.sub(lambda found: self._value(found, line), node.value)
                node.tag = "tag:yaml.org,2002:str"

    def _value(self, found: re.Match[str], line: int) -> str:
        escaped, name, default = found.groups()
        if escaped == "$":
            return "$"
        if name is None:
            raise ConfigError(
                f"{self._shown}, line {line}: `${{` is followed by no name of a variable and `}}`",
                remedy="Write ${NAME} or ${NAME:-default}; or $${ where the text ${ itself is meant",
            )
        value = self._environment.get(name)
        if value or (value is not None and default is None):
            return value
        if default is None:
            raise ConfigError(
                f"{self._shown}, line {line}: the environment variable {name} is not set",
                remedy=f"Set it, or write what is to be used without it: ${{{name}:-default}}",
            )
        return default
