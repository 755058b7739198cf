"""A dialect held against all of a file: what refutes it, what does not, and what the looking costs."""

import io
import pickle
from typing import IO, cast

import pyarrow as pa
import pytest
from file_builders import URI, whole

from file_cdk.core.config import CsvConfig, parse_config
from file_cdk.core.errors import DialectRefutedError
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv.sniff.detect import Seen, detect
from file_cdk.formats.csv.sniff.format import DetectingCsvFormat
from file_cdk.formats.csv.sniff.watch import WatchedReader
from file_cdk.formats.registry import with_dialect
from file_cdk.formats.unpacking import Unpacking

SCHEMA = pa.schema([("id", pa.string()), ("t", pa.string())])
HEADER = b"id,t\n"
FILLER = "".join(f"{n},plain {n}\n" for n in range(30_000)).encode()


def refuted(data: bytes, fmt: DetectingCsvFormat | None = None, uri: str = URI) -> DialectRefutedError | None:
    fmt = fmt or DetectingCsvFormat(CsvConfig(), ("id", "t"))
    try:
        for _ in fmt.read_table(io.BytesIO(data), whole(data, uri), SCHEMA, SplitReport()):
            pass
    except DialectRefutedError as exc:
        return exc
    return None


@pytest.mark.parametrize(
    ("tail", "changed"),
    [
        (b'1,"\n2,x\n3,"\n', {"quote_char": ""}),
        (b'1,"\n' + FILLER, {"quote_char": ""}),
        (b'1,"Blue" hour\n' + FILLER, {"quote_char": ""}),
        (b'1,"a \\"b\\", c"\n2,"d \\"e\\" f"\n', {"escape_char": "\\"}),
        (b'1, "a, b"\n2, "c"\n', {"skip_initial_space": True}),
        (b"# part\n1,b\n# other part, of two, or three\n" * 9, {"comment_char": "#"}),
        ("1,Jörg\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("1,Jörg\n".encode(), None),
        ("1,Jörg\n".encode() + b"2,J\xf6rg\n", None),
        (b'1,"a, b"\n2,"c ""d"""\n', None),
        (b'1,"a\nb, c\nd"\n', None),
        (b'1,6" pipe\n', None),
        (b"1,C:\\x\n2,O\\'Hara\n", None),
        (b"1,a,b\n2\n3,c,d\n", None),
        (b"another;table;below\n" + b"1;2;3\n" * 400, None),
        (b"\nThese are notes.\nThey have text, commas, and\n'quotes' of \"sorts\"\n" * 9, None),
    ],
)
def test_what_refutes_a_dialect(tail: bytes, changed: dict[str, object] | None) -> None:
    data = HEADER + FILLER + tail
    error = refuted(data)
    if changed is None:
        assert error is None
        return
    assert error is not None
    assert error.dialect == parse_config(CsvConfig, changed)
    assert error.byte is not None
    assert len(HEADER + FILLER) <= error.byte < len(data)


def test_a_single_byte_encoding_that_was_a_guess() -> None:
    data = HEADER + b"0,\xfc\n" + FILLER + "1,Jörg\n2,Chloé\n".encode()
    sniffed = detect(data[:1000], complete=False)
    assert sniffed.config.encoding == "cp1252"
    error = refuted(data, DetectingCsvFormat(sniffed.config))
    assert error is not None
    assert error.dialect.encoding == "utf8"


def test_the_same_file_is_corrected_twice_at_most() -> None:
    data = HEADER + FILLER + b'1,"\n2,x\n3,"\n'
    fmt = DetectingCsvFormat(CsvConfig(), ("id", "t"))
    wrong = DialectRefutedError(uri=URI, byte=1, dialect=CsvConfig(), described="")
    split = whole(data)
    for _ in range(2):
        with pytest.raises(DialectRefutedError):
            list(fmt.read_table(io.BytesIO(data), split, SCHEMA, SplitReport()))
        fmt = fmt.with_dialect(wrong)
    list(fmt.read_table(io.BytesIO(data), split, SCHEMA, SplitReport()))  # read as told, whatever comes


def test_a_correction_is_of_one_file_alone() -> None:
    error = refuted(HEADER + FILLER + b'1,"\n2,x\n3,"\n')
    assert error is not None
    fmt = DetectingCsvFormat(CsvConfig(), ("id", "t")).with_dialect(error)
    assert refuted(HEADER + FILLER, fmt, "other") is None
    assert refuted(HEADER + FILLER + b'1,"\n2,x\n3,"\n', fmt, "other") is not None


def test_wrapped_formats_are_corrected_inside() -> None:
    inner = DetectingCsvFormat(CsvConfig())
    error = DialectRefutedError(uri="a.csv", byte=1, dialect=CsvConfig(quote_char=""), described="no quotes")
    assert with_dialect(Unpacking(inner), error) == Unpacking(inner.with_dialect(error))


def test_the_error_goes_through_a_pipe() -> None:
    error = DialectRefutedError(uri="a.csv", byte=7, dialect=CsvConfig(quote_char=""), described="no quotes")
    again = pickle.loads(pickle.dumps(error))
    assert (again.uri, again.byte, again.dialect, str(again)) == ("a.csv", 7, error.dialect, str(error))


def test_what_was_seen_at_the_beginning_raises_no_alarm() -> None:
    data = HEADER + b'0,"a\nb"\n' * 300 + FILLER
    fmt = DetectingCsvFormat(CsvConfig(), ("id", "t"), Seen(quotes=True, joined=True))
    assert refuted(data, fmt) is None


class Counting(io.BytesIO):
    """Counts the bytes that are read."""

    size_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.size_read += len(data)
        return data


def test_each_kind_of_alarm_is_looked_into_once() -> None:
    data = HEADER + (FILLER + b'1,"a, b"\n') * 20
    stream = Counting(data)
    fmt = DetectingCsvFormat(CsvConfig(), ("id", "t"))
    for split in [whole(data)] * 3:
        list(fmt.read_table(cast(IO[bytes], stream), split, SCHEMA, SplitReport()))
    assert stream.size_read < 3 * len(data) + (2 << 20)


def test_a_watched_reader_reads_as_any_other() -> None:
    data = bytes(range(256)) * 40
    watched = WatchedReader(io.BytesIO(data), 100, b"\xff")
    assert (watched.read(100), watched.quote_at) == (data[:100], None)
    assert watched.again(10, 20) == data[10:30]
    assert watched.again(5000, 20) == data[5000:5020]
    assert (watched.read(200), watched.quote_at) == (data[100:300], 255)
    watched.seek(1000)
    assert (watched.read(10), watched.position) == (data[1000:1010], 1010)
    assert watched.latest() == (1000, data[1000:1010])
    assert watched.around(1005, 3) == data[1000:1010]
    assert watched.around(5000, 3) == data[5000:5003]
    assert watched.read(10) == data[1010:1020]
