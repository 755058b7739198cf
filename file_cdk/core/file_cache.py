"""What one job has read of the files it meets again (headers, footers), and what it has made of files like these."""

from collections import OrderedDict
from collections.abc import Callable
from operator import is_not
from typing import Generic, TypeVar

from file_cdk.core.files import RemoteFile

_Read = TypeVar("_Read")


class FileCache(Generic[_Read]):
    """The last `max_files` results, by file version. Belongs to a job, since uris and versions of one root say nothing of
    another's; and to a process: a copy that travels to another one is empty."""

    def __init__(self, max_files: int) -> None:
        self._max_files = max_files
        self._results: OrderedDict[RemoteFile, _Read] = OrderedDict()

    def get(self, file: RemoteFile, read: Callable[[], _Read]) -> _Read:
        known = self._results.get(file)
        if known is not None:
            self._results.move_to_end(file)
            return known
        result = self._results[file] = read()
        if len(self._results) > self._max_files:
            self._results.popitem(last=False)
        return result

    def __reduce__(self) -> tuple[type["FileCache[_Read]"], tuple[int]]:
        return type(self), (self._max_files,)


class Latest(Generic[_Read]):
    """The last result, for as long as it is asked for with the very same objects. Belongs to a process, as FileCache does."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._result: _Read | None = None

    def get(self, key: tuple[object, ...], make: Callable[[], _Read]) -> _Read:
        if self._result is None or len(key) != len(self._key) or any(map(is_not, key, self._key)):
            self._result, self._key = make(), key
        return self._result

    def __reduce__(self) -> tuple[type["Latest[_Read]"], tuple[()]]:
        return type(self), ()
