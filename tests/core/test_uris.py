"""What names say about compression and archives."""

import pytest

from file_cdk.core.uris import compression_of, is_archive, split_member, tar_compression, without_compression


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
    "ending", ["zip", "tar", "tgz", "tar.gz", "tar.bz2", "tbz2", "tar.xz", "txz", "tar.zst", "TAR.GZ"]
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
