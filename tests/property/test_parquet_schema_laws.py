"""Laws: a footer's schema is written anew as it was but for what is named, and bytes that are no footer are said to be none."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.formats.parquet.schema import ThriftError, fit_schema, has_odd_name, is_whole, too_wide_decimal

LEAVES = [pa.int32(), pa.int64(), pa.string(), pa.binary(3), pa.decimal128(9, 2), pa.timestamp("us", "UTC"), pa.bool_()]
types = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.map(pa.list_),
        inner.map(lambda kind: pa.map_(pa.string(), kind)),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda kinds: pa.struct([(f"m{n}", k) for n, k in enumerate(kinds)])
        ),
    ),
    max_leaves=6,
)


def footer_of(kinds: list[pa.DataType], name: str) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.schema([(f"{name}{n}", kind) for n, kind in enumerate(kinds)]).empty_table(), sink)
    data = sink.getvalue()
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


@given(st.lists(types, min_size=1, max_size=20), st.text(max_size=40).map(lambda name: name.replace("\0", "")))
@settings(max_examples=100)
def test_a_schema_without_oddities_stays_byte_for_byte(kinds: list[pa.DataType], name: str) -> None:
    footer = footer_of(kinds, name)
    fit = fit_schema(footer)
    assert fit.footer == footer
    assert (dict(fit.meanings), fit.maps, fit.left_out) == ({}, frozenset(), ())
    assert is_whole(footer)
    assert not has_odd_name(footer)
    assert too_wide_decimal(footer) is None


FOOTER = footer_of(
    [pa.int8(), pa.uint16(), pa.map_(pa.string(), pa.list_(pa.int16())), pa.struct([("a", pa.string())])], "x"
)


@given(
    st.lists(st.tuples(st.integers(0, len(FOOTER) - 1), st.integers(0, 255)), max_size=4), st.integers(0, len(FOOTER))
)
@settings(max_examples=2000)
def test_damaged_footers_are_read_or_refused(changes: list[tuple[int, int]], end: int) -> None:
    damaged = bytearray(FOOTER)
    for at, byte in changes:
        damaged[at] = byte
    for footer in (bytes(damaged), bytes(damaged[:end])):
        is_whole(footer)
        try:
            fit = fit_schema(footer)
            too_wide_decimal(footer)
            has_odd_name(footer)
        except ThriftError:
            continue
        assert fit_schema(fit.footer).footer == fit.footer
