"""The few rows of a piece that are not as wide as its header: told one by one, so that the other rows keep the fast way."""

import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from file_cdk.formats.csv.lexer import OddRow
from file_cdk.formats.csv.shape import TOO_FEW, TOO_MANY, OddRowError, OddRows, Rows, Shape

MAX_ODD_ROWS = 128
"""In one piece; with more of them it is as well to read all its rows one by one."""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """number: among all rows of the piece, from 1. at: where it begins in the piece."""

    number: int
    at: int
    reason: str
    raw: bytes


@dataclass(slots=True)
class TakenApart:
    """inserted: rows made to fit, and before which of the regular rows they stand, counted from 0. cut: how many of these lost
    blank values that were over."""

    inserted: list[tuple[int, Rows]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: list[RejectedRow] = field(default_factory=list)
    cut: int = 0


class OddRowReader:
    """Does with rows of an odd width what the file's policy says."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def take_apart(self, odd: Sequence[OddRow], piece: bytes) -> TakenApart | None:
        """None when the piece has to be read row by row: too many such rows, one that is to end the file, or one whose place
        cannot be told."""
        policy = self._shape.policy.odd_rows
        if policy is OddRows.FAIL and not self._shape.header.trailing_blanks:
            return None
        if self._shape.policy.of_table and any("\n" in row.text or "\r" in row.text for row in odd):
            return None  # its lines may be rows of their own
        if len(odd) > MAX_ODD_ROWS and policy is not OddRows.SKIP:
            return None
        apart = TakenApart()
        if policy is OddRows.SKIP and not (self._shape.header.trailing_blanks or self._shape.policy.drops_blanks_over):
            width = len(self._shape.header.names)
            apart.skipped.update(TOO_MANY if row.width > width else TOO_FEW for row in odd)
            return apart
        to_reject: list[tuple[OddRow, str]] = []
        for index, row in enumerate(odd):
            try:
                self._insert(apart, row.number - 1 - index, row.text)
            except OddRowError as exc:
                if policy is OddRows.FAIL:
                    return None
                if policy is OddRows.SKIP:
                    apart.skipped[exc.reason] += 1
                else:
                    to_reject.append((row, exc.reason))
        if to_reject:
            places = _places([row.text for row, _ in to_reject], piece, self._shape)
            if places is None:
                return None
            for (row, reason), (at, raw) in zip(to_reject, places, strict=True):
                apart.rejected.append(RejectedRow(row.number, at, reason, raw))
        return apart

    def _insert(self, apart: TakenApart, at: int, text: str) -> None:
        values = next(self._shape.dialect.reader(io.StringIO(text, newline="")))
        if apart.inserted and apart.inserted[-1][0] == at:
            apart.cut += not self._shape.add(apart.inserted[-1][1], values, [text])
            return
        rows = Rows()
        apart.cut += not self._shape.add(rows, values, [text])
        apart.inserted.append((at, rows))


def _places(texts: Sequence[str], piece: bytes, shape: Shape) -> list[tuple[int, bytes]] | None:
    """Where in the piece each of the records begins, and its bytes, in the order of the records.

    Each stands somewhere between line ends. Where its text does so as often as there are records of that text, all these
    places are theirs; otherwise it also stands in some quoted value, and their places cannot be told this way.
    """
    line_end = shape.header.line_end
    other = piece.count(b"\r" if line_end == b"\n" else b"\n")
    if other and (line_end == b"\r" or other != piece.count(b"\r\n")):
        return None
    wanted = Counter(texts)
    found: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
    for text in wanted:
        raw = text.encode(shape.dialect.encoding)
        for at in _between_line_ends(raw, piece, line_end):
            if len(found[text]) == wanted[text]:
                return None
            found[text].append((at, raw))
        if len(found[text]) < wanted[text]:
            return None
    for places in found.values():
        places.reverse()
    return [found[text].pop() for text in texts]


def _between_line_ends(raw: bytes, piece: bytes, line_end: bytes) -> list[int]:
    places = []
    at = 0 if piece.startswith(raw) else piece.find(line_end + raw) + 1 or -1
    while at >= 0:
        if piece[at + len(raw) : at + len(raw) + 1] in (b"\r", b"\n", b""):
            places.append(at)
        at = piece.find(line_end + raw, at) + 1 or -1
    return places
