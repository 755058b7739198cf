"""Manifests through airbyte-cdk's `resolve_manifest` and ours: the same mapping, or both refuse."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from public_manifests import OWN, PUBLIC, text_of

from file_cdk.core.errors import ManifestError
from file_cdk.declarative import language

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    from airbyte_cdk.connector_builder.connector_builder_handler import (  # type: ignore[import-not-found, unused-ignore]
        create_source,
        get_limits,
    )

Json = dict[str, Any]
BASE = """\
version: 1.0.0
check: {type: CheckStream, stream_names: [posts]}
streams:
  - name: posts
    retriever:
      requester: {url_base: https://api.example.com, path: /posts}
      record_selector: {extractor: {field_path: []}}
definitions:
"""


def by_the_peer(text: str) -> Json:
    """Raises whatever it raises. The level of concurrency, which the command sets, is left out."""
    manifest = json.loads(json.dumps(yaml.safe_load(text), default=str))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = create_source(
            config={"__command": "resolve_manifest", "__injected_declarative_manifest": manifest},
            limits=get_limits({}),
            catalog=None,
            state=[],
        )
    return {key: value for key, value in source.resolved_manifest.items() if key != "concurrency_level"}


def ours(text: str) -> Json:
    manifest = language.resolved(text, "m.yaml")
    return {key: value for key, value in manifest.items() if key != "concurrency_level"}


@pytest.mark.parametrize("path", [*OWN, *PUBLIC[::5]], ids=lambda path: path.stem)
def test_manifests(path: Path) -> None:
    """Of public ones a few: what the peer makes of the others is kept in tests/declarative."""
    text = text_of(path)
    assert ours(text) == by_the_peer(text)


DEFINITIONS = """\
  g0: {type: A, $parameters: {b: [{type: B}], c: 1}, d: {type: D}, b: []}
  g1: {type: A, $parameters: {b: '', c: 0}, b: {type: B}, d: {type: D}}
  g2: {type: A, $parameters: {b: {type: B}, c: {type: C}}, d: {type: D}}
  g3: {type: A, $parameters: {type: X, name: y}, b: {c: {type: C}}}
  g4: {type: ['null', object], $parameters: {b: 1}}
  g5: {class_name: x.Y, $parameters: {b: 1}}
  a: {b: 1}
  a/b: 2
  c: '#/definitions/a/b'
  d: {$ref: '#/definitions/a', b: 3}
  e: [[1, {b: 2}]]
  f: '#/definitions/e/0/1/b'
  g: {$ref: '#/definitions/e'}
  h: {$ref: {b: 1}, c: '#/version'}
"""


def test_definitions() -> None:
    text = f"{BASE}{DEFINITIONS}"
    assert ours(text) == by_the_peer(text)


@pytest.mark.parametrize(
    "definitions",
    ["  a: '#/definitions/a'", "  a: '#/definitions/b'", "  a: {$ref: '#/'}", "  a: {b: '#/definitions/a/c'}"],
)
def test_both_refuse(definitions: str) -> None:
    text = f"{BASE}{definitions}\n"
    with pytest.raises(ManifestError):
        ours(text)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, the peer refuses
        by_the_peer(text)
