"""Columns that `key=value` folders give to the files that a path or URL names, without anybody asking for them."""

from collections.abc import Collection, Sequence

from file_cdk.core.files import RemoteFile
from file_cdk.formats.path_columns import folder_values


class FolderKeys:
    """The keys that are columns: those that the folders of every file have, and those that the table has already.

    To be a rule of a selection before the one that leaves out what is loaded; it leaves out no file itself. A file without a
    key of the table has no value there, and does not take it from the others. table: the table's columns.
    """

    def __init__(self, table: Collection[str]) -> None:
        self._table = frozenset(table)
        self._common: frozenset[str] | None = None
        self._of_table: frozenset[str] = frozenset()
        self._last_folder: str | None = None

    def __call__(self, files: Sequence[RemoteFile]) -> list[str | None]:
        for file in files:
            folder = file.uri.rpartition("/")[0]
            if folder == self._last_folder:
                continue
            self._last_folder = folder
            keys = frozenset(filter(None, folder_values(file.uri)))
            self._common = keys if self._common is None else self._common & keys
            self._of_table |= keys & self._table
        return [None] * len(files)

    def besides(self, columns: Collection[str]) -> frozenset[str]:
        """Without those that the files themselves have as columns, in any case of letters: what is in a file counts."""
        own = {name.casefold() for name in columns}
        keys = (self._common or frozenset()) | self._of_table
        return frozenset(key for key in keys if key.casefold() not in own)


def note(keys: Collection[str]) -> str:
    """What to tell a person of keys that become columns."""
    names = ", ".join(map(repr, sorted(keys)))
    noun = "column" if len(keys) == 1 else "columns"
    return f"folders named key=value give every file the {noun} {names}; --no-partitions leaves them out"
