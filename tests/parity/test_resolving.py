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


@pytest.mark.parametrize("path", [*OWN, *PUBLIC], ids=lambda path: path.stem)
def test_manifests(path: Path) -> None:
    text = text_of(path)
    if path.stem == "source-airtable":  # a part of its spec has no `type`, which we do without
        with pytest.raises(Exception, match="Validation against json schema"):
            by_the_peer(text)
        return
    assert ours(text) == by_the_peer(text)


@pytest.mark.parametrize(
    "definitions",
    [
        "  a: {type: A, $parameters: {b: [{type: B}], c: 1}, d: {type: D}, b: []}",
        "  a: {type: A, $parameters: {b: '', c: 0}, b: {type: B}, d: {type: D}}",
        "  a: {type: A, $parameters: {b: {type: B}, c: {type: C}}, d: {type: D}}",
        "  a: {type: A, $parameters: {type: X, name: y}, b: {c: {type: C}}}",
        "  a: {type: ['null', object], $parameters: {b: 1}}",
        "  a: {class_name: x.Y, $parameters: {b: 1}}",
        "  a: {b: 1}\n  a/b: 2\n  c: '#/definitions/a/b'\n  d: {$ref: '#/definitions/a', b: 3}",
        "  a: [[1, {b: 2}]]\n  c: '#/definitions/a/0/1/b'\n  d: {$ref: '#/definitions/a'}",
        "  a: {$ref: {b: 1}, c: '#/version'}",
    ],
)
def test_definitions(definitions: str) -> None:
    text = f"{BASE}{definitions}\n"
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
