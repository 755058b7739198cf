"""What a uri tells by its text alone: a compressed file, an archive, a member of an archive; and how it has a name that is not
UTF-8.

A member's uri is its archive's, `!`, and its path inside: `exports/2024.zip!orders/jan.csv`.
"""

import re

COMPRESSED_ENDINGS = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".bz2": "bzip2",
    ".xz": "xz",
    ".lzma": "lzma",
    ".zst": "zstd",
    ".zstd": "zstd",
    ".lz4": "lz4",
    ".sz": "snappy",
    ".snappy": "snappy",
}
"""Ending of a file's name, in lower case -> what it is compressed with."""

_ARCHIVE_ENDING = r"\.(?:zip|tar|tar\.(?:gz|bz2|xz|zst)|tgz|tbz2?|txz|tzst)"
_ARCHIVE = re.compile(rf"{_ARCHIVE_ENDING}\Z", re.IGNORECASE)
_ARCHIVE_LAST = frozenset("prz2tPRZT")
"""The last characters of such endings."""
_BOUNDARY = re.compile(rf"{_ARCHIVE_ENDING}!(?=.)", re.IGNORECASE | re.DOTALL)

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNDECODABLE = re.compile("[\udc80-\udcff]")
_UNDECODABLE_OR_PERCENT = re.compile("[%\udc80-\udcff]")
_ESCAPED = re.compile(b"%(25|[89A-F][0-9A-F])")

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_AUTHORITY = re.compile(r"[^/?#]*")
_HOST = re.compile(r"(?:\[[^\]@]*\]|[^:@]*)(?::[0-9]*)?\Z")
_TELLING = "sig|token|secret|passw|pwd|key|auth|cred|code|session|jwt|sas"
_SECRET_VALUE = re.compile(rf"([?&;#][^=&;#?]*?(?:{_TELLING})[^=&;#?]*=)[^&;#]*", re.IGNORECASE)
"""A parameter with a telling name, such as X-Amz-Signature, X-Goog-Credential, sig, access_token, and its value."""

_COMPRESSED_TARS = {
    ".tar.gz": "gzip",
    ".tgz": "gzip",
    ".tar.bz2": "bzip2",
    ".tbz2": "bzip2",
    ".tbz": "bzip2",
    ".tar.xz": "xz",
    ".txz": "xz",
    ".tar.zst": "zstd",
    ".tzst": "zstd",
}


def well_formed(name: str) -> str:
    """A name that is not text (lone surrogates) with its bytes written `\\udcNN`: JSON and Arrow have no other way."""
    return name.encode("utf-8", "backslashreplace").decode()


def escape_name(name: str) -> str:
    """The name of a file or folder as a uri has it. Bytes that are not UTF-8 are surrogates in the name, as `os.fsdecode` gives
    them: in a name that has any, they become `%E9` and the like, and `%` becomes `%25`."""
    if not _UNDECODABLE.search(name):
        return name
    return _UNDECODABLE_OR_PERCENT.sub(lambda match: f"%{ord(match[0]) & 0xFF:02X}", name)


def names_of_segment(segment: str) -> tuple[str, ...]:
    """The names that `escape_name` turns into this segment of a uri, itself first: at most two, and none where no listing
    gives a uri with such a segment."""
    if segment in ("", ".", "..") or "\0" in segment or _SURROGATE.search(segment):
        return ()
    if "%" not in segment:
        return (segment,)
    raw = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), segment.encode())
    name = raw.decode("utf-8", "surrogateescape")
    return (segment, name) if name != segment and escape_name(name) == segment else (segment,)


def compression_of(uri: str) -> str | None:
    """What a file's name says that it is compressed with, whatever is in it."""
    dot = uri.rfind(".")
    return None if dot < 0 else COMPRESSED_ENDINGS.get(uri[dot:].lower())


def without_compression(uri: str) -> str:
    """`a.csv` for `a.csv.gz`: the name whose ending tells the format."""
    while compression_of(uri):
        uri = uri[: uri.rfind(".")]
    return uri


def is_archive(uri: str) -> bool:
    """Whether a file's name says that it is an archive whose members are files of their own."""
    return uri[-1:] in _ARCHIVE_LAST and _ARCHIVE.search(uri) is not None


def tar_compression(uri: str) -> str | None:
    """What a tar archive is compressed with by its name; None for a plain one."""
    name = uri.lower()
    return next((codec for ending, codec in _COMPRESSED_TARS.items() if name.endswith(ending)), None)


def split_member(uri: str) -> tuple[str, str] | None:
    """The archive's uri and the path inside it, parted at the first `!` that an archive's ending precedes; None for a
    file that is no member. Patterns are parted the same way."""
    if "!" not in uri:
        return None
    found = _BOUNDARY.search(uri)
    return None if found is None else (uri[: found.end() - 1], uri[found.end() :])


def redacted(url: str) -> str:
    """The text as it may be shown: a password in it, and values that sign or authorise a request, are `***`.

    Where it cannot be told whether something is secret, it counts as secret. In what is no URL, nothing changes but the
    values of such parameters.
    """
    return _SECRET_VALUE.sub(r"\1***", _without_password(url))


def _without_password(url: str) -> str:
    scheme = _SCHEME.search(url)  # an option of a command line may stand before it
    if scheme is None:
        return url
    rest = url[scheme.end() :]
    authority = _AUTHORITY.match(rest)
    assert authority is not None
    if ":" in authority[0].partition("@")[0] and not _HOST.match(authority[0]):
        # Up to the last one: a password may have an @ or a slash in it that should have been percent-encoded. What reads
        # the URL will complain, and should not tell.
        user_info, at, _ = rest.rpartition("@")
    else:
        user_info, at, _ = authority[0].rpartition("@")
    if not at:
        return url
    user, colon, _ = user_info.partition(":")
    # Over HTTP a user without a password is a token as a rule.
    shown = f"{user}:***" if colon else "***" if scheme[0].lower().startswith("http") else user
    return url[: scheme.end()] + shown + rest[len(user_info) :]


def shortened(uri: str, longest: int = 300) -> str:
    """The uri as a message has room for it: of a longer one the beginning and the end, which tells the kind of file."""
    if len(uri) <= longest:
        return uri
    end = longest // 3
    return f"{uri[: longest - end - 1]}…{uri[-end:]}"
