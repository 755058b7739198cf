"""What a file that is named as an archive is by its first bytes, for who has to be told why it cannot be listed."""

from file_cdk.compression.plain import codec_of
from file_cdk.core.uris import tar_compression

HEAD_BYTES = 512

_KINDS = (
    (b"PK\x03\x04", "zip", "a zip archive (.zip)"),
    (b"PK\x05\x06", "zip", "a zip archive (.zip)"),
    (b"7z\xbc\xaf\x27\x1c", "7z", "a 7z archive, which cannot be read"),
    (b"Rar!\x1a\x07", "rar", "a rar archive, which cannot be read"),
)
_COMPRESSED = {"gzip": "gz", "bzip2": "bz2", "xz": "xz", "zstd": "zst"}
"""Codecs that a tar may be compressed with, and their endings."""
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257


def other_kind(head: bytes, uri: str) -> str | None:
    """In words; None for what is named as, or what is not known. head: HEAD_BYTES of the file, or all of it."""
    named = "zip" if uri.lower().endswith(".zip") else tar_compression(uri) or "tar"
    if head.startswith(_TAR_MARK, _TAR_MARK_AT):
        return None if named == "tar" else "a tar archive that is not compressed (.tar)"
    codec = codec_of(head)
    if codec is not None and codec in _COMPRESSED:
        ending = _COMPRESSED[codec]
        return None if named == codec else f"compressed with {codec} (.tar.{ending}, or .csv.{ending} and the like)"
    for magic, kind, words in _KINDS:
        if head.startswith(magic):
            return None if named == kind else words
    return None
