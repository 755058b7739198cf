"""Blanks before values, taken out of a piece at once where its quotes leave no doubt which blanks these are."""

import re

_BLANK_LINE = re.compile(rb"(?:\A|[\r\n]) +(?:[\r\n]|\Z)")
_RUNS = (64, 8, 1)


def without_padding(piece: bytes, delimiter: bytes, quote: bytes | None, *, doubled: bool) -> bytes | None:
    """The piece, which begins at a record, without the blanks after delimiters and at the beginnings of lines.

    None where only the row reader can tell: a line of blanks, which is no blank line, and quotes that do not enclose values
    from their beginning to their end.
    """
    if quote is None or quote not in piece:
        return _stripped(piece, delimiter)
    parts = piece.split(quote)
    text = _stripped(quote.join(parts[::2]), delimiter)
    if len(parts) % 2 == 0 or text is None:
        return None
    outside = text.split(quote)
    around = {part[:1] for part in outside[1:]} | {part[-1:] for part in outside[:-1]}
    if not around <= {delimiter, b"\n", b"\r", b""} or not (doubled or all(outside[1:-1])):
        return None
    parts[::2] = outside
    return quote.join(parts)


def _stripped(text: bytes, delimiter: bytes) -> bytes | None:
    if text.startswith(b" ") or b"\n " in text or b"\r " in text:
        if _BLANK_LINE.search(text):
            return None
        text = _without_blanks_after(b"\r", _without_blanks_after(b"\n", text.lstrip(b" ")))
    return _without_blanks_after(delimiter, text)


def _without_blanks_after(mark: bytes, text: bytes) -> bytes:
    for length in _RUNS:
        run = mark + b" " * length
        while run in text:
            text = text.replace(run, mark)
    return text
