"""Whatever stands in a column, wherever the sample ends, and whichever way it is read: a table loses nothing but spelling."""

import io
import math
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal, localcontext
from typing import Any, Literal

import pyarrow as pa
from file_builders import remote, whole
from hypothesis import example, given, settings
from hypothesis import strategies as st

from file_cdk.core.arrow_types import without_nulls
from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import TypeMismatchError
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv import CsvFormat

DIGITS = st.text("0123456789", min_size=1, max_size=22)
SIGNS = st.sampled_from(["", "", "", "-", "+"])
NUMBERS = st.one_of(
    st.integers(-(10**4), 10**4).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.tuples(SIGNS, DIGITS).map("".join),
    st.tuples(SIGNS, DIGITS, st.just("."), DIGITS).map("".join),
    st.decimals(-(10**6), 10**6, places=2).map(str),
    st.floats().map(repr),
    st.floats(-1, 1).map("{:.17g}".format),
    st.from_regex(r"[0-9]{1,3}e[+-]?[0-9]{1,3}", fullmatch=True, alphabet=st.characters(codec="ascii")),
    st.integers(0, 2**64).map(hex),
    st.sampled_from(
        ["0", "-0", "00", "-0.0", ".5", "5.", "9" * 38, "9" * 39, str(2**128 + 5), str(2**53 + 1), "1e400", "nan"]
    ),
)
INSTANTS = st.one_of(
    st.dates().map(str),
    st.datetimes().map(str),
    st.datetimes().map(datetime.isoformat),
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.isoformat() + "Z"),  # noqa: DTZ001
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.isoformat() + "+05:30"),  # noqa: DTZ001
    st.times().map(str),
    st.times().map(lambda t: t.isoformat("minutes")),
)
OTHERS = st.one_of(
    st.sampled_from(
        ["true", "false", "True", "FALSE", "1", "0", "yes", "x", "+49 12", "1,5", "NA", '"', "1_0", "٣", "\xa05"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
)
PADDED = st.tuples(st.sampled_from(["", " ", "\t", "  "]), NUMBERS | INSTANTS, st.sampled_from(["", " "])).map("".join)
PLAIN = [
    st.integers(-100, 100).map(str),
    st.integers(0, 2**63 - 1).map(str),
    st.decimals(-(10**6), 10**6, places=2).map(str),
    st.decimals(0, 10, places=4).map(str),
    st.floats(0, 10).map(repr),
    st.floats(allow_nan=False).map(repr),
    st.floats().map("{:e}".format),
    st.dates().map(str),
    st.datetimes().map(str),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.times().map(str),
    st.sampled_from(["true", "false"]),
]
CHANGED_BY_CONVERSION = st.one_of(
    st.sampled_from(
        ["007", "00", "-01", "01.5", "+49", "0x1F", " 007", "007 ", "1", "0", "1e400", "nan", "-inf", "  "]
    ),
    st.integers(2**53, 2**70).map(str),
    st.integers(2**126, 2**130).map(str),
    st.integers(1, 50).map(lambda n: str(n * 2**128 + n)),
)
STRAYS = [CHANGED_BY_CONVERSION, CHANGED_BY_CONVERSION, NUMBERS, INSTANTS, OTHERS, PADDED]


@st.composite
def columns(draw: st.DrawFn) -> list[str | None]:
    """Values mostly of one kind, None where the file has nothing between its delimiters."""
    values = draw(st.lists(st.none() | draw(st.sampled_from([*PLAIN, NUMBERS, INSTANTS, OTHERS, PADDED])), max_size=20))
    for stray in draw(st.lists(draw(st.sampled_from(STRAYS)), min_size=0 if values else 1, max_size=2)):
        values.insert(draw(st.integers(0, len(values))), stray)
    return values


def written(values: list[str | None], *, quoted: bool) -> bytes:
    def cell(value: str | None) -> str:
        if value is None:
            return ""
        if quoted or not value or re.search('[",\r\n]', value):
            return '"' + value.replace('"', '""') + '"'
        return value

    return ("v,w\n" + "".join(f"{cell(value)},k\n" for value in values)).encode()


def recovered(text: str, value: Any, kind: pa.DataType) -> bool:
    """Whether a stored value says what the text said; by Python's own parsers."""
    t = pa.types
    if t.is_string(kind):
        return bool(value == text)
    bare = text.strip(" \t")
    if not bare:
        return value is None
    if t.is_boolean(kind):
        return bare.lower() == str(value).lower()
    if t.is_integer(kind):
        return str(value) == bare or (bare == "-0" and value == 0)
    if t.is_decimal(kind):
        with localcontext(prec=100):
            return not _is_code(bare) and Decimal(bare) == value
    if t.is_floating(kind):
        return not _is_code(bare) and _same_double(bare, value)
    if t.is_date(kind):
        return bool(date.fromisoformat(bare) == value)
    if t.is_timestamp(kind):
        return _naive(datetime.fromisoformat(bare)) == _naive(value)
    return bool(time.fromisoformat(bare) == value)


def _is_code(text: str) -> bool:
    digits = text.lstrip("+-")
    return (digits[:1] == "0" and digits[1:2].isdigit()) or (text.startswith("+") and digits.isdigit())


def _same_double(text: str, value: float) -> bool:
    if math.isnan(value):
        return "nan" in text.lower()
    if math.isinf(value):
        return "inf" in text.lower()
    if text.lstrip("+-").isdigit():
        return int(text) == int(value) or str(int(text)) == f"{value:.0f}" or Decimal(text) == Decimal(repr(value))
    return float(text) == value


def _naive(instant: datetime) -> datetime:
    return instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)


def read(
    data: bytes, schema: pa.Schema, config: CsvConfig, *, sequential: bool, piece_bytes: int
) -> tuple[pa.DataType, list[Any]]:
    """Reads again with what is asked for, as often as a column can widen."""
    csv_format = CsvFormat(config, piece_bytes=piece_bytes)
    split = whole(data, sequential=sequential)
    for _ in range(6):
        kind = schema.field("v").type
        try:
            batches = list(csv_format.read_table(io.BytesIO(data), split, schema, SplitReport()))
        except TypeMismatchError as error:
            schema = pa.schema([("v", without_nulls(error.columns["v"])), ("w", pa.string())])
        else:
            assert all(batch.schema.field("v").type == kind for batch in batches)
            return kind, [value for batch in batches for value in batch.column("v").to_pylist()]
    raise AssertionError("does not come to an end")


def with_commas(values: list[str | None]) -> list[str | None]:
    """A point for a comma and a comma for a point."""
    return [None if value is None else value.translate(str.maketrans(",.", ".,")) for value in values]


def check(
    sample: list[str | None],
    values: list[str | None],
    *,
    quoted: bool,
    piece_bytes: int,
    decimal_mark: Literal[".", ","] = ".",
) -> None:
    config, changed = CsvConfig(decimal_mark=decimal_mark), with_commas if decimal_mark == "," else list
    known, file = written(changed(sample), quoted=quoted), written(changed(values), quoted=quoted)
    inferred = CsvFormat(config).infer_table_schema(io.BytesIO(known), remote(known))
    schema = pa.schema([("v", without_nulls(inferred.field("v").type)), ("w", pa.string())])
    kind, found = read(file, schema, config, sequential=False, piece_bytes=piece_bytes)
    assert len(found) == len(values)
    if not (pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind)):
        values = changed(values)
    for text, value in zip(values, found, strict=True):
        assert value is None if text is None else recovered(text, value, kind), (text, value, kind)
    schema = pa.schema([("v", kind), ("w", pa.string())])
    assert repr(read(file, schema, config, sequential=True, piece_bytes=piece_bytes)) == repr((kind, found))


@settings(max_examples=200)
@given(columns(), st.data(), st.booleans(), st.sampled_from([7, 40, 1 << 18]), st.sampled_from([".", ","]))
def test_every_value_can_be_told_from_the_table(
    values: list[str | None], data: st.DataObject, quoted: bool, piece_bytes: int, mark: Literal[".", ","]
) -> None:
    sampled = data.draw(st.integers(0, len(values)), label="sampled")
    check(values[:sampled], values, quoted=quoted, piece_bytes=piece_bytes, decimal_mark=mark)


@settings(max_examples=300)
@given(
    st.sampled_from(PLAIN).flatmap(lambda plain: st.lists(plain, min_size=1, max_size=5)),
    CHANGED_BY_CONVERSION,
    st.booleans(),
    st.sampled_from([7, 1 << 18]),
)
def test_a_value_after_the_sample_that_conversion_would_change_is_met(
    sample: list[str | None], stray: str, quoted: bool, piece_bytes: int
) -> None:
    check(sample, [*sample, stray], quoted=quoted, piece_bytes=piece_bytes)


@settings(max_examples=200)
@given(columns(), st.booleans())
@example(["5", "  "], True)
def test_what_was_inferred_from_a_file_reads_it(values: list[str | None], quoted: bool) -> None:
    data = written(values, quoted=quoted)
    csv_format = CsvFormat(CsvConfig())
    inferred = csv_format.infer_table_schema(io.BytesIO(data), remote(data))
    schema = pa.schema([(field.name, without_nulls(field.type)) for field in inferred])
    for sequential in (False, True):
        split = whole(data, sequential=sequential)
        batches = csv_format.read_table(io.BytesIO(data), split, schema, SplitReport())
        assert sum(batch.num_rows for batch in batches) == len(values)
