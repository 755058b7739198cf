"""Files that other programs leave beside the data and that nobody means by a wildcard: told by their names alone.

Names that begin with a dot are not among them: wildcards do not match these in the first place.
"""

import re
from collections.abc import Iterable

from file_cdk.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Litter:
    """sign: the part of the name that tells, in lower case; a pattern that has it means such files. reason: in words."""

    sign: str
    reason: str


_LOCK = "the lock of a document that somebody has open"
_SYSTEM = "kept by a system for itself"
_MARK = "the mark of a job, without data"
_UNFINISHED = "the unfinished output of a job"
_SUMMARY = "a summary of other files"
_CHECKSUM = "the checksum of another file"

_FOLDERS = {
    "__macosx": _SYSTEM,  # what macOS adds to a zip
    "@eadir": _SYSTEM,  # Synology
    "$recycle.bin": _SYSTEM,
    "system volume information": _SYSTEM,
    "_temporary": _UNFINISHED,  # Hadoop's committer: what is in it may be there a second time
}
_NAMES = {
    "thumbs.db": _SYSTEM,
    "desktop.ini": _SYSTEM,
    "_success": _MARK,  # Hadoop, Spark
    "_metadata": _SUMMARY,  # of Parquet files
    "_common_metadata": _SUMMARY,
}
_BEGINNINGS = {
    "~$": (re.compile(r"~\$.+", re.DOTALL), _LOCK),  # Microsoft Office
    "_committed_": (re.compile(r"_committed_(?:vacuum)?\d+"), _MARK),  # Databricks
    "_started_": (re.compile(r"_started_\d+"), _MARK),
}
_CHECKSUM_ENDING = ".crc"

_MAYBE = re.compile("|".join(map(re.escape, (*_FOLDERS, *_NAMES, *_BEGINNINGS, _CHECKSUM_ENDING))))


def litter_in(uri: str) -> Litter | None:
    """What kind of litter a file is, by its uri; None for what may be data. Takes a microsecond or two."""
    uri = uri.lower()
    return None if _MAYBE.search(uri) is None else _litter_in(uri)


def may_have_litter(uris: Iterable[str]) -> bool:
    """Whether any of them might be litter, told in a fraction of the time that it takes to ask of each."""
    return _MAYBE.search("\n".join(uris).lower()) is not None


def _litter_in(uri: str) -> Litter | None:
    *folders, name = re.split("[/!]", uri)
    for folder in folders:
        if folder in _FOLDERS:
            return Litter(folder, _FOLDERS[folder])
    if name in _NAMES:
        return Litter(name, _NAMES[name])
    for sign, (pattern, reason) in _BEGINNINGS.items():
        if pattern.fullmatch(name):
            return Litter(sign, reason)
    if name.endswith(_CHECKSUM_ENDING):
        return Litter(_CHECKSUM_ENDING, _CHECKSUM)
    return None
