"""Where a tree of named files is: a folder on this machine, or a prefix of a bucket. Each file is written whole or not at all."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import BinaryIO, Protocol

RETRIES_S = 30.0
"""For how long one request to a store is tried again, in seconds. Libraries' own minutes keep people from knowing that there is
no store, or that it refuses them."""

REMEDY = "Check the bucket's name, and that the account may list, read, create and delete objects"
"""Where a store refuses or does not answer."""


class Lock(Protocol):
    def close(self) -> None: ...


class NewFile(Protocol):
    """A file that is being written. file: takes its bytes; whoever has all of them there says `finish`, else `give_up`."""

    @property
    def file(self) -> BinaryIO: ...

    def finish(self) -> int:
        """Durable when it returns. Answers its size in bytes."""

    def give_up(self) -> None:
        """Leaves nothing."""


class Storage(Protocol):
    """root: as the user named it. Names are relative to it, and have `/` between their parts.

    Each method raises DestinationError; where there is no file of that name, its cause is a FileNotFoundError.
    """

    @property
    def root(self) -> str: ...

    def read(self, name: str) -> bytes: ...

    def open(self, name: str) -> BinaryIO:
        """To be read at any place."""

    def put(self, name: str, data: bytes) -> None:
        """Durable when it returns."""

    def put_new(self, name: str, data: bytes) -> bool:
        """As `put`, unless there is such a file already. Answers whether there was none."""

    def create(self, name: str) -> NewFile: ...

    def listed(self, prefix: str = "") -> Mapping[str, datetime]:
        """The files in the folder `prefix` and below it, and when each was written; none where there is no such folder."""

    def remove(self, names: Iterable[str]) -> None:
        """Also of files that are gone already."""

    def now(self) -> datetime:
        """By the clock that `listed` goes by."""

    def check(self) -> None:
        """Whether it can be written to; it is as before."""

    def hold(self, run: str) -> Lock:
        """As the one run that may write. Raises DestinationInUseError."""
