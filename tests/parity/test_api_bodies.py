"""Records that airbyte-cdk's extractor and ours find in generated bodies. Where ours finds an error, the peer finds no record."""

import json
import warnings
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    import requests
    from airbyte_cdk.sources.declarative.extractors.dpath_extractor import (  # type: ignore[import-not-found, unused-ignore]
        DpathExtractor,
    )

from file_cdk.core.errors import AnswerError
from file_cdk.declarative.records.cutting import Cutter

pytestmark = pytest.mark.filterwarnings("ignore")  # the peer's own

keys = st.sampled_from(["a", "b", "ab", "é"])  # a number is the place in a list alone, for the peer
scalars = st.sampled_from([None, True, False, 1, 1.5, "", "text"])
records = st.dictionaries(keys, scalars, max_size=3)
values = st.recursive(
    scalars | records | st.lists(records, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
parts = st.sampled_from(["a", "a", "b", "*", "0", "1", "é", "a?", "[ab]"])


def of_the_peer(body: bytes, path: list[str]) -> list[Any] | None:
    """None where it fails, or gives what is no record."""
    response = requests.Response()
    response.status_code, response._content = 200, body
    try:
        found = list(DpathExtractor(field_path=path, config={}, parameters={}).extract_records(response))
    except Exception:  # noqa: BLE001  # whatever it meets
        return None
    return found if all(isinstance(each, dict) for each in found) else None


@given(values, st.lists(parts, max_size=3), st.sampled_from([None, 1]))
@settings(max_examples=200)
def test_bodies(value: Any, path: list[str], indent: int | None) -> None:
    body = json.dumps(value, indent=indent).encode()
    expected = of_the_peer(body, path)
    try:
        cut = Cutter(tuple(path)).cut(body)
    except AnswerError:
        event("an error of ours")
        assert not expected or isinstance(value, list)  # of several bodies one may have what another lacks
        return
    if expected is None:
        event("no records of the peer's")
        return
    assert [json.loads(record) for record in cut.records] == expected
    assert not cut.rejected
