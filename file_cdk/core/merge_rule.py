"""By which rule a table shows one row of each key."""

from file_cdk.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class MergeRule:
    """Which of the rows that agree in all `keys` a table shows: that with the greatest value of the column `cursor`, where none
    is less than any; of equal ones (or without a cursor) that of the file that was modified later, of such the one whose uri is
    greater, then the later row. A row without a value in some key is shown for itself: nobody knows what it is a version of.

    deleted: a column that has a value in rows that remove theirs, other than false, 0, and the texts for them: '', '0', 'f', 'n',
    'no' and 'false' in any case of letters. Texts are compared as their bytes are. Columns are called as the files have them.
    """

    keys: tuple[str, ...]
    cursor: str | None = None
    deleted: str | None = None
