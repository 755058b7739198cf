"""Names for columns to which a file gives none, alike in all formats that have a header row."""

from collections.abc import Collection, Sequence


def unnamed(columns: Sequence[int], taken: Collection[str]) -> list[str]:
    """`Unnamed: 3` for the column that is number 3 from 0, as pandas names it; another one where that is `taken`."""
    return unique([f"Unnamed: {column}" for column in columns], set(taken))


def unique(names: Sequence[str], taken: set[str]) -> list[str]:
    """A name that is taken gets `.1`, `.2` … appended, passing over names that stand in the header themselves."""
    own = set(names)
    result: list[str] = []
    used = set(taken)
    last: dict[str, int] = {}  # 16,384 columns may all have one name
    for name in names:
        candidate, number = name, last.get(name, 0)
        while candidate in used or (number and candidate in own):
            number += 1
            candidate = f"{name}.{number}"
        last[name] = number
        used.add(candidate)
        result.append(candidate)
    return result
