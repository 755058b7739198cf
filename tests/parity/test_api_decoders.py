"""Rows and lines that airbyte-cdk's decoders and ours find in generated bodies, in any encoding and packing."""

import csv
import gzip
import io
import json
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    import requests
    from airbyte_cdk.sources.declarative.models import (  # type: ignore[import-not-found, unused-ignore]
        GzipDecoder,
        ZipfileDecoder,
    )
    from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import (  # type: ignore[import-not-found, unused-ignore]
        ModelToComponentFactory,
    )

from file_cdk.declarative.components.selection import Decoder, RecordSelector
from file_cdk.declarative.records.decoding import decoding
from file_cdk.pipeline.apis.formats import FileFormats

pytestmark = pytest.mark.filterwarnings("ignore")  # the peer's own

SELECTOR = {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}}
PACKINGS = {"GzipDecoder": GzipDecoder, "ZipfileDecoder": ZipfileDecoder}
names = st.lists(st.text("ab é;'", min_size=1, max_size=3).filter(str.strip), min_size=1, max_size=4, unique=True)
cells = st.sampled_from(["", "1", "1.10", "NA", "null", "é", 'a "b"', "x,y", "x;y", "x\ty", "x\ny", " ", "'", "\\"])
members = st.dictionaries(st.text("abé", min_size=1, max_size=2), st.none() | st.booleans() | st.integers() | cells)


def ours(decoder: Mapping[str, Any], body: bytes) -> list[Any]:
    made = decoding(
        msgspec.convert(SELECTOR, RecordSelector),
        msgspec.convert(decoder, Decoder),
        {},
        (),
        FileFormats(),
        "stream 's', retriever",
    )
    cuts = [cut for plain in made.bodies(body) for cut in made.pieces(plain)]
    assert not any(cut.rejected for cut in cuts)
    return [json.loads(record) for cut in cuts for record in cut.records]


def of_the_peer(decoder: Mapping[str, Any], body: bytes) -> list[Any]:
    response = requests.Response()
    response.status_code, response._content = 200, body
    response.raw = io.BytesIO(body)
    factory = ModelToComponentFactory(emit_connector_builder_messages=True)
    model = PACKINGS[decoder["type"]].parse_obj(decoder)
    return list(factory._create_component_from_model(model, {}).decode(response))


def packed(decoder: Mapping[str, Any], body: bytes, way: str) -> tuple[dict[str, Any], bytes]:
    if way == "GzipDecoder":
        return {"type": way, "decoder": decoder}, gzip.compress(body)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("one", body)
        writer.writestr("two", body)
    return {"type": way, "decoder": decoder}, archive.getvalue()


@given(
    names,
    st.lists(st.lists(cells, min_size=1, max_size=4), max_size=6),
    st.sampled_from([",", ";", "\\t"]),
    st.sampled_from(["utf-8", "latin-1", "utf-16"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from([None, ["NA"], ["", "null"]]),
    st.sampled_from(list(PACKINGS)),
)
@settings(max_examples=150)
def test_rows(
    header: list[str], rows: list[list[str]], delimiter: str, encoding: str, quoting: Any, nulls: Any, way: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter.replace("\\t", "\t"), quoting=quoting, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(row[: len(header)] for row in rows)
    decoder = {"type": "CsvDecoder", "delimiter": delimiter, "encoding": encoding}
    if nulls is not None:
        decoder["set_values_to_none"] = nulls
    whole, body = packed(decoder, text.getvalue().encode(encoding), way)
    assert ours(whole, body) == of_the_peer(whole, body)


@given(st.lists(members, max_size=6), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from(list(PACKINGS)))
@settings(max_examples=100)
def test_lines(records: list[Any], line_end: str, is_ascii: bool, way: str) -> None:
    text = line_end.join(json.dumps(each, ensure_ascii=is_ascii) for each in records)
    whole, body = packed({"type": "JsonlDecoder"}, text.encode(), way)
    assert ours(whole, body) == of_the_peer(whole, body)
