"""Whether the quotes of a whole piece may be taken as they are, told without a look at each of its records."""

import csv
import io

import pyarrow as pa
import pyarrow.compute as cp

from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.quotes import MIN_JOINED_LINES, Widths
from file_cdk.formats.csv.shape import Shape

_LOW_HALF = pa.scalar(0xFFFFFFFF, pa.int64())
_HALF_BITS = pa.scalar(32, pa.int64())
_ONE = pa.scalar(1, pa.int64())

_SMALL_BYTES = 32 << 10


def are_right(prepared: bytes, records: int, shape: Shape) -> bool:
    """Whether QuoteMender would take all records of a piece that is prepared for Arrow's reader; if not, it has to be asked.

    records: how many there are in the piece. Most pieces are told by splitting them at their quotes, see `_alternate`.
    """
    dialect, line_end = shape.dialect, shape.header.line_end
    assert dialect.quote is not None
    quote, delimiter = dialect.quote.encode("ascii"), prepared[-2:-1]
    if quote not in prepared:
        return True
    parts: pa.Array | list[bytes]
    if len(prepared) <= _SMALL_BYTES:
        parts = prepared.split(quote)
        right = _alternate_in_few(parts, delimiter, doubled=dialect.double_quote)
    else:
        parts = cp.split_pattern(pa.array([prepared], pa.binary()), pattern=dialect.quote).values
        right = _alternate(parts, delimiter, doubled=dialect.double_quote)
    if not right:
        return dialect.double_quote and _are_right_by_row(prepared, dialect, delimiter)
    if prepared.count(line_end) <= records + 1:
        return True
    widths = Widths.of(shape)
    return not any(
        inside.count(line_end) >= MIN_JOINED_LINES - 1
        and all(widths.fit(line.count(delimiter) + 1) for line in inside.split(line_end)[1:-1])
        for inside in (parts if isinstance(parts, list) else parts.to_pylist())[1::2]
    )


def _alternate_in_few(parts: list[bytes], delimiter: bytes, *, doubled: bool) -> bool:
    """As `_alternate`, where calling kernels takes longer than looking."""
    outside = parts[::2]
    if len(parts) % 2 == 0 or not (doubled or all(outside[1:])):
        return False
    around = {part[:1] for part in outside[1:]} | {part[-1:] for part in outside[:-1]}
    return around <= {delimiter, b"\r", b"\n", b""}


def _alternate(parts: pa.Array, delimiter: bytes, *, doubled: bool) -> bool:
    """Whether parts outside and parts inside quotes alternate: each part outside begins and ends with a delimiter or line
    end, or is the nothing between two quotes that stand for one.

    A split's offsets are pairs, of where a part outside begins and where it ends, that is where one inside begins.
    """
    if len(parts) % 2 == 0:
        return False
    _, offsets, data = parts.buffers()
    pairs = pa.Array.from_buffers(pa.int64(), (len(parts) + 1) // 2, [None, offsets])
    text = pa.Array.from_buffers(pa.uint8(), data.size, [None, data])
    begins, ends = cp.bit_wise_and(pairs, _LOW_HALF), cp.shift_right(pairs, _HALF_BITS)
    filled = cp.not_equal(begins, ends)
    if not doubled and filled[1:].false_count:
        return False
    firsts = cp.take(text, cp.filter(begins[1:], filled[1:]), boundscheck=False)
    lasts = cp.take(text, cp.subtract(cp.filter(ends, filled), _ONE), boundscheck=False)
    return {*cp.unique(firsts).to_pylist(), *cp.unique(lasts).to_pylist()} <= {*delimiter, *b"\r\n"}


def _are_right_by_row(prepared: bytes, dialect: Dialect, delimiter: bytes) -> bool:
    """The same where quotes stand in values without quotes, as inch marks do."""
    lines = io.StringIO(prepared.decode("utf-8"), newline="")
    reader = csv.reader(lines, delimiter=delimiter.decode(), quotechar=dialect.quote, strict=True)
    before = 0
    try:
        for _ in reader:
            if reader.line_num - before >= MIN_JOINED_LINES:
                return False
            before = reader.line_num
    except csv.Error:
        return False
    return True
