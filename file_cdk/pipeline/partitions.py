"""Columns that `key=value` folders give to the files that a path or URL names, without anybody asking for them."""

from collections.abc import Collection, Sequence

from file_cdk.core.files import RemoteFile
from file_cdk.formats.path_columns import folder_values


class FolderKeys:
    """The keys that the folders of every file have: a rule of a selection, its last, which leaves out no file."""

    def __init__(self) -> None:
        self._common: frozenset[str] | None = None

    def __call__(self, files: Sequence[RemoteFile]) -> list[str | None]:
        for file in files:
            if self._common is not None and not self._common:
                break
            keys = frozenset(filter(None, folder_values(file.uri)))
            self._common = keys if self._common is None else self._common & keys
        return [None] * len(files)

    def besides(self, columns: Collection[str]) -> frozenset[str]:
        """Without those that the files themselves have as columns, in any case of letters: what is in a file counts."""
        own = {name.casefold() for name in columns}
        return frozenset(key for key in self._common or () if key.casefold() not in own)


def note(keys: Collection[str]) -> str:
    """What to tell a person of keys that become columns."""
    names = ", ".join(map(repr, sorted(keys)))
    noun = "column" if len(keys) == 1 else "columns"
    return f"folders named key=value give every file the {noun} {names}; --no-partitions leaves them out"
