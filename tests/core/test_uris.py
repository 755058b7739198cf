"""What names say about compression and archives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.uris import compression_of, is_archive, redacted, split_member, tar_compression, without_compression


@pytest.mark.parametrize(
    ("uri", "compression", "name"),
    [
        ("orders.csv", None, "orders.csv"),
        ("orders.csv.gz", "gzip", "orders.csv"),
        ("ORDERS.CSV.GZ", "gzip", "ORDERS.CSV"),
        ("a.gz/orders.csv", None, "a.gz/orders.csv"),
        ("orders.gzip", "gzip", "orders"),
        ("orders.jsonl.bz2", "bzip2", "orders.jsonl"),
        ("orders.xz", "xz", "orders"),
        ("orders.lzma", "lzma", "orders"),
        ("orders.zst", "zstd", "orders"),
        ("orders.zstd", "zstd", "orders"),
        ("orders.lz4", "lz4", "orders"),
        ("orders.sz", "snappy", "orders"),
        ("orders.snappy", "snappy", "orders"),
        ("a.zip!orders.csv.gz", "gzip", "a.zip!orders.csv"),
        ("a.parquet.snappy.gz", "gzip", "a.parquet"),
        ("gz", None, "gz"),
        ("", None, ""),
    ],
)
def test_compression_by_name(uri: str, compression: str | None, name: str) -> None:
    assert compression_of(uri) == compression
    assert without_compression(uri) == name


@pytest.mark.parametrize(
    "ending",
    ["zip", "tar", "tgz", "tar.gz", "tar.bz2", "tbz2", "tbz", "tar.xz", "txz", "tar.zst", "tzst", "ZIP", "TAR.GZ"],
)
def test_archives_by_name(ending: str) -> None:
    assert is_archive(f"a/b.{ending}")
    assert not is_archive(f"a/b.{ending}/c")
    assert not is_archive(f"a/b{ending}")
    assert not is_archive(f"a/b.{ending}\n")
    assert split_member(f"a/b.{ending}!c/d.csv") == (f"a/b.{ending}", "c/d.csv")


def test_office_files_are_no_archives() -> None:
    assert not any(map(is_archive, ["a.xlsx", "a.ods", "a.docx", "a.jar", "a.csv.gz", "zip"]))


@pytest.mark.parametrize("uri", ["a!b.csv", "!a.zip", "a.zip", "a.zip!", "zip!a", "a.zip/b!c", "a.gz!b", ""])
def test_no_members(uri: str) -> None:
    assert split_member(uri) is None


def test_the_first_boundary_parts_a_member() -> None:
    assert split_member("a!b.zip!c.zip!d") == ("a!b.zip", "c.zip!d")
    assert split_member("a.zip!\n") == ("a.zip", "\n")


@pytest.mark.parametrize(
    ("uri", "compression"),
    [
        ("a.tar", None),
        ("a.zip", None),
        ("a.TGZ", "gzip"),
        ("a.tar.bz2", "bzip2"),
        ("a.txz", "xz"),
        ("a.tar.zst", "zstd"),
    ],
)
def test_what_a_tar_is_compressed_with(uri: str, compression: str | None) -> None:
    assert tar_compression(uri) == compression


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sftp://ada:s3cret@host:22/in/*.csv", "sftp://ada:***@host:22/in/*.csv"),
        ("sftp://ada:p@ss@host/x", "sftp://ada:***@host/x"),
        ("sftp://ada:p/w@host/x", "sftp://ada:***@host/x"),
        ("sftp://ada:p@s/w@host/x", "sftp://ada:***@host/x"),
        ("https://ada:p?w#x@host/x", "https://ada:***@host/x"),
        ("SFTP://ada:@host/x", "SFTP://ada:***@host/x"),
        ("https://ghp_0123@host/x", "https://***@host/x"),
        ("az://box/a.csv?sv=2024&se=2030-01-01&sig=a%2Bb%3D&sp=r", "az://box/a.csv?sv=2024&se=2030-01-01&sig=***&sp=r"),
        (
            "https://h/a.csv?X-Amz-Credential=AKIA/1&X-Amz-Date=2024&X-Amz-Signature=ff&X-Amz-Security-Token=t#top",
            "https://h/a.csv?X-Amz-Credential=***&X-Amz-Date=2024&X-Amz-Signature=***&X-Amz-Security-Token=***#top",
        ),
        ("https://h/a?api_key=1;Password=2&page=3", "https://h/a?api_key=***;Password=***&page=3"),
        ("--to=sftp://ada:s3cret@host/x", "--to=sftp://ada:***@host/x"),
        ("gs://b/x?X-Goog-Signature=ab", "gs://b/x?X-Goog-Signature=***"),
    ],
)
def test_secrets_in_urls_are_not_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "orders/2024-??.csv",
        "mail/ada@host/x.csv",
        "s3://bucket/a@b/q?x=1.csv",
        "s3://bucket/**/*.csv",
        "sftp://ada@host:22/in",
        "sftp://host:22/a@b",
        "https://[::1]:8080/a@b",
        "file:///data/orders",
        "C:\\data",
    ],
)
def test_what_holds_no_secret_is_shown_as_it_is(text: str) -> None:
    assert redacted(text) == text


@given(st.text(min_size=1) | st.text("@/:?#&=1a"), st.sampled_from(["sftp", "https", "ftp", "s3"]))
def test_no_password_is_shown_whatever_its_characters(password: str, scheme: str) -> None:
    shown = redacted(f"{scheme}://ada:Z{password}Z@host/in/*.csv")
    assert shown == f"{scheme}://ada:***@host/in/*.csv"
