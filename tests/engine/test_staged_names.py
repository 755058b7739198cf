import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.engine.staged_names import MAX_PATH_BYTES, MAX_SEGMENT_BYTES, PARTIAL, staged_path

PIECES = st.one_of(
    st.sampled_from(
        [
            "/",
            "//",
            ".",
            "..",
            "a",
            "A",
            "b.csv",
            "%",
            "%2",
            "%2F",
            "%25",
            "%~",
            "~",
            "%uD800",
            "uD",
            "\ud800",
            "\0",
            "\n",
        ]
    ),
    st.sampled_from(["\\", "C:", " ", "ü", "u\u0308", "😀", "\u202e", "\x7f", "x" * 256, "é" * 130, "0", "F", "part"]),
    st.text(st.characters(codec=None), max_size=4),
)
URIS = st.lists(PIECES, max_size=12).map("".join)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("orders.csv", "orders.csv"),
        ("a/b/orders.csv.gz", "a/b/orders.csv.gz"),
        ("year=2024/.hidden/..x/y..", "year=2024/.hidden/..x/y.."),
        ("sp ace/ü.csv", "sp ace/ü.csv"),
        ("pct%20x%2c.csv", "pct%20x%2c.csv"),
        ("C:\\x\\y.csv", "C:\\x\\y.csv"),
        ("q?x=1.csv", "q?x=1.csv"),
        ("../../etc/x", "%2E%2E/%2E%2E/etc/x"),
        ("/abs", "%2Fabs"),
        ("a/./b", "a/%2E/b"),
        ("a//b", "a/%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("a/", "a%2F"),
        ("/", "%2F"),
        ("", "%~"),
        ("new\nline\0.csv", "new%0Aline%00.csv"),
        ("half\ud800", "half%uD800"),
    ],
)
def test_what_a_file_is_called(uri: str, path: str) -> None:
    assert staged_path(uri) == path


@pytest.mark.parametrize(
    ("uri", "name"),
    [("a/b.csv", "b.csv"), ("b.csv", "b.csv"), ("/b.csv", "b.csv"), ("a/..", "%2E%2E"), ("a/", "a%2F"), ("//x", "x")],
)
def test_what_it_is_called_without_its_folder(uri: str, name: str) -> None:
    assert staged_path(uri, flat=True) == name


def test_long_names_keep_their_beginning_and_ending() -> None:
    name = staged_path("d/" + "n" * 300 + ".parquet")
    assert re.fullmatch(r"d/n+%~[0-9a-f]{32}\.parquet", name)
    assert len(name) == len("d/") + MAX_SEGMENT_BYTES
    assert staged_path("d/" + "n" * 301 + ".parquet") != name
    assert re.fullmatch(r"x\.csv%~[0-9a-f]{32}|x%~[0-9a-f]{32}\.csv", staged_path("folder/" * 400 + "x.csv"))


@given(URIS, st.booleans())
def test_every_part_is_a_name_that_a_folder_can_hold(uri: str, flat: bool) -> None:
    path = staged_path(uri, flat=flat)
    parts = path.encode().split(b"/")
    assert not flat or len(parts) == 1
    assert len(path.encode()) <= MAX_PATH_BYTES
    for part in parts:
        assert part not in (b"", b".", b"..", PARTIAL.encode())
        assert len(part) <= MAX_SEGMENT_BYTES
        assert not set(part) & {*range(32), 127}


@given(URIS)
def test_the_uri_can_be_told_from_what_was_not_shortened(uri: str) -> None:
    path = staged_path(uri)
    if "%~" not in path:
        escape = r"%(?:u(D[89A-F][0-9A-F]{2})|([01][0-9A-F]|7F|2[5EF]))"
        assert re.sub(escape, lambda found: chr(int(found[1] or found[2], 16)), path) == uri


@given(st.lists(URIS, unique=True, min_size=2, max_size=20))
def test_two_uris_never_have_one_path(uris: list[str]) -> None:
    assert len({staged_path(uri) for uri in uris}) == len(uris)


@given(URIS, st.sampled_from(["/", ".", "%", "%2F", "../", "~", "\n"]), st.integers(0, 40))
def test_a_little_more_is_another_path(uri: str, more: str, at: int) -> None:
    assert staged_path(uri[:at] + more + uri[at:]) != staged_path(uri)
