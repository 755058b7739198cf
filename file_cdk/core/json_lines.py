"""Records that already are JSON: members put into their bytes or taken out of them, with no Python object per record."""

import re
from collections import Counter
from collections.abc import Callable, Collection
from functools import cache, lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import FILE_COLUMNS

if TYPE_CHECKING:  # takes 20 ms, and those who only decode columns go without
    import msgspec

_FILE_COLUMN = b'"_ab_source_file_'
"""How every key that names one of FILE_COLUMNS begins."""

_BLANKS_AND_BRACE = frozenset(b" \t\r\n{")

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
_REPLACEMENT = rb"\ufffd"  # as long as what it replaces, so that positions stay


@dataclass(slots=True)
class JsonLines:
    """A batch of records that already are JSON: each one object's exact bytes, no line end, no blanks around it.

    checked: no record has a key that names a column about the file (core.files.FILE_COLUMNS); who knows it saves a search.
    """

    lines: list[bytes]
    checked: bool = False

    @property
    def num_rows(self) -> int:
        return len(self.lines)

    def slice(self, start: int, rows: int) -> "JsonLines":
        return JsonLines(self.lines[start : start + rows], self.checked)

    def text(self, before: bytes, after: bytes, members: bytes = b"") -> bytes:
        """All records, each between `before` and `after`; `members` (such as `"a":1,"b":2`) stand last in each."""
        if not self.lines:
            return b""
        bodies, end = self._open(members) if members else (self.lines, b"")
        return b"".join((before, (end + after + before).join(bodies), end, after))

    def with_members(self, members: bytes) -> "JsonLines":
        """The records with these members, of which they have none, at their ends."""
        bodies, end = self._open(members)
        return JsonLines([body + end for body in bodies])

    def _open(self, members: bytes) -> tuple[list[bytes], bytes]:
        """What of each record stands before the members, and what then ends all of them."""
        # What stands before the closing brace tells whether there may be an object without a member.
        if _BLANKS_AND_BRACE.isdisjoint(map(itemgetter(-2), self.lines)):
            return [line[:-1] for line in self.lines], b"," + members + b"}"
        return [line[:-1] + b"," if b'"' in line else b"{" for line in self.lines], members + b"}"

    def without_file_columns(self) -> "JsonLines":
        """The records without members named like the columns about the file; all others keep their bytes."""
        if self.checked or _FILE_COLUMN not in b"".join(self.lines):
            return JsonLines(self.lines, checked=True)
        lines = [_parted(line, FILE_COLUMNS)[0] if _FILE_COLUMN in line else line for line in self.lines]
        return JsonLines(lines, checked=True)

    def without(self, names: tuple[str, ...]) -> "tuple[JsonLines, Counter[str]]":
        """The records without members of these names, however they are spelled, and how many had a value other than null
        under each name. Members that remain keep the bytes of their values."""
        had: Counter[str] = Counter()
        has_own = _finder(names)
        lines = []
        for line in self.lines:
            if has_own(line):
                line, own = _parted(line, names)
                had.update(name for name, value in own.items() if bytes(value) != b"null")
            lines.append(line)
        return JsonLines(lines), had


def names_no_file_column(text: bytes) -> bool:
    """Whether records in this text are `checked`."""
    return _FILE_COLUMN not in text


def without_lone_surrogates(text: bytes) -> bytes:
    """The same JSON, with U+FFFD in place of each escape of half a surrogate pair."""
    if b"\\u" not in text:
        return text
    return _ESCAPE.sub(lambda escape: _REPLACEMENT if escape["half"] else escape[0], text)


def member(name: str, value: str) -> bytes:
    """`"name":"value"`"""
    import msgspec

    return msgspec.json.encode(name) + b":" + msgspec.json.encode(value)


def _parted(line: bytes, names: Collection[str]) -> "tuple[bytes, dict[str, msgspec.Raw]]":
    """The object without its members of these names, as it is if it has none, and those members."""
    import msgspec

    members = _members_decoder()(without_lone_surrogates(line))
    own = {name: members.pop(name) for name in names if name in members}
    return (msgspec.json.encode(members) if own else line), own


@cache
def _members_decoder() -> "Callable[[bytes], dict[str, msgspec.Raw]]":
    import msgspec

    return msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@lru_cache(maxsize=16)
def _finder(names: tuple[str, ...]) -> Callable[[bytes], bool]:
    """Whether a JSON object has a member of such a name, in whatever spelling; its values are skipped.

    What the decoder does not take (half a surrogate pair, a depth of thousands) counts as without: of two members of a
    name the last one is the one that counts.
    """
    import msgspec

    absent = msgspec.Raw(b"")
    fields = [(f"f{i}", msgspec.Raw, absent) for i in range(len(names))]
    kind: Any
    try:
        kind = msgspec.defstruct("Own", fields, rename={f"f{i}": name for i, name in enumerate(names)})
    except ValueError:  # a name with quotes, backslashes or control characters
        kind = dict[str, msgspec.Raw]
    decode = msgspec.json.Decoder(kind).decode
    own = frozenset(names)
    nothing = decode(b"{}")

    def has_own(line: bytes) -> bool:
        try:
            found = decode(line)
        except (msgspec.MsgspecError, RecursionError):
            return False
        return not own.isdisjoint(found) if isinstance(found, dict) else found != nothing

    return has_own
