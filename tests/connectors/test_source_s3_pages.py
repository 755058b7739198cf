"""Listing pages as different servers write them, and what is no listing."""

from datetime import UTC, datetime
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_s3.store import NotAListingError, parse_page

from file_cdk import RemoteFile

AT = datetime(2024, 5, 6, 7, 8, 9, 120_000, tzinfo=UTC)
ENTRY = (
    "<Contents><Key>{}</Key><LastModified>2024-05-06T07:08:09.120Z</LastModified>"
    "<ETag>&quot;abc&quot;</ETag><Size>5</Size></Contents>"
)


def page(entries: str, rest: str = "") -> bytes:
    return f'<?xml version="1.0"?>\n<ListBucketResult xmlns="x"><Name>b</Name>{rest}{entries}</ListBucketResult>\n'.encode()


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY.format("k.csv"),
        "<Contents><ETag>&#34;abc&#34;</ETag><Size>5</Size><Owner><ID>1</ID></Owner><LastModified>2024-05-06T07:08:09.12Z"
        "</LastModified><Key>k.csv</Key></Contents>",
        "<Contents>\n <Key>k.csv</Key>\n <LastModified>\n2024-05-06T09:08:09.12+02:00</LastModified>\n <Size> 5</Size>"
        '\n <ETag>"abc"</ETag>\n</Contents>',
        "<Contents><Key><![CDATA[k.csv]]></Key><LastModified>2024-05-06T07:08:09.120</LastModified><ETag>abc</ETag>"
        "<Size>5</Size></Contents>",
        "<!-- <Key>no</Key> -->" + ENTRY.format("k.csv"),
        ENTRY.format("k.csv").replace("<Contents>", '<Contents type="x">'),
    ],
)
def test_the_same_entry_written_otherwise(entry: str) -> None:
    assert parse_page(page(entry)).files == [RemoteFile("k.csv", 5, AT, "abc")]


def test_prefixed_elements() -> None:
    text = page(ENTRY.format("k.csv")).decode().replace('xmlns="x"', 'xmlns:s="x"')
    text = text.replace("</", "</s:").replace("<L", "<s:L").replace("<C", "<s:C").replace("<K", "<s:K")
    text = text.replace("<E", "<s:E").replace("<S", "<s:S").replace("<N", "<s:N")
    assert parse_page(text.encode()).files == [RemoteFile("k.csv", 5, AT, "abc")]


def test_an_entry_without_etag_takes_nobody_else_s() -> None:
    bare = ENTRY.format("a").replace("<ETag>&quot;abc&quot;</ETag>", "")
    assert [file.etag for file in parse_page(page(bare + ENTRY.format("b"))).files] == [None, "abc"]


def test_what_follows() -> None:
    last = parse_page(page(ENTRY.format("a/"), "<IsTruncated>false</IsTruncated>"))
    assert (last.files, last.truncated, last.next_token, last.last_key) == ([], False, None, "a/")
    rest = "<IsTruncated>true</IsTruncated><NextContinuationToken>1 &amp;=/+ </NextContinuationToken>"
    more = parse_page(page(ENTRY.format("a"), rest))
    assert (more.truncated, more.next_token) == (True, "1 &=/+ ")
    old = parse_page(page(ENTRY.format("a"), "<IsTruncated>true</IsTruncated>"))
    assert (old.truncated, old.next_token, old.last_key) == (True, None, "a")
    assert parse_page(page("")).files == []


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda key: not key.endswith("/")))
def test_any_key_is_read_back_from_xml(key: str) -> None:
    assert [file.uri for file in parse_page(page(ENTRY.format(escape(key)))).files] == [key]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda key: not key.endswith("/")))
def test_any_key_is_read_back_url_encoded(key: str) -> None:
    encoded = "".join(f"%{byte:02X}" if byte != 0x20 else "+" for byte in key.encode())
    assert [file.uri for file in parse_page(page(ENTRY.format(encoded), "<EncodingType>url</EncodingType>")).files] == [
        key
    ]


_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1).map(lambda text: text + "k")
_ENTRIES = st.tuples(
    _TEXTS,
    st.integers(0, 1 << 62),
    st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)),
    st.text("0123456789abcdef-", min_size=1),
)


@given(
    st.lists(_ENTRIES, min_size=1, max_size=5),
    st.permutations(["Key", "Size", "LastModified", "ETag", "StorageClass", "Owner"]),
    st.sampled_from(["&quot;", "&#34;", '"', ""]),
    st.sampled_from(["", "\n  "]),
    st.lists(st.integers(0, 4), max_size=2),
)
def test_entries_are_what_was_written(
    entries: list[tuple[str, int, datetime, str]], order: list[str], quote: str, blank: str, without_owner: list[int]
) -> None:
    """Whether they all are written alike or not."""
    written = ""
    for number, (key, size, at, etag) in enumerate(entries):
        values = {
            "Key": escape(key),
            "Size": str(size),
            "LastModified": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "ETag": f"{quote}{etag}{quote}",
            "StorageClass": "STANDARD",
            "Owner": f"<ID>{number}</ID>",
        }
        names = [name for name in order if name != "Owner" or number not in without_owner]
        elements = "".join(f"{blank}<{name}>{values[name]}</{name}>" for name in names)
        written += f"<Contents>{elements}{blank}</Contents>{blank}"
    assert parse_page(page(written)).files == [RemoteFile(key, size, at, etag) for key, size, at, etag in entries]


def test_a_reference_is_resolved_once() -> None:
    keys = ("a&#38;lt;b", "a&amp;#38;b", "a&#x26;amp;b")
    found = parse_page(page("".join(map(ENTRY.format, keys))))
    assert [file.uri for file in found.files] == ["a&lt;b", "a&#38;b", "a&amp;b"]


def test_a_plus_is_a_plus_when_keys_are_not_encoded() -> None:
    assert [file.uri for file in parse_page(page(ENTRY.format("a+b%20c"))).files] == ["a+b%20c"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>hello</html>",
        page(ENTRY.format("a"))[:-30],
        page(ENTRY.format("a")).replace(b"<Key>a</Key>", b""),
        page(ENTRY.format("a")).replace(b"<Contents>", b"<Contents x>"),
        b"\xff" + page(""),
        b'<!DOCTYPE x [<!ENTITY e "e">]>' + page(ENTRY.format("&e;")),
    ],
)
def test_what_is_no_listing(body: bytes) -> None:
    with pytest.raises(NotAListingError):
        parse_page(body)


@pytest.mark.parametrize(
    ("element", "instead"), [("<Size>5</Size>", ""), ("<Size>5</Size>", "<Size>-</Size>"), ("2024-05-06T", "yesterday")]
)
def test_an_entry_without_size_or_time_is_listed_with_its_fault(element: str, instead: str) -> None:
    found = parse_page(page(ENTRY.format("a") + ENTRY.format("b").replace(element, instead) + ENTRY.format("c")))
    assert [(file.uri, file.fault) for file in found.files] == [
        ("a", None),
        ("b", "the server does not tell its size and modification time"),
        ("c", None),
    ]
    assert found.last_key == "c"
