"""A plain comma file with a header is always taken for one, and nothing makes detection fail."""

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.config import CsvConfig
from file_cdk.formats.csv.sniff.detect import detect

WORD = st.sampled_from(
    ["alpha", "Bravo", "São Paulo", "O'Neil", "x", "Müller-Lüdenscheidt", "N/A", "e mail", "C:\\tmp\\x"]
)
CELLS = [
    st.integers(-(10**9), 10**9).map(str),
    st.decimals(0, 10**6, places=2).map(str),
    st.dates().map(str),
    st.datetimes().map(str),
    st.times().map(str),
    st.sampled_from(["true", "false"]),
    WORD,
    st.lists(WORD, min_size=1, max_size=4).map(" ".join),
    st.lists(WORD, min_size=1, max_size=4).map(", ".join),
    st.lists(WORD, min_size=1, max_size=3).map(";".join),
    st.lists(WORD, min_size=1, max_size=3).map("|".join),
    WORD.map('{{"a": "{}", "b": [1, 2]}}'.format),
    WORD.map('"{}" he said'.format),
    st.just(""),
    st.tuples(WORD, WORD).map("\n".join),
    st.uuids().map(str),
    WORD.map('say \\"{}\\"'.format),
    WORD.map("\\\\{}\\new".format),
    WORD.map("#{} 5".format),
    WORD.map("{} 5\" wide, 3' long".format),
    WORD.map('"{}"'.format),
    st.lists(st.integers(0, 10**6).map("{:,}".format), min_size=1, max_size=2).map(" ".join),
]
NAMES = st.lists(st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True), min_size=2, max_size=8, unique=True)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    names = draw(NAMES)
    columns = [draw(st.sampled_from(CELLS)) for _ in names]
    return [names, *(list(row) for row in draw(st.lists(st.tuples(*columns), min_size=2, max_size=12)))]


@settings(max_examples=300)
@given(tables(), st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_a_plain_comma_file_with_a_header_is_the_default(table: list[list[str]], end: str, quoting: int) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    sniffed = detect(text.getvalue().encode(), complete=True)
    assert sniffed.as_config() == {}, sniffed.describe()


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text("\"'\\,;|\t \n\r:a1#\x01é\0", max_size=60).map(str.encode), st.booleans())
def test_detection_never_fails(sample: bytes, complete: bool) -> None:
    sniffed = detect(sample, complete=complete)
    assert 0 <= sniffed.confidence <= 1
    assert CsvConfig(**sniffed.as_config()) == sniffed.config
    assert "\n" not in sniffed.describe()
